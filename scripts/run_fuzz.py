#!/usr/bin/env python3
"""Runs the libFuzzer targets of build/fuzz, two at a time, each from its corpus.

    run_fuzz.py SECONDS [TARGET...]

The corpus of x_fuzz.cc is fuzz_corpus/x beside it; inputs found on the way go to build/fuzz/corpus/x and are read again
the next time. A crash, a leak, 2 GB of memory or an input that takes 20 seconds fails the target; the input is left in
build/fuzz/found: put it into the corpus, where the unit tests replay it, and fix what it shows.
Last line: `N passed, N failed`.
"""
import concurrent.futures
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "fuzz")
FOUND = os.path.join(BUILD, "found")
SUPPRESSIONS = os.path.join(ROOT, "scripts", "lsan.supp")
ENVIRONMENT = {**os.environ, "LSAN_OPTIONS": f"suppressions={SUPPRESSIONS}:print_suppressions=0"}
GRACE_S = 120


def targets():
    """Name -> folder of its corpus, for every *_fuzz.cc."""
    found = {}
    for folder, _, files in os.walk(os.path.join(ROOT, "src")):
        for file in files:
            if file.endswith("_fuzz.cc"):
                name = file.removesuffix("_fuzz.cc")
                found[name] = os.path.join(folder, "fuzz_corpus", name)
    return dict(sorted(found.items()))


def run(name, corpus, seconds):
    """Returns (whether it passed, what to show)."""
    own = os.path.join(BUILD, "corpus", name)
    os.makedirs(own, exist_ok=True)
    if not os.path.isdir(corpus):
        return False, f"no corpus: {os.path.relpath(corpus, ROOT)}"
    command = [os.path.join(BUILD, "bin", name + "_fuzz"), f"-max_total_time={seconds}", "-timeout=20",
               "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={FOUND}/{name}-",
               own, corpus]
    try:
        done = subprocess.run(command, cwd=BUILD, env=ENVIRONMENT, capture_output=True, text=True, errors="replace",
                              timeout=seconds + GRACE_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    if done.returncode != 0:
        return False, "\n".join(done.stderr.splitlines()[-60:])
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
    coverage = re.findall(r"cov: (\d+)", done.stderr)
    if executions is None or not int(executions[1]):
        return False, "it ran nothing:\n" + done.stderr[-2000:]
    return True, f"{int(executions[1]):,} inputs, {coverage[-1] if coverage else '?'} edges"


def main():
    seconds = int(sys.argv[1])
    known = targets()
    chosen = [name.removesuffix("_fuzz") for name in sys.argv[2:]] or list(known)
    for name in chosen:
        if name not in known:
            sys.exit(f"no fuzz target '{name}'; there are {', '.join(known)}")
    os.makedirs(FOUND, exist_ok=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        results = pool.map(lambda name: run(name, known[name], seconds), chosen)
        for name, (passed, text) in zip(chosen, results):
            failed += not passed
            print(f"{name:<18} {'' if passed else 'FAILED '}{text}", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
