#!/usr/bin/env python3
"""One Spark session that reads tables of ours and writes tables of its own.

    run_spark.py DEPS --read LISTING      each line: TABLE VERSION ROWS [STATISTICS]
    run_spark.py DEPS --make FOLDER [NAME...]

--read: the rows of the version as Arrow IPC file ROWS; STATISTICS, of the newest version, the log's statistics as Spark
parses them. What Spark does not read becomes ROWS.error. --make: FOLDER/NAME is a table of tables.py;
FOLDER/NAME.V.arrow its rows at version V as Spark reads them, FOLDER/NAME.changes.A-B.arrow its change data feed from A
to B (both included).
"""
import argparse
import os
import sys
import tempfile
import time

import pyarrow as pa

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import session
import tables

# Tables of a few rows, each asked once: code made for a query costs more than it saves, and so does planning in steps.
INTERPRETED = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
               "spark.sql.adaptive.enabled": "false"}


def save(rows, path):
    with pa.OSFile(path, "wb") as out, pa.ipc.new_file(out, rows.schema) as writer:
        writer.write_table(rows)


def read(spark, listing):
    with open(listing) as lines:
        requests = [line.split() for line in lines]
    for table, version, rows, *statistics in requests:
        try:
            save(spark.read.format("delta").option("versionAsOf", version).load(table).toArrow(), rows)
            if statistics:
                save(statistics_of(spark, table), statistics[0])
        except Exception as error:  # the runner decides which errors are right
            with open(rows + ".error", "w") as out:
                out.write(str(error))


def statistics_of(spark, table):
    """path, stats (a struct): one row a file."""
    from pyspark.sql import DataFrame
    log = spark._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, table)
    return DataFrame(log.unsafeVolatileSnapshot().withStats(), spark).select("path", "stats").toArrow()


def make(spark, folder, names):
    os.makedirs(folder, exist_ok=True)
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


def stop(spark):
    """The session and its Java machine, whose processor time then is ours."""
    machine = spark.sparkContext._gateway.proc
    spark.stop()
    machine.stdin.close()  # by which it knows that we are gone
    machine.wait(60)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("deps")
    parser.add_argument("--read", metavar="LISTING")
    parser.add_argument("--make", metavar="FOLDER")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="icecore-spark-") as scratch:
        spark = session.start(os.path.abspath(given.deps), scratch, others=INTERPRETED)
        if given.read:
            read(spark, given.read)
        if given.make:
            make(spark, os.path.abspath(given.make), given.names)
        stop(spark)


if __name__ == "__main__":
    main()
    # Threads of the gateway must not keep the process.
    sys.stdout.flush()
    os._exit(0)
