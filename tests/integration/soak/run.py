#!/usr/bin/env python3
"""`icecore serve` under a load that stays: reads, pushes, loads of views and definitions that change, all at once, at half of what
this machine can do. Nothing may fail, be lost or grow.

    run.py --icecore BINARY [--seconds 30] [--reads PER_SECOND] [--rows PER_SECOND] [--json FILE]

First reads and pushes go as fast as they can for some seconds; that is the peak. Then, at half of it: reads in stretches of five
seconds from an open loop (times count from when a request was due), pushes when they are due, a probe that pushes a row and waits
until it is served; and every few seconds another process brings a file into a view, loads a view anew beside the old one, or
applies a changed definition, which the server takes over. Judged, behind a first quarter to warm up: errors (none), every
acknowledged row in the lake once, answers equal to what is computed offline, the server's own memory and the file of the online
store (no growth by their trends), the 99th percentiles of reads and of the probe (the last third by the first). Growth, rates and
latency are judged from 120 seconds on; shorter runs hold the rest. Last line: `N passed, N failed`.
"""
import argparse
import json
import os
import random
import re
import sys
import tempfile
import threading
import time

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]
from judge import Growth, drift, percentile, tried  # noqa: E402
from load import Client, Errors, Probe, Pushes, Reads  # noqa: E402
from project import Failed, Project  # noqa: E402
from served import ON_LOOPBACK, Server, count_tests, expect  # noqa: E402

KEYS = 5000
STRETCH_S = 5
WARM_UP = 0.25       # of the time
JUDGED_FROM_S = 120  # shorter runs are all warm-up
WAIT_S = 60
COMPACT_S = 600
DEFINITIONS = """\
source: clicks
from: {{push: {{}}}}
contract:
  columns:
    - {{name: user, type: int64, required: true}}
    - {{name: at, type: timestamp, required: true}}
    - {{name: a, type: float64}}
    - {{name: id, type: int64, required: true}}
---
table: clicks
zone: processing
mode: append
sql: select "user", "at", a, id from landing.clicks
---
source: facts
from:
  files: {{path: "data/*.csv", format: csv}}
contract:
  columns:
    - {{name: user, type: int64, required: true}}
    - {{name: at, type: timestamp, required: true}}
    - {{name: x, type: float64}}
---
table: facts
zone: processing
mode: append
sql: select "user", "at", x from landing.facts
---
entity: user
keys: [{{name: user, type: int64}}]
---
feature_view: activity
entity: user
from: processing.clicks
event_time: at
online: true
features:
  - id
  - {{name: events, aggregate: count, windows: [30s], hop: 5s}}
  - {{name: a, aggregate: mean, of: a, windows: [30s], hop: 5s}}
---
feature_view: facts
entity: user
from: processing.facts
event_time: at
online: true
features: {features}
---
feature_service: model
features: [activity, facts]
"""
SHAPES = {"x": "[x]", "twice": "[x, {name: twice, of: x}]"}


def define(project: Project, shape: str) -> None:
    project.write("definitions/all.yaml", DEFINITIONS.format(features=SHAPES[shape]))
    project.must("apply")


def facts(first: int, count: int) -> str:
    """x is a key's alone, so that every answer can be looked at."""
    return "user,at,x\n" + "".join(f"{key % KEYS},2024-02-28T00:00:00Z,{(key % KEYS) / 4}\n" for key in range(first, first + count))


def prepared(icecore: str, folder: str) -> Project:
    project = Project(icecore, folder)
    # Of the vectors served few are kept: each position that the log names is a scan of the tables for `verify`.
    project.write("icecore.yaml", "language: 1\nproject: soak\nserved_log: {fraction: 0.002, max_mib: 64}\n")
    project.write("data/0.csv", facts(0, KEYS))
    define(project, "x")
    project.must("run")
    return project


