#!/usr/bin/env python3
"""The online store alone: loading it from the lake (P8) beside Redis, RocksDB and Feast, and reading one vector in this process (P7).

    bench/store.py [--shapes 10000000x10,1000000x250] [--rounds 3] [--peers redis,rocksdb,feast] [--seconds 5] [--json [FILE]]

Keys are 0 … N-1, one row each, features float64. Ours is `icecore materialize --full` from start to end: it opens the project,
reads the Delta table and brings every key into LMDB, durably. Redis gets its own protocol from a file through `redis-cli --pipe`,
as a hash of the features (what Feast and others keep) and as one packed value; it writes nothing to the disk. RocksDB bulk-loads
packed rows that lie sorted in a file (bench/peers/rocksdb). Feast materializes into SQLite, what it gets done in the time of
--feast-keys. Files are made outside the clocks. A sample of keys is read from each store and must be equal, or there is no time.
Then one vector after the other from LMDB in this process, in C++ and in Python, by percentiles.
"""
import argparse
import json
import os
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import record
from online import Redis as RedisServer, run

ROOT = Path(__file__).resolve().parent.parent
FEAST = ROOT / ".deps" / "feast" / "venv" / "bin"
NOW, NOW_US = "2024-03-01T00:00:00Z", 1_709_251_200_000_000
SAMPLED = 50
BLOCK = 200_000  # keys made at a time


def values(first: int, count: int, features: int) -> np.ndarray:
    """Eighths: all have a short text of their own; nothing rounds."""
    keys = np.arange(first, first + count, dtype=np.int64)[:, None]
    return (keys * 31 + np.arange(features)) % 1_000_003 / 8


def names(features: int) -> list[str]:
    return [f"f{i}" for i in range(features)]


class Timed:
    """A process from start to end: seconds, processor seconds, peak memory."""

    def __init__(self, *command, **options):
        begin = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True, **options)
        # Not ru_maxrss: that has in it what this process had when it forked.
        self.peak_mib, watching = 0.0, threading.Event()
        watch = threading.Thread(target=self._watch, args=(process.pid, watching))
        watch.start()
        self.out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        self.seconds = time.perf_counter() - begin
        watching.set()
        watch.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: exit code {process.returncode}\n{self.out}")
        self.cpu = usage.ru_utime + usage.ru_stime

    def _watch(self, process: int, ended: threading.Event) -> None:
        while not ended.wait(0.01):
            try:
                with open(f"/proc/{process}/status", encoding="ascii") as file:
                    found = re.search(r"^VmHWM:\s+(\d+)", file.read(), re.MULTILINE)
            except OSError:
                return
            if found:
                self.peak_mib = int(found.group(1)) / 1024


class Icecore:
    name = "icecore materialize"

    def __init__(self, binary: Path, work: Path, keys: int, features: int):
        self.binary, self.keys, self.folder = binary, keys, work / "icecore"
        (self.folder / "definitions").mkdir(parents=True)
        (self.folder / "data").mkdir()
        (self.folder / "icecore.yaml").write_text(f"language: 1\nproject: bench\nnow: {NOW}\n")
        (self.folder / "definitions" / "all.yaml").write_text(
            "entity: user\nkeys: [{name: user_id, type: int64}]\n---\nsource: s\nfrom:\n  files: {path: \"data/*.parquet\", format: parquet}\n"
            "---\ntable: t\nzone: processing\nsql: select * from landing.s\nmode: append\n"
            "---\nfeature_view: v\nentity: user\nfrom: processing.t\nevent_time: happened_at\nonline: true\n"
            f"features: [{', '.join(names(features))}]\n---\nfeature_service: model\nfeatures: [v]\n")
        schema = pa.schema([("user_id", pa.int64()), ("happened_at", pa.timestamp("us", "UTC")), *[(name, pa.float64()) for name in names(features)]])
        with pq.ParquetWriter(self.folder / "data" / "s.parquet", schema) as writer:
            for first in range(0, keys, BLOCK):
                count = min(BLOCK, keys - first)
                columns = [pa.array(np.arange(first, first + count)), pa.array(np.full(count, NOW_US - 86_400_000_000), pa.timestamp("us", "UTC"))]
                columns += [pa.array(column) for column in np.ascontiguousarray(values(first, count, features).T)]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))
        self.icecore("apply")
        self.landed = Timed(binary, "run", cwd=self.folder)

    def icecore(self, *arguments) -> str:
        return run(self.binary, *arguments, cwd=self.folder)

    def load(self) -> Timed:
        """Into an empty store."""
        shutil.rmtree(self.folder / ".icecore" / "online")
        return Timed(self.binary, "materialize", "view.v", "--full", cwd=self.folder)

    def vector(self, key: int) -> list[float]:
        answer = json.loads(self.icecore("get", "model", f"user_id={key}", "--json"))["features"]
        return [one["value"] for one in answer.values()]

    def bytes(self) -> int:
        return sum(path.stat().st_blocks * 512 for path in (self.folder / ".icecore" / "online").iterdir())


