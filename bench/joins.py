#!/usr/bin/env python3
"""Point-in-time joins beside DuckDB, Polars and pandas. See README.md.

    .deps/bench/venv/bin/python bench/joins.py [--icecore BINARY] [--only P1,P2,P4] [--rows 50000000] [--spine 1000000] [--rounds 5] [--work DIR] [--json FILE]

Every engine reads Parquet and writes Parquet, in a
process of its own, by turns. Before times are compared, every output column is: where one differs there is no number.
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
PEER = HERE / "joins_peer.py"
PEER_PYTHON = HERE.parent / ".deps" / "bench" / "venv" / "bin" / "python"
START = 1_600_000_000_000_000           # microseconds
SPAN = 365 * 24 * 3600 * 1_000_000
PIECE = 4_000_000                       # rows generated at once
TIMEOUT_S = 600
SEED = 5


class Shape:
    """One question: a spine over some views."""

    def __init__(self, name, view_rows, views, features, keys, spine_rows, zipf=0.0, text_keys=False):
        self.name, self.view_rows, self.views, self.features = name, view_rows, views, features
        self.keys, self.spine_rows, self.zipf, self.text_keys = keys, spine_rows, zipf, text_keys

    def data(self):
        """Shapes of the same tables share them."""
        return f"{self.views}x{self.view_rows}x{self.features}-{self.keys}-{self.zipf}-{self.text_keys}"


def draw_keys(random, count, keys, zipf):
    if zipf == 0:
        return random.integers(0, keys, count)
    # Inverse of the power law's distribution function, cut at `keys`.
    u = random.random(count)
    low = 1.0 - zipf
    return np.minimum(((u * (keys ** low - 1) + 1) ** (1 / low)).astype(np.int64), keys) - 1


def columns_of(random, shape, count, times):
    key = draw_keys(random, count, shape.keys, shape.zipf)
    if shape.text_keys:
        key = pa.array([f"user-{one:012d}" for one in key])
    return [pa.array(key), pa.array(times, pa.timestamp("us", "UTC"))]


def make_table(path, shape, seed):
    """Rows in the order of their time, as they mostly arrive."""
    random = np.random.default_rng(seed)
    writer = None
    for at in range(0, shape.view_rows, PIECE):
        count = min(PIECE, shape.view_rows - at)
        first = START + SPAN * at // shape.view_rows
        last = START + SPAN * (at + count) // shape.view_rows
        times = np.sort(random.integers(first, last, count))
        names = ["user", "at"] + [f"f{i}" for i in range(shape.features)]
        columns = columns_of(random, shape, count, times) + [pa.array(random.random(count)) for _ in range(shape.features)]
        table = pa.table(columns, names)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="snappy")
        writer.write_table(table, row_group_size=1 << 20)
    writer.close()


def make_spine(path, shape, seed):
    random = np.random.default_rng(seed)
    times = START + SPAN // 10 + random.integers(0, SPAN * 9 // 10, shape.spine_rows)
    table = pa.table(columns_of(random, shape, shape.spine_rows, times) + [pa.array(np.arange(shape.spine_rows))],
                     ["user", "event_timestamp", "id"])
    pq.write_table(table, path, row_group_size=1 << 20)


def definitions(shape):
    kind = "string" if shape.text_keys else "int64"
    parts = [f"entity: user\nkeys: [{{name: user, type: {kind}}}]\n"]
    for v in range(shape.views):
        features = ", ".join(f"{{name: v{v}_f{i}, of: f{i}}}" for i in range(shape.features))
        parts.append(f"source: t{v}\nfrom:\n  files: {{path: t{v}.parquet, format: parquet}}\n")
        parts.append(f"table: t{v}\nzone: processing\nsql: select * from landing.t{v}\nmode: append\n")
        parts.append(f"feature_view: v{v}\nentity: user\nfrom: processing.t{v}\nevent_time: at\n"
                     f"features: [{features}]\n")
    parts.append("feature_service: all\nfeatures: [" + ", ".join(f"v{v}" for v in range(shape.views)) + "]\n")
    return "---\n".join(parts)


class Project:
    """One project with or without clustered logs."""

    def __init__(self, icecore, folder, shape, logs):
        self.icecore, self.folder = icecore, folder
        folder.mkdir(parents=True)
        (folder / "definitions").mkdir()
        (folder / "icecore.yaml").write_text("project: joins\nmemory: 1GB\nfeature_log_rows: "
                                             + ("0\n" if logs else "1000000000000\n"))
        (folder / "definitions" / "all.yaml").write_text(definitions(shape))

    def must(self, *arguments):
        subprocess.run([self.icecore, "-C", self.folder, *arguments], check=True, stdout=subprocess.DEVNULL)


def measured(command):
    """Seconds and peak memory of a process; None when it did not finish."""
    start = time.monotonic()
    child = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, err = child.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        return None
    seconds = time.monotonic() - start
    if child.returncode != 0:
        print(f"  {command[0]}: {err.strip()[-300:]}", file=sys.stderr)
        return None
    return seconds, out


def peak_of(command):
    """As measured, with the child's peak memory (MiB) and its processor time by a process that has no other children."""
    code = ("import json,resource,subprocess,sys,time\n"
            "start=time.monotonic()\n"
            "done=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,stderr=subprocess.PIPE,text=True)\n"
            "seconds=time.monotonic()-start\n"
            "used=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
            "print(json.dumps([done.returncode,seconds,used.ru_maxrss/1024,used.ru_utime+used.ru_stime,"
            "done.stderr[-300:]]))\n")
    got = measured([sys.executable, "-c", code, *command])
    if got is None:
        return None
    status, seconds, peak, cpu, error = json.loads(got[1])
    if status != 0:
        print(f"  {command[0]}: {error}", file=sys.stderr)
        return None
    return seconds, peak, cpu


