#!/usr/bin/env python3
"""`icecore serve` through its sockets: the same bits as offline for many keys at once, and requests that cannot be met.

    run.py --icecore BINARY

Last line: `N passed, N failed`.
"""
import argparse
import gzip
import http.client
import json
import os
import random
import re
import signal
import socket
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))
from project import Failed, Project  # noqa: E402

NOW, NOW_US = "2024-03-01T00:00:00Z", 1_709_251_200_000_000
DAY = 86_400_000_000
KEYS = 1000
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
ttl: 7d
features: [x, {of: x, aggregates: [sum, mean, stddev, max, "quantile(0.9)"], windows: [1h, 30d]}]
---
feature_view: asked
request: [{name: amount, type: float64}]
inputs: [seen.x]
features: [{name: share, expression: "x / amount"}]
---
feature_service: model
features: [seen, asked]
"""


class Server:
    """`icecore serve` on a free port, with the project's clock standing still."""

    def __init__(self, project: Project):
        self.process = project.start("serve", "--http", "127.0.0.1:0", "--now", NOW)
        line = self.process.stdout.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if not found:
            self.process.kill()
            raise Failed(f"serve did not say where it listens: {line!r} {self.process.communicate()[1].decode()}")
        self.port = int(found.group(1))

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict | None = None) -> tuple[int, dict | str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if "json" in (answer.getheader("Content-Type") or "") else text
        finally:
            connection.close()

    def features(self, **document) -> tuple[int, dict | str]:
        return self.ask("POST", "/v1/features", json.dumps({"service": "model", **document}).encode())


def prepared(icecore: str, folder: str) -> Project:
    project, chance = Project(icecore, folder), random.Random(1)
    project.write("icecore.yaml", f"language: 1\nproject: serve\nnow: {NOW}\n")
    project.write("definitions/all.yaml", DEFINITIONS)
    count = 5 * KEYS
    os.makedirs(project.path("data"))
    pq.write_table(pa.table({
        "user_id": pa.array([chance.randrange(KEYS) for _ in range(count)], pa.int64()),
        "happened_at": pa.array([NOW_US - chance.randrange(40 * DAY) for _ in range(count)], pa.timestamp("us", "UTC")),
        "x": pa.array([None if chance.random() < 0.1 else chance.uniform(-1e6, 1e6) for _ in range(count)])}),
        project.path("data/1.parquet"))
    project.must("apply")
    project.must("run")
    return project


def expect(got, expected, what: str) -> None:
    if got != expected:
        raise Failed(f"{what}: got {got!r}, expected {expected!r}")


def served_equals_offline(project: Project, server: Server) -> None:
    keys = list(range(-5, KEYS))
    pq.write_table(pa.table({"user_id": pa.array(keys, pa.int64()), "amount": pa.array([3.0] * len(keys)),
                             "event_timestamp": pa.array([NOW_US] * len(keys), pa.timestamp("us", "UTC"))}),
                   project.path("spine.parquet"))
    project.must("training-set", "model", "--spine", "spine.parquet", "--out", "offline.parquet")
    offline = pq.read_table(project.path("offline.parquet"))
    status, answer = server.features(entities={"user_id": keys}, request={"amount": 3.0})
    expect(status, 200, "status")
    expect(list(answer["features"]), offline.column_names[3:], "features")
    for name, column in answer["features"].items():
        expect([repr(value) for value in column["values"]], [repr(value) for value in offline.column(name).to_pylist()], name)


def bad_requests(project: Project, server: Server) -> None:
    good = {"entities": {"user_id": 1}, "request": {"amount": 1}}
    for document, status, needle in [
            ({**good, "service": "modle"}, 404, "model"),
            ({**good, "entities": {}}, 400, "user_id"),
            ({**good, "entities": {"usr_id": 1}}, 400, "user_id"),
            ({**good, "entities": {"user_id": "one"}}, 400, "entities.user_id"),
            ({"entities": {"user_id": 1}}, 400, "amount"),
            ({**good, "request": {"amount": "much"}}, 400, "request.amount"),
            ({**good, "entities": {"user_id": [1, 2, 3]}, "request": {"amount": [1, 2]}}, 400, "amount"),
            ({**good, "at": "yesterday"}, 400, "at"),
            ({**good, "at": "2020-01-01T00:00:00Z"}, 400, ""),
            ({**good, "entitys": {}}, 400, "entitys")]:
        got, answer = server.features(**document)
        expect(got, status, f"status of {document}: {answer}")
        if needle not in json.dumps(answer):
            raise Failed(f"{document}: the error does not name {needle}: {answer}")
    expect(server.ask("POST", "/v1/features", b"{not json")[0], 400, "no JSON")
    expect(server.ask("GET", "/v1/features")[0], 405, "wrong method")
    expect(server.ask("GET", "/nothing")[0], 404, "no such path")
    expect(server.ask("GET", "/healthz", headers={"Host": "elsewhere.example"})[0], 403, "foreign host")


def large_body(project: Project, server: Server) -> None:
    """100 MB are announced; they are refused unread."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(b"POST /v1/features HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n{")
        expect(client.recv(12), b"HTTP/1.1 413", "status")


def slow_client(project: Project, server: Server) -> None:
    """Clients that send half a request hold up nobody."""
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(20)]
    try:
        for client in slow:
            client.sendall(b"POST /v1/features HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
        status, _ = server.features(entities={"user_id": 1}, request={"amount": 1})
        expect(status, 200, "status")
    finally:
        for client in slow:
            client.close()


def operations(project: Project, server: Server) -> None:
    for path, needle in [("/healthz", ""), ("/readyz", ""), ("/metrics", "# TYPE"), ("/openapi.json", "/v1/features"),
                         ("/v1/services", "model")]:
        status, answer = server.ask("GET", path)
        expect(status, 200, path)
        if needle not in json.dumps(answer):
            raise Failed(f"{path}: {needle} is not in {answer}")


def metrics_are_well_made(project: Project, server: Server) -> None:
    """What Prometheus asks of names and texts; `metrics` holds the dashboard to them."""
    text = server.ask("GET", "/metrics")[1]
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    helps = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
    expect(sorted(kinds), sorted(helps), "names with a type and with a help text")
    for name, kind in kinds.items():
        expect(name.endswith("_total"), kind == "counter", f"{name} is a {kind}; a name in _total")
    samples = {re.sub(r"_(bucket|sum|count)$", "", name) if re.sub(r"_(bucket|sum|count)$", "", name) in kinds else name
               for name in re.findall(r"^([a-z_]+)[ {]", text, re.MULTILINE)}
    expect(samples, set(kinds), "samples and types")
    for line in text.splitlines():
        if not re.match(r'^(# (HELP|TYPE) .+|[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? \S+)$', line):
            raise Failed(f"no line of the format: {line}")


def answers_are_encoded(project: Project, server: Server) -> None:
    document = json.dumps({"service": "model", "entities": {"user_id": list(range(500))}, "request": {"amount": 1}}).encode()
    plain = server.ask("POST", "/v1/features", document)[1]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/v1/features", document, {"Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    expect(answer.getheader("Content-Encoding"), "gzip", "Content-Encoding")
    expect(json.loads(gzip.decompress(answer.read()))["features"], plain["features"], "answer")
    connection.close()


def drains(project: Project, server: Server) -> None:
    server.process.send_signal(signal.SIGTERM)
    ended = project.end(server.process)
    expect(ended.code, 0, f"exit code after SIGTERM ({ended.says})")


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks `icecore serve`.")
    parser.add_argument("--icecore", required=True)
    given = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="serve-") as temporary:
        try:
            project = prepared(given.icecore, os.path.join(temporary, "project"))
            server = Server(project)
        except Failed as wrong:
            print(f"FAIL {wrong}\n0 passed, 1 failed")
            return 1
        try:
            for test in (served_equals_offline, bad_requests, large_body, slow_client, operations, metrics_are_well_made,
                         answers_are_encoded, drains):
                try:
                    test(project, server)
                    passed += 1
                except Exception as error:  # a test that could not run has failed
                    failed += 1
                    print(f"FAIL {test.__name__}: {type(error).__name__}: {error}")
        finally:
            if server.process.poll() is None:
                server.process.kill()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
