#!/usr/bin/env python3
"""Row P4: a training set of Feast's size, by Icecore through Python, by Icecore as a command, and by Feast.

    run.py [--icecore BINARY] [--rounds 5] [--spine 100000] [--rows 200000] [--json [FILE]]

A spine × 4 views, each over a Parquet file of its own with 5 float features and a ttl of 30 days. Feast's local provider
with its file offline store and SQLite registry, as `feast init` sets it up. Both sides get and give pandas frames in
one process with libraries loaded and the store open (worker.py); the command reads and writes Parquet files. Results
are compared before any time is taken. Needs .deps/feast (./dev bench feast) and build/release.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.append(os.path.join(ROOT, "bench"))
import record  # noqa: E402

PYTHON = os.path.join(ROOT, ".deps", "feast", "venv", "bin", "python")


class Worker:
    """One side in a process of its own; asked by lines, answers by JSON lines."""

    def __init__(self, side, folder):
        environment = {**os.environ, "PYTHONPATH": os.path.join(ROOT, "python"), "OMP_NUM_THREADS": "2",
                       "FEAST_USAGE": "False"}
        self.side = side
        self.process = subprocess.Popen([PYTHON, os.path.join(HERE, "worker.py"), side, folder], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        sys.exit(f"{self.side} ended: exit code {self.process.wait()}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def command(icecore, folder):
    """Seconds and peak memory of `icecore training-set`, start to end."""
    out = os.path.join(folder, "command.parquet")
    started = time.perf_counter()
    process = subprocess.Popen([icecore, "-C", os.path.join(folder, "icecore"), "training-set", "bench", "--spine",
                                os.path.join(folder, "spine.parquet"), "--out", out], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        sys.exit(f"icecore training-set: {status}")
    return {"seconds": seconds, "peak_mib": usage.ru_maxrss / 1024}


def line(name, runs, feast):
    seconds = [run["seconds"] for run in runs]
    median = statistics.median(seconds)
    peak = max(run["peak_mib"] for run in runs)
    ratio = "" if name == "feast" else f"{feast / median:7.1f}x"
    print(f"{name:<22} {median * 1000:9.1f} ms  ({min(seconds) * 1000:.1f} … {max(seconds) * 1000:.1f})  {ratio:>8}  {peak:7.0f} MiB")
    return {"name": name, "median_s": median, "min_s": min(seconds), "max_s": max(seconds), "ratio": feast / median, "peak_mib": peak}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icecore", default=os.path.join(ROOT, "build", "release", "bin", "icecore"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--spine", type=int, default=100_000)
    parser.add_argument("--rows", type=int, default=200_000)
    record.add_option(parser, "feast")
    given = parser.parse_args()
    if not os.path.exists(PYTHON):
        sys.exit("Feast is not installed: ./dev bench feast")
    icecore = os.path.abspath(given.icecore)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([PYTHON, os.path.join(HERE, "data.py"), folder, str(given.spine), str(given.rows)], check=True)
        for verb in ("apply", "run"):
            started = time.perf_counter()
            subprocess.run([icecore, "-C", os.path.join(folder, "icecore"), verb], check=True, stdout=subprocess.DEVNULL)
        print(f"landing and contracts, once, outside the clock: {time.perf_counter() - started:.1f} s")
        sides = {"icecore": Worker("icecore", folder), "feast": Worker("feast", folder)}
        for side in sides.values():
            side.ask("save")                                    # also warms up
        command(icecore, folder)
        compared = subprocess.run([PYTHON, os.path.join(HERE, "compare.py"), folder], text=True, capture_output=True)
        print(compared.stdout, end="")
        if compared.returncode != 0:
            sys.exit(f"the results differ: no times\n{compared.stderr}")
        runs = {"icecore, Python": [], "icecore, command": [], "feast": []}
        for _ in range(given.rounds):
            runs["icecore, Python"].append(sides["icecore"].ask("run"))
            runs["feast"].append(sides["feast"].ask("run"))
            runs["icecore, command"].append(command(icecore, folder))
        for side in sides.values():
            side.close()
        feast = statistics.median(run["seconds"] for run in runs["feast"])
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; median of {given.rounds}, by turns")
        lines = [line(name, some, feast) for name, some in runs.items()]
        record.write(given.json, given, lines)


if __name__ == "__main__":
    main()