class Redis:
    """Commands in its own protocol from a file; `packed`: one value a key in place of a hash."""

    def __init__(self, work: Path, keys: int, features: int, packed: bool):
        self.name = "redis-cli --pipe, " + ("SET of a packed row" if packed else f"HSET of {features} fields")
        self.features, self.keys, self.packed = features, keys, packed
        self.commands = work / f"redis-{packed}.txt"
        with open(self.commands, "wb") as out:
            for first in range(0, keys, BLOCK):
                block = values(first, min(BLOCK, keys - first), features)
                out.write(b"".join(self.command(first + i, row) for i, row in enumerate(block)))
        self.server = RedisServer(work, 1)  # its few keys go before each load

    def command(self, key: int, row: np.ndarray) -> bytes:
        if self.packed:
            parts = [b"SET", b"v:%d" % key, row.tobytes()]
        else:
            parts = [b"HSET", b"v:%d" % key]
            for i, value in enumerate(row.tolist()):
                parts += [b"f%d" % i, repr(value).encode()]
        return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)

    def load(self) -> Timed:
        self.server.cli("flushall")
        self.before = self.server.memory()
        with open(self.commands, "rb") as lines:
            return Timed("redis-cli", "-p", self.server.port, "--pipe", stdin=lines)

    def vector(self, key: int) -> list[float]:
        if self.packed:
            raw = subprocess.run(["redis-cli", "-p", str(self.server.port), "get", f"v:{key}"], capture_output=True, check=True).stdout[:-1]
            return list(struct.unpack(f"<{self.features}d", raw))
        return [float(text) for text in self.server.cli("hmget", f"v:{key}", *names(self.features)).split()]

    def bytes(self) -> int:
        return self.server.memory() - self.before

    def end(self) -> None:
        self.server.end()
        self.commands.unlink()


class RocksDb:
    name = "RocksDB, files written sorted and taken in"

    def __init__(self, work: Path, keys: int, features: int):
        self.program, self.folder, self.rows, self.features = work / "bulk_load", work / "rocksdb", work / "rows.bin", features
        if not self.program.exists():
            run("g++", "-std=c++20", "-O2", ROOT / "bench" / "peers" / "rocksdb" / "bulk_load.cc", "-o", self.program, "-lrocksdb", "-pthread")
        with open(self.rows, "wb") as out:
            for first in range(0, keys, BLOCK):
                block = values(first, min(BLOCK, keys - first), features)
                packed = np.empty(len(block), dtype=[("key", ">u8"), ("value", "<f8", (features,))])
                packed["key"], packed["value"] = np.arange(first, first + len(block)), block
                out.write(packed.tobytes())

    def load(self) -> Timed:
        shutil.rmtree(self.folder, ignore_errors=True)
        return Timed(self.program, self.rows, self.folder, 8 * self.features)

    def vector(self, key: int) -> list[float]:
        return [float(text) for text in run(self.program, "--get", self.folder, key).split()]

    def bytes(self) -> int:
        return sum(path.stat().st_blocks * 512 for path in self.folder.iterdir())

    def end(self) -> None:
        self.rows.unlink()


