#!/usr/bin/env python3
"""Spark writes the tables of tables.py, and beside each what it reads from them itself.

    make_tables.py DEPS FOLDER [NAME...]

FOLDER/NAME is the table; FOLDER/NAME.V.arrow its rows at version V, FOLDER/NAME.changes.A-B.arrow its change data feed
from A to B (both included), as Arrow IPC files.
"""
import os
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import session
import tables


def save(rows, path):
    import pyarrow as pa
    with pa.OSFile(path, "wb") as out, pa.ipc.new_file(out, rows.schema) as writer:
        writer.write_table(rows)


def make(spark, folder, names):
    for function, versions, ranges in tables.TABLES:
        name = function.__name__
        if names and name not in names:
            continue
        started = time.monotonic()
        path = os.path.join(folder, name)
        function(spark.sql, f"delta.`{path}`")
        newest = spark.sql(f"DESCRIBE HISTORY delta.`{path}` LIMIT 1").collect()[0].version
        for version in versions:
            version = newest if version is None else version
            rows = spark.sql(f"SELECT * FROM delta.`{path}` VERSION AS OF {version}").toArrow()
            save(rows, f"{path}.{version}.arrow")
        for first, last in ranges:
            last = newest if last is None else last
            rows = spark.sql(f"SELECT * FROM table_changes_by_path('{path}', {first}, {last})").toArrow()
            save(rows, f"{path}.changes.{first}-{last}.arrow")
        print(f"{name}: version {newest}, {time.monotonic() - started:.1f} s", flush=True)


def main():
    deps, folder, *names = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="icecore-spark-") as scratch:
        spark = session.start(os.path.abspath(deps), scratch)
        make(spark, os.path.abspath(folder), names)
        spark.stop()


if __name__ == "__main__":
    main()
    # Threads of the gateway must not keep the process.
    sys.stdout.flush()
    os._exit(0)
