#!/usr/bin/env python3
"""Point-in-time joins beside DuckDB, Polars, pandas and Feast. See README.md.

    .deps/bench/venv/bin/python bench/joins.py [--icecore BINARY] [--only P1,P1-hot] [--rows 50000000] [--spine 1000000]
        [--rounds 5] [--peers duckdb,polars] [--work DIR] [--json [FILE]]

Every engine reads Parquet and writes Parquet, in a process of its own, by turns. Before times are compared, every output
column is: where one differs there is no number. Of Feast lost rows are told, and all others must be equal.
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

import limited
import record

HERE = Path(__file__).resolve().parent
PEER = HERE / "joins_peer.py"
PEER_PYTHON = HERE.parent / ".deps" / "bench" / "venv" / "bin" / "python"
FEAST = HERE / "peers" / "feast" / "join.py"
FEAST_PYTHON = HERE.parent / ".deps" / "feast" / "venv" / "bin" / "python"
sys.path.append(str(FEAST.parent))
import lost_rows  # noqa: E402

START = 1_600_000_000_000_000           # microseconds
SPAN = 365 * 24 * 3600 * 1_000_000
PIECE = 4_000_000                       # rows generated at once
LATE_US = 3600 * 1_000_000              # at most
SEED = 5
PAIR = 100                              # values of the second key column


class Shape:
    """One question: a spine over some views.

    `hot`: the part of all rows, and of the spine's, that one key has; `late`: the part of a view's rows that come up to an
    hour after their time, so that the file is not in its order; `pair`: keys are of two columns.
    """

    def __init__(self, name, view_rows, views, features, keys, spine_rows, zipf=0.0, text_keys=False, pair=False, hot=0.0,
                 late=0.0):
        self.name, self.view_rows, self.views, self.features = name, view_rows, views, features
        self.keys, self.spine_rows, self.zipf, self.text_keys = keys, spine_rows, zipf, text_keys
        self.pair, self.hot, self.late = pair, hot, late

    def data(self):
        """Shapes of the same tables share them."""
        return (f"{self.views}x{self.view_rows}x{self.features}-{self.keys}-{self.zipf}-{self.text_keys}-{self.pair}"
                f"-{self.hot}-{self.late}")

    def key_names(self):
        return ["user", "item"] if self.pair else ["user"]

    def text(self):
        said = f"spine {self.spine_rows:,} x {self.views} views x {self.view_rows:,} x {self.features}, {self.keys:,} keys"
        for told, text in ((self.zipf, f"Zipf {self.zipf}"), (self.text_keys, "text keys"), (self.pair, "keys of two columns"),
                           (self.hot, f"one key with {self.hot:.0%} of the rows"), (self.late, f"{self.late:.0%} late")):
            said += f", {text}" if told else ""
        return said


def draw_keys(random, count, keys, zipf):
    if zipf == 0:
        return random.integers(0, keys, count)
    # Inverse of the power law's distribution function, cut at `keys`.
    u = random.random(count)
    low = 1.0 - zipf
    return np.minimum(((u * (keys ** low - 1) + 1) ** (1 / low)).astype(np.int64), keys) - 1


def keys_of(random, shape, count):
    """The key columns of so many rows."""
    key = draw_keys(random, count, shape.keys, shape.zipf)
    if shape.hot:
        key[random.random(count) < shape.hot] = 0
    if shape.pair:
        return [pa.array(key // PAIR), pa.array(key % PAIR)]
    if shape.text_keys:
        return [pa.array([f"user-{one:012d}" for one in key])]
    return [pa.array(key)]


def times_of(random, shape, first, last, count):
    """Times from first to last, none twice (engines differ in what they do with ties), in the order in which rows come."""
    times = np.sort(random.integers(first, last - count, count)) + np.arange(count)
    if not shape.late:
        return times
    comes = times + np.where(random.random(count) < shape.late, random.integers(0, LATE_US, count), 0)
    return times[np.argsort(comes, kind="stable")]


def make_table(path, shape, seed):
    """Rows in the order of their time, as they mostly come; late ones behind it."""
    random = np.random.default_rng(seed)
    writer = None
    for at in range(0, shape.view_rows, PIECE):
        count = min(PIECE, shape.view_rows - at)
        first = START + SPAN * at // shape.view_rows
        last = START + SPAN * (at + count) // shape.view_rows
        columns = keys_of(random, shape, count)
        columns.append(pa.array(times_of(random, shape, first, last, count), pa.timestamp("us", "UTC")))
        columns += [pa.array(random.random(count)) for _ in range(shape.features)]
        table = pa.table(columns, [*shape.key_names(), "at", *[f"f{i}" for i in range(shape.features)]])
        writer = writer or pq.ParquetWriter(path, table.schema, compression="snappy")
        writer.write_table(table, row_group_size=1 << 20)
    writer.close()


def make_spine(path, shape, seed):
    random = np.random.default_rng(seed)
    times = START + SPAN // 10 + random.integers(0, SPAN * 9 // 10, shape.spine_rows)
    columns = keys_of(random, shape, shape.spine_rows)
    columns += [pa.array(times, pa.timestamp("us", "UTC")), pa.array(np.arange(shape.spine_rows))]
    pq.write_table(pa.table(columns, [*shape.key_names(), "event_timestamp", "id"]), path, row_group_size=1 << 20)


def definitions(shape):
    kind = "string" if shape.text_keys else "int64"
    keys = ", ".join(f"{{name: {name}, type: {kind}}}" for name in shape.key_names())
    parts = [f"entity: user\nkeys: [{keys}]\n"]
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


def peak_of(engine, command):
    """Seconds, peak memory (MiB) and processor seconds of a process from start to end; None when it did not finish.

    They are taken by a process between that has no other children, and no memory to speak of.
    """
    code = ("import json,resource,subprocess,sys,time\n"
            "start=time.monotonic()\n"
            "done=subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL,stderr=subprocess.PIPE,text=True)\n"
            "seconds=time.monotonic()-start\n"
            "used=resource.getrusage(resource.RUSAGE_CHILDREN)\n"
            "print(json.dumps([done.returncode,seconds,used.ru_maxrss/1024,used.ru_utime+used.ru_stime,"
            "done.stderr[-300:]]))\n")
    ended = limited.run([sys.executable, "-c", code, *command], dict(os.environ, FEAST_USAGE="False"))
    if ended.why():
        print(f"  {engine}: {ended.why()}", file=sys.stderr, flush=True)
        return None
    status, seconds, peak, cpu, error = json.loads(ended.out)
    if status != 0:
        print(f"  {engine}: {error.strip() or f'exit code {status}'}", file=sys.stderr, flush=True)
        return None
    return seconds, peak, cpu


def limits_of(spine, result, tables):
    """What nobody can save: seconds for reading the Parquet and for writing the result, with pyarrow."""
    ended = limited.run([PEER_PYTHON, PEER, "limit", spine, result, "", "0", *tables])
    return {} if ended.why() else json.loads(ended.out)


def column(file, name):
    return pq.read_table(file, columns=[name]).column(name).combine_chunks()


def are_equal(path, expected, by_id):
    """Column by column, so that this process takes no memory from the peers. Peers give rows in an order of their own."""
    order = pc.sort_indices(column(path, "id")) if by_id else None
    for name in pq.read_schema(expected).names:
        got = column(path, name)
        if not (got.take(order) if by_id else got).equals(column(expected, name)):
            print(f"  column {name} differs", file=sys.stderr)
            return False
    return True


def against_feast(path, expected, shape):
    """Lost rows, and whether all others are equal."""
    names = [name for name in pq.read_schema(expected).names if name != "id"]
    return lost_rows.compare(lambda name: column(expected, name), lambda name: column(path, name), "id",
                             [*shape.key_names(), "event_timestamp"], names, [f"v{v}_f0" for v in range(shape.views)])


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
        if "feast" in self.given.peers and not (folder / "feast").exists():
            subprocess.run([FEAST_PYTHON, FEAST, "prepare", folder / "feast", ",".join(shape.key_names()), str(shape.features),
                            *[folder / f"t{v}.parquet" for v in range(shape.views)]], check=True, stdout=subprocess.DEVNULL)
        spine = folder / f"spine-{shape.spine_rows}.parquet"
        if not spine.exists():
            make_spine(spine, shape, SEED + 1000)
        return folder, plain, kept, spine

    def run(self, shape):
        folder, plain, kept, spine = self.prepare(shape)
        def training_set(project, out):
            return [self.given.icecore, "-C", project.folder, "training-set", "all", "--spine", spine, "--out", out]
        tables = [folder / f"t{v}.parquet" for v in range(shape.views)]

        def peer(name, out):
            if name == "feast":
                return [FEAST_PYTHON, FEAST, folder / "feast", spine, out]
            return [PEER_PYTHON, PEER, name, spine, out, ",".join(shape.key_names()), shape.features, *tables]
        engines = {"icecore one-shot": lambda out: training_set(plain, out),
                   "icecore maintained": lambda out: training_set(kept, out)}
        for name in self.given.peers:
            engines[name] = lambda out, name=name: peer(name, out)
        results = {engine: folder / f"out-{number}.parquet" for number, engine in enumerate(engines)}
        runs = {engine: [] for engine in engines}
        equal, expected, told = {}, None, {}
        for round in range(self.given.rounds + 1):          # the first warms the page cache, and is compared
            for engine, command in engines.items():
                if equal.get(engine) is False:
                    continue
                got = peak_of(engine, [str(part) for part in command(results[engine])])
                if got is None:
                    equal[engine] = False
                    continue
                if round == 0:
                    expected = expected or results[engine]
                    if engine == "feast":
                        found = against_feast(results[engine], expected, shape)
                        equal[engine], told[engine] = found.is_explained(), vars(found)
                        print("  " + found.text().replace("\n", "\n  "), flush=True)
                    else:
                        equal[engine] = are_equal(results[engine], expected, by_id=engine in self.given.peers)
                    if not equal[engine]:
                        print(f"  {engine}: not equal", file=sys.stderr)
                else:
                    runs[engine].append(got)
        limits = limits_of(spine, results["icecore maintained"], tables)
        for result in results.values():
            result.unlink(missing_ok=True)
        self.report(shape, runs, limits, told)

    def report(self, shape, runs, limits, told):
        """`told`: of an engine whose answer lacks rows, which."""
        line = {"shape": vars(shape), "engines": {}, "limits": limits, "lost_rows": told}
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
        print(f"{shape.name}: {shape.text()}")
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
    parser.add_argument("--only", default="P1,P1-text,P1-pair,P1-hot,P2,P4")
    parser.add_argument("--rows", type=int, default=50_000_000, help="of the view of P1")
    parser.add_argument("--spine", type=int, default=1_000_000)
    parser.add_argument("--p2-rows", type=int, default=5_000_000, help="of each view of P2")
    parser.add_argument("--views", type=int, default=20, help="of P2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", default="duckdb,polars,pandas,feast")
    parser.add_argument("--work")
    record.add_option(parser, "joins")
    given = parser.parse_args()
    given.icecore = os.path.abspath(given.icecore)
    wanted = [peer for peer in given.peers.split(",") if peer]
    given.peers = [peer for peer in wanted if peer != "feast" or FEAST_PYTHON.exists()]
    if given.peers != wanted:
        print("Feast is not installed: ./dev bench joins")
    keys = max(given.rows // 50, 1)

    def p1(name, spine=given.spine, **more):
        return Shape(name, given.rows, 1, 5, keys, spine, **more)
    shapes = {"P1": [p1("P1 uniform"), p1("P1 small spine", given.spine // 100), p1("P1 long spine", given.spine * 10),
                     p1("P1 Zipf", zipf=1.1)],
              "P1-uniform": [p1("P1 uniform")],
              "P1-text": [p1("P1 text keys", text_keys=True)],
              "P1-pair": [p1("P1 keys of two columns", pair=True)],
              "P1-hot": [p1("P1 hot key, late rows", hot=0.5, late=0.05)],
              "P2": [Shape("P2", given.p2_rows, given.views, 10, max(given.p2_rows // 20, 1), given.spine)],
              "P4": [Shape("P4", 200_000, 4, 5, 10_000, 100_000)]}
    unknown = set(given.only.split(",")) - set(shapes)
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))} is not among {', '.join(shapes)}")
    with tempfile.TemporaryDirectory(prefix="joins-", dir=given.work) as work:
        bench = Bench(given, Path(work))
        for name in given.only.split(","):
            for shape in shapes[name]:
                bench.run(shape)
                record.write(given.json, given, bench.lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