FEAST_REPO = """\
import sys, time, datetime
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64
folder, path, features = sys.argv[1], sys.argv[2], int(sys.argv[3])
user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = FeatureView(name="v", entities=[user], ttl=datetime.timedelta(days=0), source=FileSource(path=path, timestamp_field="happened_at"),
                   schema=[Field(name="user_id", dtype=Int64)] + [Field(name=f"f{i}", dtype=Float64) for i in range(features)])
store = FeatureStore(repo_path=folder)
store.apply([user, view])
utc = datetime.timezone.utc
begin = time.perf_counter()
store.materialize(datetime.datetime(2024, 2, 1, tzinfo=utc), datetime.datetime(2024, 3, 1, tzinfo=utc), disable_event_timestamp=False)
print("seconds", time.perf_counter() - begin)
answer = store.get_online_features([f"v:f{i}" for i in range(features)], [{"user_id": key} for key in range(10)]).to_dict()
print("vectors", [[answer[f"f{i}"][row] for i in range(features)] for row in range(10)])
"""


def feast_rate(work: Path, parquet: Path, keys: int, features: int) -> dict:
    """Keys a second of Feast's local materialization of the first keys, the library loaded."""
    folder = work / "feast"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    few = pq.ParquetFile(parquet).iter_batches(batch_size=keys)
    pq.write_table(pa.Table.from_batches([next(few)]), folder / "few.parquet")
    (folder / "feature_store.yaml").write_text(
        f"project: bench\nregistry: {folder}/registry.db\nprovider: local\nentity_key_serialization_version: 3\n"
        f"online_store: {{type: sqlite, path: {folder}/online.db}}\noffline_store: {{type: file}}\n")
    out = run(FEAST / "python", "-c", FEAST_REPO, folder, folder / "few.parquet", features)
    got = json.loads(re.search(r"vectors (.*)", out).group(1))
    if got != values(0, 10, features).tolist():
        sys.exit("Feast: values differ; no time is taken")
    seconds = float(re.search(r"seconds (\S+)", out).group(1))
    return {"keys": keys, "seconds": seconds, "keys_per_s": keys / seconds, "bytes_per_key": os.path.getsize(folder / "online.db") / keys}