class Changes(threading.Thread):
    """Other processes that work on the project, one after the other, until the time is up."""

    def __init__(self, project: Project, server: Server, until: float, pause_s: float, errors: Errors):
        super().__init__()
        self.project, self.server, self.until, self.pause_s, self.errors = project, server, until, pause_s, errors
        self.done, self.took_s, self.files, self.shape = {}, {}, 0, "x"

    def run(self) -> None:
        kinds = [self.file, self.load_anew, self.definition, self.compact]
        for turn in range(10**9):
            if time.monotonic() >= self.until:
                return
            kind, begin = kinds[turn % len(kinds)], time.monotonic()
            try:
                kind()
            except Exception as error:
                self.errors.add(f"{kind.__name__}: {type(error).__name__}: {error}")
            self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1
            self.took_s.setdefault(kind.__name__, []).append(time.monotonic() - begin)
            time.sleep(max(0.0, min(self.pause_s, self.until - time.monotonic())))

    def file(self) -> None:
        self.files += 1
        self.project.write(f"data/{self.files}.csv", facts(self.files * 100, 100))
        self.project.must("run", "source.facts+")

    def load_anew(self) -> None:
        self.project.must("materialize", "view.facts", "--full")

    def compact(self) -> None:
        # It gives way to the server (nice 19), which leaves it little.
        self.project.must("compact", timeout_s=COMPACT_S)

    def definition(self) -> None:
        self.shape = "twice" if self.shape == "x" else "x"
        define(self.project, self.shape)
        self.project.must("run", "view.facts")
        deadline = time.monotonic() + WAIT_S
        client = Client(self.server.port)
        while True:
            status, answer = client.post("/v1/features", {"service": "model", "entities": {"user": 7}})
            if status != 200 or answer["features"]["x"]["values"] != [7 / 4]:
                raise Failed(f"{status} {answer}")
            if ("twice" in answer["features"]) == (self.shape == "twice"):
                return
            if time.monotonic() > deadline:
                raise Failed(f"the server has not taken over the definitions: {list(answer['features'])}")
            time.sleep(0.05)


class Watch(threading.Thread):
    """Once a second: the server's own memory (pages of files are not its own), and the size of the online store's file."""

    def __init__(self, project: Project, process: int, began: float, until: float):
        super().__init__()
        self.store, self.process, self.began, self.until = project.path(".icecore/online"), process, began, until
        self.times, self.memory, self.map, self.threads, self.files = [], [], [], [], []

    def run(self) -> None:
        while time.monotonic() < self.until:
            with open(f"/proc/{self.process}/status", encoding="ascii") as file:
                status = file.read()
            self.times.append(time.monotonic() - self.began)
            self.memory.append(int(re.search(r"^RssAnon:\s+(\d+)", status, re.MULTILINE).group(1)) * 1024)
            self.threads.append(int(re.search(r"^Threads:\s+(\d+)", status, re.MULTILINE).group(1)))
            self.files.append(len(os.listdir(f"/proc/{self.process}/fd")))
            self.map.append(sum(os.path.getsize(os.path.join(self.store, name)) for name in os.listdir(self.store)))
            time.sleep(max(0.0, min(1.0, self.until - time.monotonic())))


def load_maker(icecore: str) -> str:
    """`icecore_server_bench`, beside the program or among the unit tests' binaries."""
    folders = [os.path.dirname(os.path.abspath(icecore)), os.environ.get("ICECORE_TESTS_OF", "")]
    for folder in folders:
        if os.path.exists(path := os.path.join(folder, "icecore_server_bench")):
            return path
    raise Failed(f"no icecore_server_bench in {' or '.join(filter(None, folders))}: ninja -C build/PRESET icecore_server_bench")


