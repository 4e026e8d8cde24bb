#!/usr/bin/env python3
"""Feast 0.67 and Icecore: a Feast client reads from `icecore serve`, and both servers answer the same requests alike.

    run.py --icecore BINARY

Feast lives in an environment of its own (.deps/feast, `./dev setup`). Last line: `N passed, N failed`.
"""
import argparse
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))
from project import Failed, Project  # noqa: E402

FEAST = os.path.join(ROOT, ".deps", "feast", "venv", "bin")
NOW, NOW_US = "2024-03-01T00:00:00Z", 1_709_251_200_000_000
DAY = 86_400_000_000
START_S = 120
DEFINITIONS = """\
source: events
from:
  files: {path: "data/*.parquet", format: parquet}
---
table: events
zone: processing
sql: select * from landing.events
mode: append
---
entity: user
keys: [{name: user_id, type: int64}]
---
feature_view: seen
entity: user
from: processing.events
event_time: happened_at
online: true
features: [amount, items, city]
---
feature_view: asked
request: [{name: discount, type: float64}]
inputs: [seen.amount]
features: [{name: price, expression: "amount - discount"}]
---
source: visits
from: {push: {}}
contract:
  columns:
    - {name: user_id, type: int64, required: true}
    - {name: event_timestamp, type: timestamp, zone: UTC, required: true}
    - {name: visits, type: int64}
---
table: visits
zone: processing
sql: select user_id, event_timestamp, visits from landing.visits
mode: append
---
feature_view: visited
entity: user
from: processing.visits
event_time: event_timestamp
online: true
features: [visits]
---
feature_service: shop_model
features: [seen]
---
feature_service: priced
features: [seen, asked]
"""
PRESENT, NULL_VALUE, NOT_FOUND = 1, 2, 3


def expect(got, expected, what: str) -> None:
    if got != expected:
        raise Failed(f"{what}: got {got!r}, expected {expected!r}")


