#!/usr/bin/env python3
"""Writes our own conformance cases (own/*.py) as folders under cases/, answers by the naive reference of tests/oracle.

    make_cases.py             writes them anew
    make_cases.py --check     nothing; says which committed folders differ from what would be written

Needs pyarrow and DuckDB. Last line: `N passed, N failed`.
"""
import argparse
import os
import shutil
import sys
import tempfile

import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import case_writer  # noqa: E402
import comparison  # noqa: E402
from own import aggregates, clocks, keys, services, versions, windows  # noqa: E402

CASES = [case for part in (clocks, windows, aggregates, keys, versions, services) for case in part.CASES]
FIRST = "201"                           # cases below this number were given, and are not ours to write


def files_of(folder: str) -> list[str]:
    return sorted(os.path.relpath(os.path.join(base, file), folder) for base, _, files in os.walk(folder) for file in files)


def difference(have: str, want: str) -> str | None:
    """Texts by their bytes, tables by schema and values: a file's bytes depend on who wrote it."""
    if files_of(have) != files_of(want):
        return f"files: {sorted(set(files_of(have)) ^ set(files_of(want)))}"
    for file in files_of(want):
        paths = os.path.join(have, file), os.path.join(want, file)
        if not file.endswith(".parquet"):
            if open(paths[0], "rb").read() != open(paths[1], "rb").read():
                return f"{file} is another"
            continue
        tables = [pq.read_table(path) for path in paths]
        wrong = comparison.difference(*tables, {"exact": tables[1].column_names})
        if not tables[0].schema.equals(tables[1].schema) or wrong:
            return f"{file}: {wrong or 'another schema'}"
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--cases", default=os.path.join(HERE, "cases"))
    given = parser.parse_args()
    there = {name for name in os.listdir(given.cases) if name.split("-")[0].isdigit() and int(name.split("-")[0]) >= int(FIRST)}
    passed = failed = 0
    for case in CASES:
        folder = os.path.join(given.cases, case.name)
        with tempfile.TemporaryDirectory() as temporary:
            new = os.path.join(temporary, case.name)
            case_writer.Writer(case, new).write()
            wrong = difference(folder, new) if case.name in there else "is not there"
            if wrong and not given.check:
                shutil.rmtree(folder, ignore_errors=True)
                shutil.copytree(new, folder)
                print(f"{case.name}: written")
                wrong = None
        there.discard(case.name)
        passed, failed = passed + (wrong is None), failed + (wrong is not None)
        if wrong:
            print(f"{case.name}: {wrong}")
    for name in sorted(there):
        failed += 1
        print(f"{name}: no script writes it")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
