#!/usr/bin/env python3
"""Runs the conformance cases against an `icecore` binary. Needs Python 3.9+ and pyarrow only.

    runner.py --icecore PATH [--cases DIR] [-k SUBSTRING] [--mode plain|increments|online] [--seed N]
    runner.py --self-check [--cases DIR] [-k SUBSTRING]     proves that the comparison notices
    runner.py --show [--cases DIR] -k SUBSTRING             prints cases as text

The form of a case is described in README.md.
"""
import argparse
import os
import shutil
import sys

from case_project import Settings, Skipped
from case_reader import find_cases, show
from modes import MODES, run_case
from self_check import self_check

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser(description="Runs the conformance cases against an icecore binary.")
    parser.add_argument("--icecore", help="path of the binary")
    parser.add_argument("--cases", default=os.path.join(HERE, "cases"), help="folder of the case folders")
    parser.add_argument("-k", default="", metavar="SUBSTRING", help="only cases whose name contains this")
    parser.add_argument("--timeout", type=int, default=300, metavar="SECONDS", help="for one command")
    parser.add_argument("--mode", choices=list(MODES), default="plain",
                        help="plain: the case as it is; increments: its data in random pieces, a run after each; "
                             "online: each label read from the online store at its time")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices of a mode")
    parser.add_argument("--self-check", action="store_true", help="prove that the comparison notices")
    parser.add_argument("--show", action="store_true", help="print the cases as text")
    given = parser.parse_args()
    cases = find_cases(given.cases, given.k)
    if not cases:
        parser.error(f"no case in {given.cases} has {given.k!r} in its name")
    if given.show:
        for name, folder in cases:
            show(name, folder)
        return 0
    icecore = None
    if not given.self_check:
        if not given.icecore:
            parser.error("--icecore is needed")
        icecore = shutil.which(given.icecore)
        if icecore is None:
            parser.error(f"{given.icecore} is no program")
        icecore = os.path.abspath(icecore)
    settings = Settings(mode=given.mode, seed=given.seed, timeout_s=given.timeout)
    passed = failed = skipped = total = 0
    for name, folder in cases:
        try:
            if given.self_check:
                count, wrong = self_check(folder)
                total += count
            else:
                wrong = run_case(icecore, folder, settings)
        except Skipped:
            skipped += 1
            continue
        if wrong is None:
            passed += 1
        else:
            failed += 1
            print(f"FAIL {name}: {wrong}", flush=True)
    if given.self_check:
        print(f"{total} changed tables compared")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