def write_rows(path: str) -> None:
    count = 50
    os.makedirs(os.path.dirname(path))
    pq.write_table(pa.table({
        "user_id": pa.array(range(count), pa.int64()),
        "happened_at": pa.array([NOW_US - i * DAY // 7 - 1_500_000 for i in range(count)], pa.timestamp("us", "UTC")),
        "amount": pa.array([i / 7 for i in range(count)]),
        "items": pa.array([2**53 + i for i in range(count)], pa.int64()),
        "city": pa.array([f"Zürich {i}" for i in range(count)])}), path)


def post(port: int, path: str, document) -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def feast(*arguments: str) -> str:
    done = subprocess.run([os.path.join(FEAST, "python"), os.path.join(HERE, "feast_repo.py"), *arguments],
                          capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise Failed(f"feast_repo.py {arguments[0]}: {done.stderr[-2000:]}")
    return done.stdout


class Servers:
    """`icecore serve` and `feast serve` over the same rows."""

    def __init__(self, icecore: str, folder: str):
        self.project = Project(icecore, os.path.join(folder, "project"))
        self.project.write("icecore.yaml", f"language: 1\nproject: shop\nnow: {NOW}\n")
        self.project.write("definitions/all.yaml", DEFINITIONS)
        rows = self.project.path("data/1.parquet")
        write_rows(rows)
        self.project.must("apply")
        self.project.must("run")
        self.icecore = self.project.start("serve", "--http", "127.0.0.1:0", "--now", NOW)
        line = self.icecore.stdout.readline().decode()
        found = re.search(r":(\d+)", line)
        if not found:
            raise Failed(f"serve did not start: {line!r} {self.project.end(self.icecore).says}")
        self.port = int(found.group(1))
        self.client_folder = os.path.join(folder, "client")
        feast("make", self.client_folder, f"http://127.0.0.1:{self.port}", rows)
        self.feast_port, self.feast = 0, None
        self.start_feast(os.path.join(folder, "server"), rows)

    def start_feast(self, folder: str, rows: str) -> None:
        feast("make", folder, "sqlite", rows)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.feast_port = taken.getsockname()[1]
        self.feast = subprocess.Popen(
            [os.path.join(FEAST, "feast"), "-c", folder, "serve", "-h", "127.0.0.1", "-p", str(self.feast_port)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                if post(self.feast_port, "/get-online-features",
                        {"features": ["seen:amount"], "entities": {"user_id": [1]}})[0] == 200:
                    return
            except OSError:
                pass
            if self.feast.poll() is not None:
                break
        raise Failed("the Feast server did not start")

    def end(self) -> None:
        if self.feast is not None and self.feast.poll() is None:
            os.killpg(self.feast.pid, signal.SIGKILL)
            self.feast.wait()
        if self.icecore.poll() is None:
            self.icecore.kill()
            self.icecore.wait()

    def client(self, *requests: dict) -> list[dict]:
        return json.loads(feast("read", self.client_folder, json.dumps(requests)))

    def both(self, document) -> list[tuple[int, object]]:
        return [post(port, "/get-online-features", document) for port in (self.port, self.feast_port)]


def client_reads(servers: Servers) -> None:
    rows = [{"user_id": 3}, {"user_id": 7}, {"user_id": 999}]
    by_feature, by_service, full = servers.client(
        {"features": ["seen:amount", "seen:items", "seen:city"], "rows": rows},
        {"service": "shop_model", "rows": rows},
        {"features": ["seen:amount"], "rows": rows, "full": True})
    expected = {"user_id": [3, 7, 999], "amount": [3 / 7, 1.0, None], "items": [2**53 + 3, 2**53 + 7, None],
                "city": ["Zürich 3", "Zürich 7", None]}
    expect(by_feature["values"], expected, "values by feature")
    expect(by_service["values"], expected, "values by service")
    expect(by_service["statuses"]["amount"], [PRESENT, PRESENT, NOT_FOUND], "statuses")
    expect(full["values"], {"user_id": [3, 7, 999], "seen__amount": expected["amount"]}, "full names")


def client_raises_what_feast_raises(servers: Servers) -> None:
    unknown = servers.client({"features": ["sehn:amount"], "rows": [{"user_id": 1}]})[0]
    expect(unknown["error"], "FeatureViewNotFoundException", "unknown view")
    if "seen" not in unknown["message"]:
        raise Failed(f"the error does not name the nearest view: {unknown}")


def request_data_stand_among_the_entities(servers: Servers) -> None:
    status, answer = post(servers.port, "/get-online-features", {
        "feature_service": "priced", "entities": {"user_id": [7, 14], "discount": [0.5, 1.0], "unused": [1, 2]}})
    expect(status, 200, "status")
    expect(answer["metadata"]["feature_names"], ["user_id", "amount", "items", "city", "price"], "names")
    expect(answer["results"][4]["values"], [0.5, 1.0], "prices")


def by_name(answer: dict) -> dict:
    return dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))


def in_whole_seconds(columns: dict) -> dict:
    """Feast's store keeps no parts of a second of event times."""
    return {name: column | {"event_timestamps": [re.sub(r"\.\d+Z$", "Z", time) for time in column["event_timestamps"]]}
            for name, column in columns.items()}


def servers_answer_alike(servers: Servers) -> None:
    for document in [
            {"features": ["seen:amount"], "entities": {"user_id": [1]}},
            {"features": ["seen:city", "seen:amount", "seen:items"], "entities": {"user_id": [5, 1, 999, 5]}},
            {"feature_service": "shop_model", "entities": {"user_id": list(range(100))}},
            {"features": ["seen:items"], "entities": {"user_id": [2]}, "full_feature_names": True},
            {"features": ["seen:items"], "entities": {"user_id": [2], "unused": ["x"]}, "unknown_field": {"a": [1]}}]:
        (status, ours), (feast_status, theirs) = servers.both(document)
        expect((status, feast_status), (200, 200), f"statuses of {document}")
        expect(sorted(ours), sorted(key for key in theirs if theirs[key] is not None), "fields")
        expect(in_whole_seconds(by_name(ours)), by_name(theirs), f"answers to {document}")


def servers_refuse_alike(servers: Servers) -> None:
    for document in [{"features": ["seen:amount"]}, {"features": ["seen:amount"], "entities": {"user_id": 1}},
                     {"features": "seen:amount", "entities": {"user_id": [1]}}, b"{"]:
        (status, ours), (feast_status, theirs) = servers.both(document)
        expect((status, feast_status), (422, 422), f"statuses of {document}")
        expect(sorted(ours), sorted(theirs), "fields")
        expect({"type", "loc", "msg"} <= set(ours["detail"][0]), True, f"fields of the detail {ours}")
        expect(ours["detail"][0]["loc"][0], theirs["detail"][0]["loc"][0], "place")
    (status, ours), (feast_status, theirs) = servers.both({"features": ["none:x"], "entities": {"user_id": [1]}})
    expect((status, feast_status), (404, 404), "statuses of an unknown view")
    for key in ("module", "class"):
        expect(json.loads(ours)[key], json.loads(theirs)[key], key)


def client_writes(servers: Servers) -> None:
    """Rows that a Feast client writes to a view come by the source of pushes that feeds it, into lake and store both."""
    feast("write", servers.client_folder, "visited", json.dumps(
        {"user_id": [3, 4], "visits": [30, 40], "event_timestamp": ["2024-02-28T10:00:00Z"] * 2}))
    deadline = time.monotonic() + START_S
    while (got := servers.client({"features": ["visited:visits"], "rows": [{"user_id": 3}, {"user_id": 4}]})[0]) \
            and got.get("values", {}).get("visits") != [30, 40]:
        if time.monotonic() > deadline:
            raise Failed(f"what was written is not read: {got}")
        time.sleep(0.1)
    while (rows := servers.project.value("select count(*) from processing.visits where visits in (30, 40)")) != 2:
        if time.monotonic() > deadline:
            raise Failed(f"rows in the lake: got {rows}, expected 2")
        time.sleep(0.1)
    status, answer = post(servers.port, "/write-to-online-store", {"feature_view_name": "visited", "df": {"visits": [1]}})
    expect((status, answer["detail"][0]["loc"][-1]), (422, "df.user_id"), "a required column is missing")
    status, answer = post(servers.port, "/write-to-online-store", {"feature_view_name": "seen", "df": {"user_id": [1]}})
    expect(status, 501, "a view over files")


def health(servers: Servers) -> None:
    answers = []
    for port in (servers.port, servers.feast_port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/health")
        answer = connection.getresponse()
        answers.append((answer.status, answer.read()))
        connection.close()
    expect(answers[0], answers[1], "GET /health")


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks `icecore serve` as Feast does.")
    parser.add_argument("--icecore", required=True)
    given = parser.parse_args()
    if not os.path.exists(os.path.join(FEAST, "feast")):
        print(f"FAIL Feast is missing in {FEAST}: run ./dev setup\n0 passed, 1 failed")
        return 1
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="feast-") as temporary:
        servers = Servers(given.icecore, temporary)
        try:
            for test in (client_reads, client_raises_what_feast_raises, request_data_stand_among_the_entities,
                         servers_answer_alike, servers_refuse_alike, health, client_writes):
                try:
                    test(servers)
                    passed += 1
                except Exception as error:  # a test that could not run has failed
                    failed += 1
                    print(f"FAIL {test.__name__}: {type(error).__name__}: {error}")
        finally:
            servers.end()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
