#!/usr/bin/env python3
"""Other engines open what we wrote: every version of every table of a lake after every kind of operation.

    run.py --icecore BINARY [--lake FOLDER]

The lake is made in the folder, or lies there already (../our_lake.py). deltalake reads each version as our reader does,
rows and types; its statistics agree with the files; `icecore sql`, Polars and DuckDB read the newest. Spark does the same
in ../spark. Last line: `N passed, N failed`.
"""
import argparse
import os
import sys
import tempfile
import urllib.parse

import duckdb
import polars
from deltalake import DeltaTable

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]
import compare  # noqa: E402
import our_lake  # noqa: E402
from project import Failed  # noqa: E402


def must_equal(wanted, found):
    problem = compare.different(wanted, found)
    if problem:
        raise Failed(problem)


def check_versions(table: our_lake.Table) -> None:
    """What was deleted since is gone for both."""
    for version, ours in table.versions.items():
        theirs = DeltaTable(table.folder, version=version)
        if ours is not None:
            try:
                must_equal(theirs.to_pyarrow_table(), ours)
            except Failed as problem:
                raise Failed(f"version {version}: {problem}") from None
            continue
        try:
            theirs.to_pyarrow_table()
        except FileNotFoundError:
            continue
        raise Failed(f"version {version}: we have no such rows, deltalake reads some")


def check_statistics(table: our_lake.Table) -> None:
    for action in DeltaTable(table.folder).get_add_actions(flatten=True).to_struct_array().to_pylist():
        numbers = {"rows": action["num_records"], "nulls": {}, "min": {}, "max": {}}
        for name, value in action.items():
            what, _, column = name.partition(".")
            if column and what in ("null_count", "min", "max"):
                numbers[what.split("_")[0].replace("null", "nulls")][column] = value
        problem = compare.wrong_statistics(os.path.join(table.folder, urllib.parse.unquote(action["path"])), numbers)
        if problem:
            raise Failed(f"{action['path']}: {problem}")


def check_polars(table: our_lake.Table) -> None:
    """Through deltalake's Arrow, and by Polars' own reader; that one takes partition values from names of folders, which we
    do not make, instead of from the log."""
    must_equal(table.newest, polars.read_delta(table.folder, use_pyarrow=True).to_arrow())
    if not DeltaTable(table.folder).metadata().partition_columns:
        must_equal(table.newest, polars.read_delta(table.folder).to_arrow())


def check_duckdb(table: our_lake.Table) -> None:
    dataset = DeltaTable(table.folder).to_pyarrow_dataset()  # noqa: F841 (DuckDB finds it by its name)
    must_equal(table.newest, duckdb.sql("select * from dataset").to_arrow_table())


CHECKS = [check_versions, check_statistics, check_polars, check_duckdb]


def main() -> int:
    parser = argparse.ArgumentParser(description="Opens every table with other engines.")
    parser.add_argument("--icecore", required=True)
    parser.add_argument("--lake")
    given = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="openers-") as scratch:
        try:
            tables = our_lake.make(given.icecore, given.lake or scratch)
        except Failed as wrong:
            print(f"FAIL {wrong}\n0 passed, 1 failed")
            return 1
        for table in tables:
            for check in CHECKS:
                try:
                    check(table)
                    passed += 1
                except Exception as error:  # a check that could not run has failed
                    failed += 1
                    print(f"FAIL {check.__name__} {table.name}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # deltalake's threads may abort an orderly exit.
    os._exit(code)
