#!/usr/bin/env python3
"""Online reads over HTTP beside Redis and Feast's feature server (P5: one entity a call; P6: a hundred),
and reads of windows, which the others have no form for.

    bench/online.py [--keys 20000] [--seconds 5] [--rounds 3] [--peers redis,feast] [--json [FILE]]

Four views of five float64 features. Values are compared for equality first. Then, by turns: a closed loop over 8 connections,
and an open loop at half of what our closed loop reached (latency counts from when a request was due). Redis holds a hash per view
and entity; its own client asks four HMGETs a vector, one after the other or pipelined, and makes no JSON. At last one client in
Python, one call after the other: over Arrow Flight, and over HTTP with the answers parsed. See README.md.
"""
import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import http.client
from pathlib import Path

import pyarrow as pa
import pyarrow.flight as flight
import pyarrow.parquet as pq

import record

ROOT = Path(__file__).resolve().parent.parent
FEAST = ROOT / ".deps" / "feast" / "venv" / "bin"
NOW, NOW_US = "2024-03-01T00:00:00Z", 1_709_251_200_000_000
VIEWS, FEATURES = 4, 5
CONNECTIONS = 8
DAY_US = 86_400_000_000
WINDOWS = {"1h": DAY_US // 24, "1d": DAY_US, "7d": 7 * DAY_US, "30d": 30 * DAY_US}
EVENTS = 100  # of a key, for windows


def value(view: int, feature: int, key: int) -> float:
    """All doubles have a short text of their own; nothing rounds."""
    return (key * 31 + view * 7 + feature) / 8


def definitions() -> str:
    text = "entity: user\nkeys: [{name: user_id, type: int64}]\n"
    names = []
    for view in range(VIEWS):
        columns = ", ".join(f"f{view}_{i}" for i in range(FEATURES))
        text += f"""---
source: s{view}
from:
  files: {{path: "data/s{view}.parquet", format: parquet}}
---
table: t{view}
zone: processing
sql: select * from landing.s{view}
mode: append
---
feature_view: v{view}
entity: user
from: processing.t{view}
event_time: happened_at
online: true
features: [{columns}]
"""
        names.append(f"v{view}")
    return text + f"---\nfeature_service: model\nfeatures: [{', '.join(names)}]\n" + WINDOW_DEFINITIONS


WINDOW_DEFINITIONS = f"""---
source: events
from:
  files: {{path: "data/events.parquet", format: parquet}}
---
table: events
zone: processing
sql: select * from landing.events
mode: append
---
feature_view: past
entity: user
from: processing.events
event_time: happened_at
online: true
windows: [{", ".join(WINDOWS)}]
features: [{{name: n, aggregate: count}}, {{of: x, aggregates: [sum, mean, min, max, stddev]}}]
---
feature_service: windows
features: [past]
"""


def events_of(keys: int) -> pa.Table:
    """EVENTS a key over 30 days, none on the edge of a window's tile; sums are exact."""
    times, users, values = [], [], []
    for key in range(keys):
        for i in range(EVENTS):
            times.append(NOW_US - 30 * DAY_US + (i * 2 + 1) * (30 * DAY_US // (2 * EVENTS)) + 1_000_003 + key)
            users.append(key)
            values.append(((key * 31 + i * 17) % 1001) / 8)
    return pa.table({"user_id": pa.array(users, pa.int64()), "happened_at": pa.array(times, pa.timestamp("us", "UTC")),
                     "x": pa.array(values, pa.float64())})


def expected_windows(events: pa.Table, key: int) -> dict[str, float]:
    """By the definition: t - W < e <= t. NOW is a multiple of every hop."""
    rows = events.slice(key * EVENTS, EVENTS)
    aged = [(NOW_US - time, x) for time, x in zip(rows["happened_at"].cast(pa.int64()).to_pylist(), rows["x"].to_pylist())]
    expected = {}
    for name, length in WINDOWS.items():
        inside = [x for age, x in aged if 0 <= age < length]
        expected[f"n_{name}"] = len(inside)
        for aggregate, compute in (("sum", sum), ("min", min), ("max", max)):
            expected[f"x_{aggregate}_{name}"] = compute(inside) if inside else None
    return expected


def window_keys(keys: int) -> int:
    return max(keys // 10, 1)


def rows_of(view: int, keys: int) -> pa.Table:
    columns = {"user_id": pa.array(range(keys), pa.int64()),
               "happened_at": pa.array([NOW_US - 86_400_000_000] * keys, pa.timestamp("us", "UTC"))}
    for i in range(FEATURES):
        columns[f"f{view}_{i}"] = pa.array([value(view, i, key) for key in range(keys)], pa.float64())
    return pa.table(columns)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def resident_bytes(process: int) -> int:
    """Of the process and its children, proportional to what they share."""
    total = 0
    with open(f"/proc/{process}/smaps_rollup", encoding="ascii") as file:
        total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.MULTILINE).group(1)) * 1024
    with open(f"/proc/{process}/task/{process}/children", encoding="ascii") as file:
        for child in file.read().split():
            total += resident_bytes(int(child))
    return total


def run(*command, **options) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def post(port: int, path: str, document) -> dict:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", path, json.dumps(document), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status != 200:
        raise OSError(f"{path}: {answer.status} {text[:300]!r}")
    return json.loads(text)


class Icecore:
    path = "/v1/features"

    def __init__(self, binary: Path, work: Path, keys: int):
        folder = work / "icecore"
        (folder / "definitions").mkdir(parents=True)
        (folder / "data").mkdir()
        (folder / "icecore.yaml").write_text(f"language: 1\nproject: bench\nnow: {NOW}\n")
        (folder / "definitions" / "all.yaml").write_text(definitions())
        for view in range(VIEWS):
            pq.write_table(rows_of(view, keys), folder / "data" / f"s{view}.parquet")
        self.binary, self.folder = binary, folder
        self.events = events_of(window_keys(keys))
        pq.write_table(self.events, folder / "data" / "events.parquet")
        run(binary, "apply", cwd=folder)
        run(binary, "run", cwd=folder)
        self.process = subprocess.Popen([binary, "serve", "--http", "127.0.0.1:0", "--flight", "127.0.0.1:0"], cwd=folder,
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(re.search(r":(\d+)", self.process.stdout.readline()).group(1))
        self.flight = re.search(r"grpc\+tcp://\S+", self.process.stdout.readline()).group(0)
        self.store_bytes = int(re.search(r"^icecore_store_bytes (\S+)$", self.metrics(), re.MULTILINE).group(1).split(".")[0])

    def metrics(self) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def body(self, keys: list[int], service: str = "model") -> dict:
        return {"service": service, "entities": {"user_id": keys}}

    def check_windows(self, keys: list[int]) -> None:
        features = post(self.port, self.path, self.body(keys, "windows"))["features"]
        for row, key in enumerate(keys):
            for name, wanted in expected_windows(self.events, key).items():
                if features[name]["values"][row] != wanted:
                    sys.exit(f"windows: {name} of {key} is {features[name]['values'][row]}, not {wanted}; no time is taken")

    def vectors(self, keys: list[int]) -> list[list[float]]:
        answer = post(self.port, self.path, self.body(keys))
        return [list(row) for row in zip(*(column["values"] for column in answer["features"].values()))]

    @contextlib.contextmanager
    def exchange(self, batches: list[list[int]]):
        """One pyarrow client, one stream: its writer and reader, and the keys as batches to send."""
        schema = pa.schema([("user_id", pa.int64())])
        client = flight.connect(self.flight)
        writer, reader = client.do_exchange(flight.FlightDescriptor.for_path("model"))
        with writer:
            writer.begin(schema)
            yield writer, reader, [pa.record_batch([keys], schema=schema) for keys in batches]
        client.close()

    def flight_calls(self, seconds: float, batches: list[list[int]]) -> dict:
        """One pyarrow client, one stream: batches of keys, one after the other, each awaited."""
        with self.exchange(batches) as (writer, reader, batches):
            def call(i: int) -> None:
                writer.write_batch(batches[i % len(batches)])
                reader.read_chunk()
            timed = calls_in_a_row(seconds, call)
            writer.done_writing()
        return timed

    def flight_stream(self, seconds: float, batches: list[list[int]], ahead: int = 16) -> dict:
        """The same with `ahead` batches on their way, as the clients of Redis' pipeline have; rates only."""
        with self.exchange(batches) as (writer, reader, batches):
            for i in range(ahead):
                writer.write_batch(batches[i % len(batches)])
            done, begin = 0, time.perf_counter()
            while time.perf_counter() < begin + seconds:
                reader.read_chunk()
                done += 1
                writer.write_batch(batches[(done + ahead) % len(batches)])
            took = time.perf_counter() - begin
            writer.done_writing()
            for _ in range(ahead):
                reader.read_chunk()
        return {"per_second": done / took}

    def in_process(self, seconds: float, entities: int, keys: int) -> dict:
        """Reads of another process of the same store, without a server: C++, one thread."""
        program = self.binary.parent / "icecore_capi_bench"
        read = json.loads(run(program, self.folder, "model", keys, seconds, "rows", entities))
        expected = sum(value(view, i, key) for key in range(100) for view in range(VIEWS) for i in range(FEATURES))
        if abs(read["sum"] - expected) > 1e-9 * abs(expected):
            sys.exit(f"in process: the values sum up to {read['sum']}, not {expected}; no time is taken")
        return {"per_second": read["reads"] / seconds, **read}

    def http_calls(self, seconds: float, batches: list[list[int]]) -> dict:
        """One Python client, one connection, the same batches; the answers are parsed."""
        bodies = [json.dumps(self.body(keys)) for keys in batches]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

        def call(i: int) -> None:
            connection.request("POST", self.path, bodies[i % len(bodies)])
            json.loads(connection.getresponse().read())
        timed = calls_in_a_row(seconds, call)
        connection.close()
        return timed

    def flight_vectors(self, keys: list[int]) -> list[list[float]]:
        client = flight.connect(self.flight)
        ticket = flight.Ticket(json.dumps(self.body(keys)))
        columns = client.do_get(ticket).read_all().columns
        client.close()
        return [list(row) for row in zip(*(column.to_pylist() for column in columns))]

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def calls_in_a_row(seconds: float, call) -> dict:
    """Calls one after the other for so long; the first hundred are not counted."""
    for i in range(100):
        call(i)
    took, end = [], time.perf_counter() + seconds
    while (begin := time.perf_counter()) < end:
        call(len(took))
        took.append(time.perf_counter() - begin)
    took.sort()
    return {"per_second": len(took) / sum(took), "p50_us": took[len(took) // 2] * 1e6, "p99_us": took[len(took) * 99 // 100] * 1e6}


class Redis:
    def __init__(self, work: Path, keys: int):
        self.port = free_port()
        self.process = subprocess.Popen(["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no",
                                         "--bind", "127.0.0.1"], stdout=subprocess.DEVNULL, cwd=work)
        self.wait()
        before = self.memory()
        commands = work / "redis.txt"
        with open(commands, "w", encoding="ascii") as out:
            for key in range(keys):
                for view in range(VIEWS):
                    fields = " ".join(f"f{i} {value(view, i, key)!r}" for i in range(FEATURES))
                    out.write(f"HSET v{view}:{key} {fields}\n")
        with open(commands, encoding="ascii") as lines:
            run("redis-cli", "-p", self.port, "--pipe", stdin=lines)
        self.bytes_per_entity = (self.memory() - before) / keys

    def cli(self, *arguments) -> str:
        return run("redis-cli", "-p", self.port, *arguments)

    def wait(self) -> None:
        deadline = time.monotonic() + 30
        while subprocess.run(["redis-cli", "-p", str(self.port), "ping"], capture_output=True).stdout != b"PONG\n":
            if time.monotonic() > deadline:
                sys.exit("redis-server did not start")
            time.sleep(0.05)

    def memory(self) -> int:
        return int(re.search(r"used_memory:(\d+)", self.cli("info", "memory")).group(1))

    def vectors(self, keys: list[int]) -> list[list[float]]:
        rows = []
        for key in keys:
            row = []
            for view in range(VIEWS):
                row += [float(text) for text in self.cli("hmget", f"v{view}:{key}", *[f"f{i}" for i in range(FEATURES)]).split()]
            rows.append(row)
        return rows

    def rate(self, keys: int, pipeline: int, seconds: float) -> float:
        """Vectors a second: four HMGETs each, through redis-benchmark."""
        requests = int(max(50_000, 20_000 * seconds) * (4 if pipeline > 1 else 1))
        text = run("redis-benchmark", "-p", self.port, "-c", CONNECTIONS, "-n", requests, "-r", keys, "-P", pipeline, "-q",
                   "hmget", "v0:__rand_int__", *[f"f{i}" for i in range(FEATURES)])
        return float(re.findall(r"([\d.]+) requests per second", text)[-1]) / VIEWS

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


FEAST_REPO = """\
import sys
from datetime import timedelta
import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64
folder, data, views, features = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
all_views = [FeatureView(name=f"v{v}", entities=[user], ttl=timedelta(days=0),
                         source=FileSource(path=f"{data}/s{v}.parquet", timestamp_field="happened_at"),
                         schema=[Field(name="user_id", dtype=Int64)] +
                                [Field(name=f"f{v}_{i}", dtype=Float64) for i in range(features)]) for v in range(views)]
store = FeatureStore(repo_path=folder)
store.apply([user, *all_views, FeatureService(name="model", features=all_views)])
for v in range(views):
    store.write_to_online_store(f"v{v}", pd.read_parquet(f"{data}/s{v}.parquet"))
"""


class Feast:
    path = "/get-online-features"

    def __init__(self, work: Path, data: Path):
        folder = work / "feast"
        folder.mkdir()
        (folder / "feature_store.yaml").write_text(
            f"project: bench\nregistry: {folder}/registry.db\nprovider: local\nentity_key_serialization_version: 3\n"
            f"online_store: {{type: sqlite, path: {folder}/online.db}}\n")
        run(FEAST / "python", "-c", FEAST_REPO, folder, data, VIEWS, FEATURES)
        self.port = free_port()
        self.process = subprocess.Popen([FEAST / "feast", "-c", folder, "serve", "-h", "127.0.0.1", "-p", str(self.port),
                                         "--no-access-log", "--workers", "2", "--max-requests", "0", "--keep-alive-timeout", "60"], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + 120
        while True:
            try:
                self.vectors([0])
                break
            except OSError:
                if time.monotonic() > deadline:
                    sys.exit("the Feast server did not start")
                time.sleep(0.2)

    def body(self, keys: list[int]) -> dict:
        return {"feature_service": "model", "entities": {"user_id": keys}}

    def vectors(self, keys: list[int]) -> list[list[float]]:
        answer = post(self.port, self.path, self.body(keys))
        columns = dict(zip(answer["metadata"]["feature_names"], (result["values"] for result in answer["results"])))
        return [[columns[f"f{view}_{i}"][row] for view in range(VIEWS) for i in range(FEATURES)] for row in range(len(keys))]

    def end(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Bench:
    def __init__(self, given, work: Path):
        self.given, self.work = given, work
        self.load_bench = ROOT / "build" / "release" / "bin" / "icecore_server_bench"

    def keys(self, entities: int, count: int = 0) -> list[list[int]]:
        step = 7919
        return [[(i * step + j * 104_729) % (count or self.given.keys) for j in range(entities)] for i in range(500)]

    def bodies(self, server, entities: int, service: str) -> Path:
        path = self.work / f"{type(server).__name__}-{entities}.txt"
        with open(path, "w", encoding="ascii") as out:
            for keys in self.keys(entities, window_keys(self.given.keys) if service else 0):
                out.write(json.dumps(server.body(keys, *([service] if service else [])), separators=(",", ":")) + "\n")
        return path

    def load(self, server, entities: int, rate: float = 0, connections: int = CONNECTIONS, service: str = "") -> dict:
        answer = json.loads(run(self.load_bench, f"port={server.port}", f"path={server.path}",
                                f"bodies={self.bodies(server, entities, service)}", f"seconds={self.given.seconds}",
                                f"connections={connections}", *([f"rate={rate}"] if rate else [])))
        if set(answer["statuses"]) - {"200"}:
            sys.exit(f"{type(server).__name__} answers {answer['statuses']}")
        return answer

    def machine(self) -> dict:
        """100 us of arithmetic at half load, without any server: a tail of this is no server's."""
        return json.loads(run(self.load_bench, "machine=100", f"seconds={self.given.seconds}"))


def median_of(runs: list[dict], key: str) -> float:
    return statistics.median(one[key] for one in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description="Online reads beside Redis and Feast.")
    parser.add_argument("--binary", type=Path, default=ROOT / "build" / "release" / "bin" / "icecore")
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", default="redis,feast")
    record.add_option(parser, "online")
    given = parser.parse_args()
    peers = given.peers.split(",")
    work = Path(tempfile.mkdtemp(prefix="bench-online-"))
    bench, results = Bench(given, work), {"load_average": os.getloadavg()[0], "keys": given.keys}
    servers = []
    try:
        ours = Icecore(given.binary.resolve(), work, given.keys)
        servers.append(ours)
        redis = Redis(work, given.keys) if "redis" in peers else None
        feast = Feast(work, work / "icecore" / "data") if "feast" in peers else None
        servers += [server for server in (redis, feast) if server]
        sample = list(range(0, given.keys, max(given.keys // 50, 1)))
        expected = [[value(view, i, key) for view in range(VIEWS) for i in range(FEATURES)] for key in sample]
        for server in servers:
            if server.vectors(sample) != expected:
                sys.exit(f"{type(server).__name__}: values differ; no time is taken")
        if ours.flight_vectors(sample) != expected:
            sys.exit("Flight: values differ; no time is taken")
        print(f"equal: {len(sample)} vectors of {VIEWS * FEATURES} features from {[type(s).__name__ for s in servers]}")
        results["memory"] = {"icecore_store_bytes_per_entity": ours.store_bytes / given.keys,
                             "icecore_process_mib": resident_bytes(ours.process.pid) >> 20}
        if redis:
            results["memory"]["redis_bytes_per_entity"] = redis.bytes_per_entity
        if feast:
            results["memory"]["feast_process_mib"] = resident_bytes(feast.process.pid) >> 20
        for name, entities in (("P5", 1), ("P6", 100)):
            closed, by_feast, plain, piped = [], [], [], []
            for _ in range(given.rounds):
                closed.append(bench.load(ours, entities))
                if redis:
                    plain.append(redis.rate(given.keys, 1, given.seconds) / entities)
                    piped.append(redis.rate(given.keys, 16, given.seconds) / entities)
                if feast:
                    by_feast.append(bench.load(feast, entities))
            reached = median_of(closed, "per_second")
            half, alone = [], []
            for _ in range(given.rounds):
                half.append(bench.load(ours, entities, rate=reached / 2, connections=32))
                alone.append(bench.machine())
            line = {"closed": closed, "half_load": half, "machine_alone": alone, "redis_unpipelined": plain, "redis_pipelined": piped, "feast": by_feast}
            results[name] = line
            print(f"{name} ({entities} an answer): {reached:,.0f} answers/s, p50 {median_of(closed, 'p50_us'):.0f} us, "
                  f"p99 {median_of(closed, 'p99_us'):.0f} us, {median_of(closed, 'bytes_per_answer'):.0f} bytes each")
            print(f"   at half load ({reached / 2:,.0f}/s, open loop): p50 {median_of(half, 'p50_us'):.0f} us, "
                  f"p99 {median_of(half, 'p99_us'):.0f} us, p99.9 {median_of(half, 'p999_us'):.0f} us")
            print(f"   the machine alone, 100 us of arithmetic at half load: p50 {median_of(alone, 'p50_us'):.0f} us, p99 {median_of(alone, 'p99_us'):.0f} us, "
                  f"p99.9 {median_of(alone, 'p999_us'):.0f} us, at most {max(one['max_us'] for one in alone):.0f} us")
            for what, rates in (("Redis, 4 HMGETs one after the other", plain), ("Redis, pipelined by 16", piped),
                                ("Feast", [one["per_second"] for one in by_feast])):
                if rates:
                    print(f"   {what}: {statistics.median(rates):,.0f} answers/s; ours is {reached / statistics.median(rates):.2f}x")
            batches = bench.keys(entities)
            for what, calls in (("pyarrow Flight, one stream", ours.flight_calls), ("Python over HTTP, one connection", ours.http_calls)):
                runs = [calls(given.seconds, batches) for _ in range(given.rounds)]
                line[what] = runs
                print(f"   {what}: {median_of(runs, 'per_second'):,.0f} answers/s, p50 {median_of(runs, 'p50_us'):.0f} us, "
                      f"p99 {median_of(runs, 'p99_us'):.0f} us")
            for what, calls in (("pyarrow Flight, one stream, 16 batches ahead", lambda: ours.flight_stream(given.seconds, batches)),
                                ("in process, C++, one thread", lambda: ours.in_process(given.seconds, entities, given.keys))):
                runs = [calls() for _ in range(given.rounds)]
                line[what] = runs
                beside = f"; {median_of(runs, 'per_second') / statistics.median(piped):.2f}x Redis' pipeline" if piped else ""
                print(f"   {what}: {median_of(runs, 'per_second'):,.0f} answers/s{beside}")
            if by_feast:
                print(f"   Feast: p50 {median_of(by_feast, 'p50_us') / 1e3:.1f} ms, p99 {median_of(by_feast, 'p99_us') / 1e3:.1f} ms")
        ours.check_windows(list(range(0, window_keys(given.keys), max(window_keys(given.keys) // 50, 1))))
        for entities in (1, 100):
            runs = [bench.load(ours, entities, service="windows") for _ in range(given.rounds)]
            results[f"windows, {entities} an answer"] = runs
            print(f"windows, {6 * len(WINDOWS)} features over {EVENTS} events a key ({entities} an answer): {median_of(runs, 'per_second'):,.0f} answers/s, "
                  f"p50 {median_of(runs, 'p50_us'):.0f} us, p99 {median_of(runs, 'p99_us'):.0f} us")
        print(json.dumps(results["memory"]))
        record.write(given.json, given, results)
    finally:
        for server in servers:
            server.end()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
