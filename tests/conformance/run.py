#!/usr/bin/env python3
"""Runs the conformance cases of this release against the built binary, two at a time.

    run.py --icecore BINARY [--mode plain|increments|online] [-k SUBSTRING] [--seed N] [--label-times N]

runner.py does the work and runs single cases as well. Last line: `N passed, N failed`.
"""
import argparse
import concurrent.futures
import os
import sys

from case_project import Settings, Skipped
from case_reader import find_cases
from modes import MODES, run_case

HERE = os.path.dirname(os.path.abspath(__file__))


def outcome(icecore: str, folder: str, settings: Settings) -> tuple[str, str]:
    """("passed" | "failed" | "not asked", why). A case that a mode does not suit is not asked."""
    try:
        wrong = run_case(icecore, folder, settings)
    except Skipped as reason:
        return "not asked", str(reason)
    return ("failed", wrong) if wrong else ("passed", "")


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the conformance cases.")
    parser.add_argument("--icecore", required=True)
    parser.add_argument("--mode", choices=list(MODES), default="plain")
    parser.add_argument("-k", default="", help="only cases with this in their name")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=300, help="seconds for one command")
    parser.add_argument("--label-times", type=int, default=4, help="moments of a case that mode online asks at")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    # Of increments every view from a clustered log of several runs.
    settings = Settings(given.mode, given.seed, given.timeout, given.label_times, "feature_log_rows: 0\n" if given.mode == "increments" else "")
    icecore = os.path.abspath(given.icecore)
    if not os.path.isfile(icecore):
        print(f"{icecore} does not exist\n0 passed, 1 failed")
        return 1
    cases = find_cases(os.path.join(HERE, "cases"), given.k)
    count = dict.fromkeys(("passed", "failed", "not asked"), 0)
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        outcomes = pool.map(lambda case: outcome(icecore, case[1], settings), cases)
        for (name, _), (how, why) in zip(cases, outcomes):
            count[how] += 1
            if how == "failed":
                print(f"{how.upper()} {name}: {why}", flush=True)
    print(f"seed {given.seed}; {count['not asked']} cases say nothing in mode {given.mode}")
    print(f"{count['passed']} passed, {count['failed']} failed")
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