def limits_of(spine, result, tables):
    """What nobody can save: seconds for reading the Parquet and for writing the result, with pyarrow."""
    got = measured([PEER_PYTHON, PEER, "limit", spine, result, "0", *tables])
    return json.loads(got[1]) if got else {}


def are_equal(path, expected, by_id):
    """Column by column, so that this process takes no memory from the peers. Peers give rows in an order of their own."""
    def column(file, name):
        return pq.read_table(file, columns=[name]).column(name).combine_chunks()
    order = pc.sort_indices(column(path, "id")) if by_id else None
    for name in pq.read_schema(expected).names:
        got = column(path, name)
        if not (got.take(order) if by_id else got).equals(column(expected, name)):
            print(f"  column {name} differs", file=sys.stderr)
            return False
    return True


class Bench:
    def __init__(self, given, work):
        self.given, self.work, self.lines = given, work, []
        self.projects = {}

    def prepare(self, shape):
        folder = self.work / shape.data()
        if shape.data() not in self.projects:
            for old in self.projects.values():
                shutil.rmtree(old[0], ignore_errors=True)
            self.projects.clear()
            folder.mkdir(parents=True)
            for v in range(shape.views):
                make_table(folder / f"t{v}.parquet", shape, SEED + v)
            plain, kept = (Project(self.given.icecore, folder / name, shape, logs)
                           for name, logs in (("plain", False), ("kept", True)))
            for v in range(shape.views):
                os.link(folder / f"t{v}.parquet", plain.folder / f"t{v}.parquet")
            start = time.monotonic()
            plain.must("apply")
            plain.must("run")
            ingested = time.monotonic() - start
            # The same lake, and a log beside it.
            shutil.copytree(plain.folder, kept.folder, dirs_exist_ok=True, copy_function=os.link,
                            ignore=shutil.ignore_patterns("icecore.yaml", "definitions", "*.db*"))
            for file in (plain.folder / ".icecore").glob("*.db*"):
                shutil.copy(file, kept.folder / ".icecore" / file.name)
            start = time.monotonic()
            kept.must("run")
            logged = time.monotonic() - start
            print(f"{shape.data()}: ingested in {ingested:.1f} s, logs built in {logged:.1f} s", flush=True)
            self.projects[shape.data()] = (folder, plain, kept)
        folder, plain, kept = self.projects[shape.data()]
        spine = folder / f"spine-{shape.spine_rows}.parquet"
        if not spine.exists():
            make_spine(spine, shape, SEED + 1000)
        return folder, plain, kept, spine

    def run(self, shape, peers):
        folder, plain, kept, spine = self.prepare(shape)
        def training_set(project, out):
            return [self.given.icecore, "-C", project.folder, "training-set", "all", "--spine", spine, "--out", out]
        engines = {"icecore one-shot": lambda out: training_set(plain, out),
                   "icecore maintained": lambda out: training_set(kept, out)}
        for peer in peers:
            engines[peer] = lambda out, peer=peer: [PEER_PYTHON, PEER, peer, spine, out, str(shape.features)] + [
                folder / f"t{v}.parquet" for v in range(shape.views)]
        results = {engine: folder / f"out-{number}.parquet" for number, engine in enumerate(engines)}
        runs = {engine: [] for engine in engines}
        equal, expected = {}, None
        for round in range(self.given.rounds + 1):          # the first warms the page cache, and is compared
            for engine, command in engines.items():
                if equal.get(engine) is False:
                    continue
                got = peak_of([str(part) for part in command(results[engine])])
                if got is None:
                    equal[engine] = False
                    continue
                if round == 0:
                    expected = expected or results[engine]
                    equal[engine] = are_equal(results[engine], expected, by_id=engine in peers)
                    if not equal[engine]:
                        print(f"  {engine}: not equal", file=sys.stderr)
                else:
                    runs[engine].append(got)
        limits = limits_of(spine, results["icecore maintained"], [folder / f"t{v}.parquet" for v in range(shape.views)])
        for result in results.values():
            result.unlink(missing_ok=True)
        self.report(shape, runs, limits)

    def report(self, shape, runs, limits):
        line = {"shape": vars(shape), "engines": {}, "limits": limits}
        for engine, outcomes in runs.items():
            if not outcomes:
                line["engines"][engine] = None
                continue
            seconds = [one[0] for one in outcomes]
            line["engines"][engine] = {"median": statistics.median(seconds), "min": min(seconds), "max": max(seconds),
                                       "peak_mib": max(one[1] for one in outcomes),
                                       "cpu": statistics.median(one[2] for one in outcomes)}
        self.lines.append(line)
        ours = line["engines"]["icecore maintained"]
        print(f"{shape.name}: spine {shape.spine_rows:,} x {shape.views} views x {shape.view_rows:,} x {shape.features}, "
              f"{shape.keys:,} keys" + (f", Zipf {shape.zipf}" if shape.zipf else "") + (", text keys" if shape.text_keys else ""))
        for engine, one in line["engines"].items():
            if one is None:
                print(f"  {engine:20} did not finish, or was not equal")
                continue
            ratio = f"{one['median'] / ours['median']:7.1f}x" if ours else ""
            print(f"  {engine:20} {one['median']:8.3f} s ({one['min']:.3f} … {one['max']:.3f}) {one['cpu']:8.2f} s of processors "
                  f"{one['peak_mib']:8.0f} MiB {ratio}", flush=True)
        print("  limits (pyarrow): " + ", ".join(f"{what} {seconds:.3f} s" for what, seconds in limits.items())
              + f"; load average {os.getloadavg()[0]:.1f}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--icecore", default=str(HERE.parent / "build" / "release" / "bin" / "icecore"))
    parser.add_argument("--only", default="P1,P2,P4")
    parser.add_argument("--rows", type=int, default=50_000_000, help="of the view of P1")
    parser.add_argument("--spine", type=int, default=1_000_000)
    parser.add_argument("--p2-rows", type=int, default=5_000_000, help="of each view of P2")
    parser.add_argument("--views", type=int, default=20, help="of P2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default="duckdb,polars,pandas")
    parser.add_argument("--work")
    parser.add_argument("--json")
    given = parser.parse_args()
    given.icecore = os.path.abspath(given.icecore)
    peers = [peer for peer in given.peers.split(",") if peer]
    keys = max(given.rows // 50, 1)
    shapes = {"P1": [Shape("P1 uniform", given.rows, 1, 5, keys, given.spine),
                     Shape("P1 small spine", given.rows, 1, 5, keys, given.spine // 100),
                     Shape("P1 long spine", given.rows, 1, 5, keys, given.spine * 10),
                     Shape("P1 Zipf", given.rows, 1, 5, keys, given.spine, zipf=1.1)],
              "P2": [Shape("P2", given.p2_rows, given.views, 10, max(given.p2_rows // 20, 1), given.spine)],
              "P4": [Shape("P4", 200_000, 4, 5, 10_000, 100_000)]}
    with tempfile.TemporaryDirectory(prefix="joins-", dir=given.work) as work:
        bench = Bench(given, Path(work))
        for name in given.only.split(","):
            for shape in shapes[name]:
                bench.run(shape, peers)
    if given.json:
        Path(given.json).write_text(json.dumps({"load": os.getloadavg(), "lines": bench.lines}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