class Soak:
    def __init__(self, given, project: Project, server: Server):
        self.given, self.project, self.server, self.errors = given, project, server, Errors()
        self.reads = Reads(load_maker(given.icecore), server.port, project.folder, KEYS)
        self.pushes = Pushes(server.port, KEYS, self.errors)
        self.probe = Probe(server.port, self.errors)
        self.stretches, self.result = [], {}

    def measure_peak(self) -> None:
        """Both at once; rows count over the time until the last of them is served."""
        begin = time.monotonic()
        threads = self.pushes.run(begin + STRETCH_S)
        answered = self.reads.ask(STRETCH_S)
        for thread in threads:
            thread.join()
        self.probe.once(Client(self.server.port))
        rows = self.pushes.acknowledged / (time.monotonic() - begin)
        expect(set(answered["statuses"]), {"200"}, "statuses at the peak")
        self.read_rate = self.given.reads or answered["per_second"] / 2
        self.row_rate = self.given.rows or rows / 2
        self.result["peak"] = {"reads_per_s": answered["per_second"], "rows_per_s": rows}
        print(f"peak: {answered['per_second']:,.0f} reads/s beside {rows:,.0f} rows/s; "
              f"from here {self.read_rate:,.0f} and {self.row_rate:,.0f}", flush=True)

    def press(self) -> None:
        seconds = self.given.seconds
        began = time.monotonic()
        until = began + seconds
        self.watch = Watch(self.project, self.server.process.pid, began, until)
        self.changes = Changes(self.project, self.server, until, min(5.0, seconds / 30), self.errors)
        threads = [self.watch, self.changes, *self.pushes.run(until, self.row_rate), self.probe.run(until, began)]
        self.watch.start()
        self.changes.start()
        while time.monotonic() < until - STRETCH_S / 2:
            at = time.monotonic() - began
            try:
                one = self.reads.ask(STRETCH_S, self.read_rate)
                bad = {status: count for status, count in one["statuses"].items() if status != "200"}
                if bad or one["unanswered"]:
                    self.errors.add(f"reads: {bad}, {one['unanswered']} unanswered")
                self.stretches.append((at, one))
            except Exception as error:
                self.errors.add(f"{type(error).__name__}: {error}")
        for thread in threads:
            thread.join()

    def settled(self, series: list[tuple]) -> list:
        return [value for at, value in series if at >= self.given.seconds * WARM_UP]


def judgements_can_fail(_: Soak) -> None:
    expect(tried(), [], "judgements")


def nothing_failed(soak: Soak) -> None:
    expect((soak.errors.count, soak.errors.first), (0, []), "errors")
    expect(soak.server.process.poll(), None, "exit code of the server")
    for kind in ("file", "load_anew", "definition", "compact"):
        expect(soak.changes.done.get(kind, 0) > 0, True, f"a change of the kind {kind}")


def reads_kept_their_rate(soak: Soak) -> None:
    answers = sum(one["per_second"] for _, one in soak.stretches) / len(soak.stretches)
    expect(answers > 0.9 * soak.read_rate, True, f"{answers:,.0f} answers/s of {soak.read_rate:,.0f}; kept")


def drains(soak: Soak) -> None:
    said = soak.server.end()
    soak.project.must("run")  # what was acknowledged last
    expect([line for line in said.splitlines() if '"level":"error"' in line or "pushes wait" in line][:3], [], "what the server said")


def every_row_is_there_once(soak: Soak) -> None:
    got = soak.project.rows("select count(*) as rows, count(distinct id) as ids, count(*) filter (id < 0) as probes from processing.clicks")
    expected = soak.pushes.acknowledged + soak.probe.pushed
    expect(got, [{"rows": expected, "ids": expected, "probes": soak.probe.pushed}], "rows in the lake")
    expect(soak.pushes.acknowledged + soak.pushes.failed, soak.pushes.next_id, "rows that were sent")
    expect(soak.pushes.repeated > 0, True, "pushes sent again")


def served_is_offline(soak: Soak) -> None:
    now_us = int(time.time() * 1e6)
    keys = [*range(0, KEYS, 5), 1_000_000, KEYS + 1]
    pq.write_table(pa.table({"user": pa.array(keys, pa.int64()), "event_timestamp": pa.array([now_us] * len(keys), pa.timestamp("us", "UTC"))}),
                   soak.project.path("spine.parquet"))
    # And some of what was served under way. A value that differs is exit code 1.
    for what, arguments, least in (("now", ("--spine", "spine.parquet"), 2 * len(keys)), ("under way", ("--limit", "40"), 1)):
        report = soak.project.json("verify", "model", *arguments)
        expect((report["mismatched"], report["unverified"], report["equal"] >= least), (0, 0, True), f"values served {what}")


def lake_is_sound(soak: Soak) -> None:
    soak.project.must("check", "--lake")


def nothing_grows(soak: Soak) -> None:
    begin = soak.given.seconds * WARM_UP
    first = next(i for i, at in enumerate(soak.watch.times) if at >= begin)
    times = soak.watch.times[first:]
    problems = []
    for what, values, share, least in (("the server's memory", soak.watch.memory, 0.1, 2**24),
                                       ("the online store's file", soak.watch.map, 0.1, 2**22)):
        growth = Growth(times, values[first:], share, least)
        soak.result[what] = {"level_mib": growth.level / 2**20, "grown_mib": growth.grown / 2**20, "allowed_mib": growth.allowed / 2**20}
        print(f"{what}: {growth.level / 2**20:.1f} MiB, by its trend {growth.grown / 2**20:+.1f} over {times[-1] - times[0]:.0f} s", flush=True)
        problems.append(growth.problem(what))
    for what, values in (("threads", soak.watch.threads), ("open files", soak.watch.files)):
        first_level, last_level, grown = drift(values[first:], 1.2, 8)
        soak.result[what] = [first_level, last_level]
        problems.append(f"{what}: {first_level} to {last_level}" if grown else None)
    expect([problem for problem in problems if problem], [], "growth")


