#!/usr/bin/env python3
"""Tables that Spark wrote, read by us: rows, types, change data feeds.

    .deps/venv/bin/python tests/integration/spark/run.py [--icecore build/dev/bin/icecore] [--live DEPS]

Without --live: the tables of tables.tar.xz, which make_tables.py made with the Spark and Delta versions of
scripts/requirements-spark.txt. With it, Spark makes them anew. Last line: `N passed, N failed`.
"""
import argparse
import os
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import compare

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--icecore", default=os.path.join(ROOT, "build/dev/bin/icecore"),
                        help="its folder holds icecore_lake_test, which reads the tables")
    parser.add_argument("--live", metavar="DEPS", help="the folder with spark/, as scripts/spark.sh fills it")
    arguments = parser.parse_args()
    reader = os.path.join(os.path.dirname(os.path.abspath(arguments.icecore)), "icecore_lake_test")
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="icecore-spark-") as scratch:
        folder = os.path.join(scratch, "tables")
        if arguments.live:
            subprocess.run([sys.executable, os.path.join(HERE, "make_tables.py"), arguments.live, folder], check=True,
                           timeout=1500)
        else:
            with tarfile.open(os.path.join(HERE, "tables.tar.xz")) as archive:
                archive.extractall(folder)
        for name, problem in compare.check_folder(reader, folder, scratch):
            passed, failed = passed + (not problem), failed + bool(problem)
            print(f"FAILED  {name}: {problem}" if problem else f"ok      {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