def checked(store, keys: int, features: int) -> None:
    for key in range(0, keys, max(keys // SAMPLED, 1)):
        if store.vector(key) != values(key, 1, features)[0].tolist():
            sys.exit(f"{store.name}: the vector of key {key} differs; no time is taken")


def loads(given, work: Path, keys: int, features: int) -> dict:
    ours = Icecore(given.binary.resolve(), work, keys, features)
    stores = [ours]
    if "redis" in given.peers:
        stores += [Redis(work, keys, features, packed=False), Redis(work, keys, features, packed=True)]
    if "rocksdb" in given.peers:
        stores.append(RocksDb(work, keys, features))
    print(f"{keys:,} keys × {features}: landing and first load {ours.landed.seconds:.1f} s, {ours.landed.peak_mib:.0f} MiB", flush=True)
    result = {"keys": keys, "features": features, "stores": {}}
    times = {store.name: [] for store in stores}
    for turn in range(given.rounds):
        for store in stores:
            times[store.name].append(store.load())
            if turn == 0:
                checked(store, keys, features)
    medians = {}
    for store in stores:
        took = sorted(one.seconds for one in times[store.name])
        medians[store.name] = statistics.median(took)
        line = result["stores"][store.name] = {
            "seconds": took, "keys_per_s": keys / medians[store.name], "cpu_s": statistics.median(one.cpu for one in times[store.name]),
            "peak_mib": max(one.peak_mib for one in times[store.name]), "bytes_per_key": store.bytes() / keys}
        ratio = f"{medians[store.name] / medians[ours.name]:.2f} times ours" if store is not ours else ""
        print(f"   {store.name}: {medians[store.name]:.2f} s ({took[0]:.2f} … {took[-1]:.2f}), {line['keys_per_s']:,.0f} keys/s, peak "
              f"{line['peak_mib']:.0f} MiB, {line['bytes_per_key']:.0f} bytes a key  {ratio}", flush=True)
    if "feast" in given.peers:
        line = result["feast"] = feast_rate(work, ours.folder / "data" / "s.parquet", min(keys, given.feast_keys), features)
        print(f"   Feast materialize of {line['keys']:,} keys: {line['seconds']:.1f} s, {line['keys_per_s']:,.0f} keys/s, {line['bytes_per_key']:.0f} "
              f"bytes a key; ours brings {keys / medians[ours.name] / line['keys_per_s']:.0f} times as many", flush=True)
    for store in stores[1:]:
        store.end()
    return result


PYTHON_READS = """\
import sys, time, json
import icecore, pyarrow as pa
folder, keys, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
service = icecore.open(folder).service("model")
entities = [pa.table({"user_id": pa.array([i * 7919 % keys])}) for i in range(1000)]
for i in range(1000):
    service.read(entities[i])
took, end, i = [], time.perf_counter() + seconds, 0
while (begin := time.perf_counter()) < end:
    service.read(entities[i % 1000])
    took.append(time.perf_counter() - begin)
    i += 1
took.sort()
print(json.dumps({"reads": i, "p50_us": took[i // 2] * 1e6, "p99_us": took[i * 99 // 100] * 1e6}))
"""


def reads(given, work: Path, keys: int, features: int) -> dict:
    """P7: from the store that was loaded last."""
    folder = work / "icecore"
    result = {}
    program = given.binary.resolve().parent / "icecore_capi_bench"
    wanted = float(values(0, 100, features).sum())
    runs = [json.loads(run(program, folder, "model", keys, given.seconds)) for _ in range(given.rounds)]
    if any(one["sum"] != wanted for one in runs):
        sys.exit(f"in process: the values of 100 keys add up to {runs[0]['sum']}, not {wanted}; no time is taken")
    result["c++"] = runs
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python"), "ICECORE_LIBRARY": str(given.binary.resolve().parent.parent / "lib" / "libicecore.so")}
    result["python"] = [json.loads(run(sys.executable, "-c", PYTHON_READS, folder, keys, given.seconds, env=environment)) for _ in range(given.rounds)]
    for name, runs in result.items():
        print(f"   one vector of {features} in process, {name}: " + ", ".join(
            f"{what} {statistics.median(one[what + '_us'] for one in runs):.1f} us" for what in ("p50", "p99", "p999") if what + "_us" in runs[0]), flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description="Loading and reading the online store beside others.")
    parser.add_argument("--binary", type=Path, default=ROOT / "build" / "release" / "bin" / "icecore")
    parser.add_argument("--shapes", default="10000000x10,1000000x250", help="keys x features, …")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--peers", default="redis,rocksdb,feast")
    parser.add_argument("--feast-keys", type=int, default=20_000)
    parser.add_argument("--work", type=Path, help="where files are made; the system's folder for temporary files when left out")
    record.add_option(parser, "store")
    given = parser.parse_args()
    results = []
    print(f"load {os.getloadavg()[0]:.1f}")
    for shape in given.shapes.split(","):
        keys, features = (int(number) for number in shape.split("x"))
        work = Path(tempfile.mkdtemp(prefix="bench-store-", dir=given.work))
        try:
            results.append({**loads(given, work, keys, features), "reads": reads(given, work, keys, features)})
        finally:
            shutil.rmtree(work, ignore_errors=True)
    record.write(given.json, given, results)


if __name__ == "__main__":
    main()