def latency_is_stable(soak: Soak) -> None:
    reads = [one["p99_us"] / 1e3 for one in soak.settled(soak.stretches)]
    # Of the probe in windows of thirty seconds.
    windows = {}
    for at, delay in soak.probe.delays:
        if at >= soak.given.seconds * WARM_UP:
            windows.setdefault(int(at // 30), []).append(1e3 * delay)
    fresh = [percentile(values, 0.99) for _, values in sorted(windows.items())]
    problems = []
    for what, values, least in (("p99 of reads", reads, 5), ("p99 of the probe", fresh, 50)):
        first, last, worse = drift(values, 1.5, least)
        soak.result[what] = {"first_third_ms": first, "last_third_ms": last}
        print(f"{what}: {first:.1f} ms in the first third, {last:.1f} in the last", flush=True)
        if worse:
            problems.append(f"{what}: {first:.1f} ms, at the end {last:.1f}")
    expect(problems, [], "latency")


def report(soak: Soak) -> None:
    delays = [1e3 * delay for _, delay in soak.probe.delays]
    p99 = [one["p99_us"] / 1e3 for _, one in soak.stretches]
    soak.result.update(seconds=soak.given.seconds, reads_per_s=soak.read_rate, rows_per_s=soak.row_rate, rows=soak.pushes.acknowledged,
                       errors=soak.errors.count, changes=soak.changes.done, load=os.getloadavg()[0], latest_push_s=soak.pushes.late_s,
                       p99_ms=p99, probe_ms={"p50": percentile(delays, 0.5), "p99": percentile(delays, 0.99), "probes": len(delays)},
                       memory_mib=[value / 2**20 for value in soak.watch.memory[::10]], map_mib=[value / 2**20 for value in soak.watch.map[::10]])
    print(f"{soak.pushes.acknowledged:,} rows in {soak.pushes.requests:,} pushes, {soak.pushes.repeated:,} sent again; changes: {soak.changes.done}")
    print("changes took " + ", ".join(f"{kind} {percentile(took, 0.5):.1f} s (last {took[-1]:.1f})" for kind, took in soak.changes.took_s.items()))
    print(f"p99 of reads by stretch: {' '.join(f'{value:.1f}' for value in p99)} ms; probe p50 {percentile(delays, 0.5):.0f} ms, "
          f"p99 {percentile(delays, 0.99):.0f} ms; memory {soak.watch.memory[0] >> 20} to {soak.watch.memory[-1] >> 20} MiB, "
          f"map {soak.watch.map[0] >> 20} to {soak.watch.map[-1] >> 20} MiB", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="A load that stays on `icecore serve`.")
    parser.add_argument("--icecore", required=True)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--reads", type=float, default=0, help="a second; half of the peak when left out")
    parser.add_argument("--rows", type=float, default=0, help="a second; half of the peak when left out")
    parser.add_argument("--json")
    given = parser.parse_args()
    tests = [judgements_can_fail, nothing_failed]
    tests += [reads_kept_their_rate, nothing_grows, latency_is_stable] if given.seconds >= JUDGED_FROM_S else []
    tests += [drains, every_row_is_there_once, served_is_offline, lake_is_sound]
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        try:
            project = prepared(given.icecore, os.path.join(temporary, "project"))
            with Server(project, *ON_LOOPBACK) as server:
                soak = Soak(given, project, server)
                soak.measure_peak()
                soak.press()
                report(soak)
                code = count_tests((test.__name__, lambda test=test: test(soak)) for test in tests)
        except (Failed, OSError) as wrong:
            print(f"FAIL {wrong}\n0 passed, 1 failed")
            return 1
    if given.json:
        with open(given.json, "w", encoding="utf-8") as out:
            json.dump(soak.result, out, indent=1)
    return code


if __name__ == "__main__":
    sys.exit(main())
