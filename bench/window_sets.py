#!/usr/bin/env python3
"""Training sets of windows within `memory`: time and peak, with a clustered log and without. See README.md.

    bench/window_sets.py [--icecore BINARY[,BEFORE]] [--events 20000000] [--keys 100000] [--labels 1000000]
        [--memory 256MB,1GB] [--rounds 3] [--work DIR] [--json [FILE]]

Every set is compared with the first one, byte for byte of every column, before times are.
"""
import argparse
import os
import shutil
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import joins
import record

DAYS = 90
DEFINITIONS = """\
entity: user
keys: [{name: user, type: int64}]
---
source: events
from:
  files: {path: events.parquet, format: parquet}
---
table: events
zone: processing
sql: select * from landing.events
mode: append
---
feature_view: recent
entity: user
from: processing.events
event_time: at
features:
  - {name: v, aggregates: [count, sum, mean, min, max, stddev], of: v, windows: [1d, 7d]}
---
feature_service: windows
features: [recent]
"""


def generate(folder, given):
    """Events by time, as they come; labels in any order."""
    random = np.random.default_rng(joins.SEED)
    span = DAYS * 24 * 3600 * 1_000_000

    def instants(times):
        return pa.array(joins.START + times, pa.timestamp("us", "UTC"))
    with pq.ParquetWriter(folder / "events.parquet",
                          pa.schema([("user", pa.int64()), ("at", pa.timestamp("us", "UTC")), ("v", pa.float64())])) as writer:
        for at in range(0, given.events, joins.PIECE):
            count = min(joins.PIECE, given.events - at)
            first, last = span * at // given.events, span * (at + count) // given.events
            writer.write_table(pa.table([pa.array(random.integers(0, given.keys, count)),
                                         instants(np.sort(random.integers(first, last, count))),
                                         pa.array(np.round(random.lognormal(3, 1, count), 2))], ["user", "at", "v"]),
                               row_group_size=1 << 20)
    pq.write_table(pa.table([pa.array(random.integers(0, given.keys, given.labels)),
                             instants(random.integers(span // 3, span, given.labels)),
                             pa.array(np.arange(given.labels))], ["user", "event_timestamp", "id"]), folder / "spine.parquet")


class WindowProject(joins.Project):
    def __init__(self, icecore, folder, logs):
        self.icecore, self.folder, self.logs = icecore, folder, logs
        (folder / "definitions").mkdir(parents=True)
        (folder / "definitions" / "all.yaml").write_text(DEFINITIONS)
        self.set_memory("1GB")

    def set_memory(self, memory):
        rows = 0 if self.logs else 1_000_000_000_000
        (self.folder / "icecore.yaml").write_text(f"project: windows\nmemory: {memory}\nfeature_log_rows: {rows}\n")


def prepare(work, given, icecore):
    projects = {}
    for name, logs in (("by time", False), ("clustered", True)):
        project = WindowProject(icecore, work / ("kept" if logs else "plain"), logs)
        os.link(work / "events.parquet", project.folder / "events.parquet")
        project.must("apply")
        project.must("run")
        projects[name] = project
    return projects


def compare(work, given, binaries):
    runs, expected = {}, work / "expected.parquet"
    projects = prepare(work, given, binaries[0])
    for round in range(given.rounds):
        for name, project in projects.items():
            for memory in given.memory.split(","):
                for number, binary in enumerate(binaries):
                    project.set_memory(memory)
                    out = work / "out.parquet"
                    got = joins.peak_of(binary, [binary, "-C", str(project.folder), "training-set", "windows", "--spine",
                                                 str(work / "spine.parquet"), "--out", str(out)])
                    if got is None:
                        continue
                    if not expected.exists():
                        shutil.copy(out, expected)
                    if round == 0 and not joins.are_equal(out, expected, by_id=False):
                        raise SystemExit(f"{binary}, {name}, {memory}: not equal")
                    runs.setdefault((name, memory, number), []).append(got)
    return runs


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--icecore", default=str(joins.HERE.parent / "build" / "release" / "bin" / "icecore"))
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--labels", type=int, default=1_000_000)
    parser.add_argument("--memory", default="256MB,1GB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work")
    record.add_option(parser, "window-sets")
    given = parser.parse_args()
    binaries = [os.path.abspath(path) for path in given.icecore.split(",")]
    figures = []
    with tempfile.TemporaryDirectory(dir=given.work) as work:
        generate(Path(work), given)
        for (name, memory, number), outcomes in compare(Path(work), given, binaries).items():
            seconds = [one[0] for one in outcomes]
            line = {"log": name, "memory": memory, "binary": number, "median": statistics.median(seconds), "min": min(seconds),
                    "max": max(seconds), "peak_mib": max(one[1] for one in outcomes)}
            figures.append(line)
            print(f"{name:10} memory {memory:6} {'' if number == 0 else 'before':6} {line['median']:7.2f} s "
                  f"({line['min']:.2f} … {line['max']:.2f}) {line['peak_mib']:7.0f} MiB", flush=True)
    record.write(given.json, given, figures)


if __name__ == "__main__":
    main()
