#!/usr/bin/env python3
"""The OpenAPI document of `icecore serve`: a validator that others wrote accepts it, and the server answers as it says.

    run.py --icecore BINARY

The validator lives in an environment of its own (.deps/openapi, `./dev setup`). Last line: `N passed, N failed`.
"""
import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))
from project import Failed, Project  # noqa: E402

PYTHON = os.path.join(ROOT, ".deps", "openapi", "venv", "bin", "python")
NOW = "2024-03-01T00:00:00Z"
DEFINITIONS = """\
source: events
from:
  files: {path: "data/*.csv", format: csv}
contract:
  columns:
    - {name: user_id, type: int64}
    - {name: happened_at, type: timestamp}
    - {name: x, type: float64}
---
table: events
zone: processing
sql: select * from landing.events
mode: append
---
source: clicks
from: {push: {}}
contract:
  columns: [{name: user_id, type: int64}, {name: happened_at, type: timestamp}]
---
entity: user
keys: [{name: user_id, type: int64}]
---
feature_view: seen
entity: user
from: processing.events
event_time: happened_at
online: true
features: [x, {of: x, aggregates: [sum, last_n(2)], windows: [1h]}]
---
feature_service: model
description: What the model reads
features: [seen]
"""
# Method, path, body, headers, and the status that must come.
REQUESTS = [
    ("POST", "/v1/features", {"service": "model", "entities": {"user_id": [1, 2, None]}}, {}, 200),
    ("POST", "/v1/features", {"service": "model", "entities": {"user_id": 1}, "at": NOW}, {}, 200),
    ("POST", "/v1/features", {"service": "model", "entities": {}}, {}, 400),
    ("POST", "/v1/features", {"service": "modle", "entities": {}}, {}, 404),
    ("POST", "/v1/features", {"service": "model", "entities": {"user_id": list(range(10_001))}}, {}, 413),
    ("POST", "/v1/features", {"service": "model", "entities": {"user_id": 1}}, {"X": "x" * 20_000}, 431),
    ("POST", "/v1/features", {"service": "model", "entities": {"user_id": 1}}, {"Host": "elsewhere.example"}, 403),
    ("POST", "/v1/features", {"service": "model", "entities": {"user_id": 1}}, {"Content-Encoding": "gzip"}, 415),
    ("GET", "/v1/services", None, {}, 200),
    ("POST", "/get-online-features", {"features": ["seen:x"], "entities": {"user_id": [1, 2]}}, {}, 200),
    ("POST", "/get-online-features", {"feature_service": "model", "entities": {"user_id": [1]}}, {}, 200),
    ("POST", "/get-online-features", {"features": ["seen:x"]}, {}, 422),
    ("POST", "/get-online-features", {"features": ["sehn:x"], "entities": {"user_id": [1]}}, {}, 404),
    ("POST", "/get-online-features", {"features": ["seen:y"], "entities": {"user_id": [1]}}, {}, 400),
    ("POST", "/push", {"source": "clicks", "rows": [{"user_id": 1}]}, {}, 200),
    ("POST", "/push", {"source": "clocks", "rows": []}, {}, 404),
    ("POST", "/push", {"push_source_name": "clicks"}, {}, 422),
    ("POST", "/write-to-online-store", {"feature_view_name": "sehn", "df": {"user_id": [1]}}, {}, 404),
    ("POST", "/write-to-online-store", {"feature_view_name": "seen", "df": {"user_id": [1]}}, {}, 501),
    ("POST", "/get-online-features", {"features": ["seen:x"], "entities": {"user_id": [1]}}, {"Content-Encoding": "gzip"}, 415),
    ("POST", "/push", {"source": "clicks", "rows": [{"user_id": 1}]}, {"Content-Encoding": "zstd"}, 415),
    ("POST", "/write-to-online-store", {"feature_view_name": "seen", "df": {"user_id": [1]}}, {"Content-Encoding": "br"}, 415),
    ("GET", "/health", None, {}, 200),
    ("GET", "/metrics", None, {}, 200),
    ("GET", "/healthz", None, {}, 200),
    ("GET", "/readyz", None, {}, 200),
    ("GET", "/openapi.json", None, {}, 200),
]


def ask(port: int, method: str, path: str, document, headers: dict) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, None if document is None else json.dumps(document), headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type") or "", answer.read()
    finally:
        connection.close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Holds `icecore serve` to its OpenAPI document.")
    parser.add_argument("--icecore", required=True)
    given = parser.parse_args()
    if not os.path.exists(PYTHON):
        print(f"FAIL the validator is missing in {PYTHON}: run ./dev setup\n0 passed, 1 failed")
        return 1
    with tempfile.TemporaryDirectory(prefix="openapi-") as temporary:
        project = Project(given.icecore, os.path.join(temporary, "project"))
        project.write("icecore.yaml", f"language: 1\nproject: openapi\nnow: {NOW}\n")
        project.write("definitions/all.yaml", DEFINITIONS)
        project.write("data/1.csv", "user_id,happened_at,x\n1,2024-02-29T23:30:00Z,1.5\n")
        project.must("apply")
        project.must("run")
        server = project.start("serve", "--http", "127.0.0.1:0", "--now", NOW)
        try:
            line = server.stdout.readline().decode()
            found = re.search(r":(\d+)", line)
            if not found:
                raise Failed(f"serve did not start: {line!r} {project.end(server).says}")
            port, answers = int(found.group(1)), []
            for method, path, document, headers, expected in REQUESTS:
                status, kind, body = ask(port, method, path, document, headers)
                answers.append({"method": method, "path": path, "document": document, "expected": expected, "status": status,
                                "type": kind.split(";")[0], "body": body.decode()})
            _, _, openapi = ask(port, "GET", "/openapi.json", None, {})
        finally:
            server.kill()
            server.communicate()
        work = {"openapi": json.loads(openapi), "answers": answers}
    done = subprocess.run([PYTHON, os.path.join(HERE, "validate.py")], input=json.dumps(work), text=True)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
