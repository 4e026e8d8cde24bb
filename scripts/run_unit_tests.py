#!/usr/bin/env python3
"""Runs every test binary that CTest knows of in a build folder, two at a time, and counts test cases.

    run_unit_tests.py BUILD_DIR

A binary that crashes, hangs or writes no report counts as one failed case. Last line: `N passed, N failed, N skipped`.
"""
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

TIMEOUT_S = 1500
SUPPRESSIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lsan.supp")
ENVIRONMENT = {**os.environ, "LSAN_OPTIONS": f"suppressions={SUPPRESSIONS}:print_suppressions=0"}
SHARDS = {"pipeline": 6, "lake": 4, "state": 3}  # the slowest binaries run in parts
SLOWEST = 12  # cases to name at the end


def commands(build):
    """(name, command, environment) of every run."""
    listing = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"],
                             check=True, capture_output=True, text=True)
    runs = []
    for test in json.loads(listing.stdout)["tests"]:
        shards = SHARDS.get(test["name"], 1)
        for shard in range(shards if "command" in test else 0):
            environment = {**ENVIRONMENT, "GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(shard)}
            runs.append((test["name"], test["command"], environment))
    return sorted(runs, key=lambda run: -SHARDS.get(run[0], 1))


def seconds(case):
    return float(case.get("time", "0s").rstrip("s"))


def run(name, command, environment):
    """Returns (name, passed, failed, skipped, text to show on failure, [(seconds, case)])."""
    with tempfile.TemporaryDirectory() as folder:
        report = os.path.join(folder, "report.json")
        try:
            done = subprocess.run([*command, "--gtest_brief=1", f"--gtest_output=json:{report}"], cwd=folder,
                                  capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, env=environment)
            output, status = done.stdout + done.stderr, done.returncode
        except subprocess.TimeoutExpired:
            return name, 0, 1, 0, f"no end after {TIMEOUT_S} s", []
        except OSError as error:
            return name, 0, 1, 0, str(error), []
        times, why = [], []
        passed = failed = skipped = 0
        if os.path.exists(report):
            with open(report, encoding="utf-8") as file:
                suites = json.load(file)["testsuites"]
            for case in (case for suite in suites for case in suite["testsuite"]):
                times.append((seconds(case), f"{case['classname']}.{case['name']}"))
                if case.get("failures"):
                    failed += 1
                    why.append(f"FAILED {times[-1][1]}: " + case["failures"][0]["failure"])
                elif case["result"] == "SKIPPED":
                    skipped += 1
                else:
                    passed += 1
        if not failed and (status != 0 or not os.path.exists(report)):
            failed, output = 1, f"{output}\nended with status {status}"
        if why:
            output = "\n".join([output[-2000:], *why])
        return name, passed, failed, skipped, output, times


def main():
    build = sys.argv[1]
    totals, slow = [0, 0, 0], []
    tests = commands(build)
    if not tests:
        print(f"{build}: CTest knows no test")
        totals[1] = 1
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for name, passed, failed, skipped, output, times in pool.map(lambda test: run(*test), tests):
            print(f"{name}: {passed} of {passed + failed + skipped}")
            if failed:
                print(output[-8000:])
            totals = [a + b for a, b in zip(totals, (passed, failed, skipped))]
            slow = sorted(slow + times, reverse=True)[:SLOWEST]
    print("slowest:", ", ".join(f"{case} {time:.1f} s" for time, case in slow))
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main())
