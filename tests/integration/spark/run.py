#!/usr/bin/env python3
"""Spark and we read each other's tables: rows, types, statistics, change data feeds.

    .deps/venv/bin/python tests/integration/spark/run.py --icecore BINARY [--deps DEPS [--lake FOLDER] [--live]]

Tables that Spark wrote: those of tables.tar.xz, which run_spark.py made with the Spark and Delta versions of
scripts/requirements-spark.txt; with --live Spark makes them anew. With --deps (the folder with spark/, as
scripts/spark.sh fills it) Spark reads every table of ../our_lake.py too, which is made in --lake or lies there already.
Last line: `N passed, N failed`.
"""
import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
sys.path.insert(0, os.path.dirname(HERE))
import compare  # noqa: E402
import our_lake  # noqa: E402


def requests_to_spark(tables, scratch):
    """(table, version) -> files for rows and, of the newest version, statistics. A query takes Spark long: three versions each."""
    requests = {}
    for number, table in enumerate(tables):
        versions = sorted(table.versions)
        for version in sorted({versions[0], *versions[-2:]}):
            rows = os.path.join(scratch, f"{number}.{version}.arrow")
            requests[table.name, version] = (table, rows, rows + ".statistics" if version == max(table.versions) else "")
    return requests


def statistics_of(path):
    """path -> numbers, as compare.wrong_statistics wants them."""
    for row in compare.load(path).to_pylist():
        stats = row["stats"]
        yield urllib.parse.unquote(row["path"]), {
            "rows": stats["numRecords"], "nulls": flat(stats.get("nullCount")), "min": flat(stats.get("minValues")),
            "max": flat(stats.get("maxValues"))}


def flat(values, prefix=""):
    flattened = {}
    for name, value in (values or {}).items():
        flattened |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flattened


def check_read(table, version, rows, statistics):
    """Nothing, or what Spark read otherwise than we do."""
    ours = table.versions[version]
    if os.path.exists(rows + ".error"):
        with open(rows + ".error") as error:
            text = error.read()
        # What a vacuum deleted is gone for both.
        return None if ours is None and "FILE_NOT_EXIST" in text else text[:2000]
    if ours is None:
        return "we have no such rows, Spark reads some"
    problem = compare.different(compare.load(rows), ours)
    if problem or not statistics:
        return problem
    for path, numbers in statistics_of(statistics):
        problem = compare.wrong_statistics(os.path.join(table.folder, path), numbers)
        if problem:
            return f"statistics of {path}: {problem}"
    return None


def check_ours(tables, requests):
    """Yields (name, problem or None) for versions of every table of ours."""
    if len({name for name, _ in requests}) != len(tables) or len(tables) < 20:
        yield "tables", f"{len(tables)} tables of ours, some without versions"
    for (name, version), (table, rows, statistics) in requests.items():
        yield f"ours {name} {version}", check_read(table, version, rows, statistics)


def call_spark(deps, requests, scratch, made):
    listing = os.path.join(scratch, "listing")
    with open(listing, "w") as out:
        out.writelines(f"{table.folder} {version} {rows} {statistics}\n"
                       for (_, version), (table, rows, statistics) in requests.items())
    subprocess.run([sys.executable, os.path.join(HERE, "run_spark.py"), deps, "--read", listing] +
                   (["--make", made] if made else []), check=True, timeout=1500)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--icecore", required=True)
    parser.add_argument("--deps")
    parser.add_argument("--lake")
    parser.add_argument("--live", action="store_true")
    given = parser.parse_args()
    reader = our_lake.reader_of(given.icecore)
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="icecore-spark-") as scratch:
        theirs, ours = os.path.join(scratch, "tables"), os.path.join(scratch, "ours")
        checks = []
        if given.deps:
            tables = our_lake.make(given.icecore, given.lake or ours)
            requests = requests_to_spark(tables, scratch)
            call_spark(given.deps, requests, scratch, theirs if given.live else None)
            checks.append(check_ours(tables, requests))
        if not given.live:
            with tarfile.open(os.path.join(HERE, "tables.tar.xz")) as archive:
                archive.extractall(theirs)
        checks.append(compare.check_folder(reader, theirs, scratch))
        for name, problem in (one for check in checks for one in check):
            passed, failed = passed + (not problem), failed + bool(problem)
            print(f"FAILED  {name}: {problem}" if problem else f"ok      {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # deltalake's threads may abort an orderly exit.
    os._exit(code)
