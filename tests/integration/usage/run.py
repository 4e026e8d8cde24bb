#!/usr/bin/env python3
"""Uses of features, counted by `icecore serve` and told by `icecore show`: by caller and feature, by several servers, over kills,
and while the catalog cannot be written.

    run.py --icecore BINARY

Last line: `N passed, N failed`.
"""
import argparse
import http.client
import json
import os
import re
import sqlite3
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]
from project import Failed, Project  # noqa: E402
from served import ON_LOOPBACK, Server as AnyServer, count_tests, expect  # noqa: E402

NOW = "2024-03-01T00:00:00Z"
WAIT_S = 90
BUSY_S = 10  # how long a writer of the catalog waits for others
DEFINITIONS = """\
source: events
from:
  files: {path: "data/*.csv", format: csv}
contract:
  columns:
    - {name: user_id, type: int64}
    - {name: happened_at, type: timestamp}
    - {name: x, type: float64}
    - {name: y, type: float64}
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
features: [x, y, {name: unused, of: x, aggregate: sum, windows: [7d]}]
---
feature_view: asked
request: [{name: amount, type: float64}]
inputs: [seen.x]
features: [{name: share, expression: "x / amount"}]
---
feature_service: model
features: [asked]
---
feature_service: other
features: [seen.y]
"""


class Server(AnyServer):
    """With one connection that is kept."""

    def __init__(self, project: Project):
        super().__init__(project, *ON_LOOPBACK, "--now", NOW)
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def __exit__(self, *_):
        self.connection.close()
        super().__exit__()

    def ask(self, path: str, document: dict, token: str | None = None, expected: int = 200) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.connection.request("POST", path, json.dumps(document), headers)
        answer = self.connection.getresponse()
        text = answer.read().decode()
        expect(answer.status, expected, f"status of {document} ({text})")

    def model(self, rows: int, token: str | None = None) -> None:
        self.ask("/v1/features", {"service": "model", "entities": {"user_id": list(range(rows))}, "request": {"amount": 2}}, token)

    def other(self, rows: int, token: str | None = None) -> None:
        self.ask("/v1/features", {"service": "other", "entities": {"user_id": list(range(rows))}}, token)

    def picked(self, features: list[str], rows: int, token: str | None = None) -> None:
        self.ask("/get-online-features", {"features": features, "entities": {"user_id": list(range(rows))}}, token)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def end(self) -> str:
        self.connection.close()
        return super().end()


def uses(document: dict) -> tuple[int, int]:
    expect((document["requests_7d"], document["rows_7d"]), (document["requests_30d"], document["rows_30d"]), "7 and 30 days")
    return document["requests_30d"], document["rows_30d"]


def usage_of(project: Project, name: str) -> dict:
    return project.json("show", name)["usage"]


def by(document: dict, list_name: str, member: str) -> dict:
    return {one[member]: uses(one) for one in document[list_name]}


def await_uses(project: Project, name: str, expected: tuple[int, int]) -> None:
    deadline = time.monotonic() + WAIT_S
    while (got := uses(usage_of(project, name))) != expected:
        if time.monotonic() > deadline:
            raise Failed(f"uses of {name} are {got}, not {expected}")
        time.sleep(0.2)


def prepared(icecore: str, folder: str) -> Project:
    project = Project(icecore, folder)
    project.write("icecore.yaml", f"language: 1\nproject: usage\nnow: {NOW}\n")
    project.write("definitions/all.yaml", DEFINITIONS)
    project.write("data/1.csv", "user_id,happened_at,x,y\n" + "".join(
        f"{key},2024-02-28T00:00:00Z,{key},{key / 2}\n" for key in range(20)))
    project.must("apply")
    project.must("run")
    return project


def nothing_is_used_yet(project: Project) -> None:
    document = usage_of(project, "view.seen")
    expect(uses(document), (0, 0), "uses")
    expect((document["last_used_at"], document["callers"]), (None, []), "last use, callers")
    expect(sorted(by(document, "features", "feature")), ["unused_7d", "x", "y"], "features")
    if "never" not in project.must("show", "view.seen"):
        raise Failed("the text does not say that a view was never used")


def features_and_services(project: Project) -> None:
    """What feeds a request-time feature is used, refused requests are not, and the last uses are counted at the end."""
    with Server(project) as server:
        server.model(3)
        server.model(1)
        server.other(5)
        server.picked(["seen:x", "seen:y"], 7)
        server.picked(["seen:x", "seen:y"], 2)
        server.ask("/v1/features", {"service": "model", "entities": {"user_id": ["x"]}, "request": {"amount": 1}}, expected=400)
        server.ask("/v1/features", {"service": "nothing", "entities": {}}, expected=404)
        server.end()
    expect(uses(usage_of(project, "service.model")), (2, 4), "model")
    expect(uses(usage_of(project, "service.other")), (1, 5), "other")
    seen = usage_of(project, "view.seen")
    expect(uses(seen), (5, 18), "view seen")
    expect(by(seen, "features", "feature"), {"x": (4, 13), "y": (3, 14), "unused_7d": (0, 0)}, "features of seen")
    expect(by(seen, "callers", "caller"), {"anonymous": (5, 18)}, "callers of seen")
    expect([one["feature"] for one in seen["features"]], ["x", "y", "unused_7d"], "features, the most used first")
    expect(by(usage_of(project, "view.asked"), "features", "feature"), {"share": (2, 4)}, "features of asked")
    if not re.search(r"of x +4 +13 +4 +13", project.must("show", "view.seen")):
        raise Failed(f"the text lacks the uses of x: {project.must('show', 'view.seen')}")


def training_sets_count(project: Project) -> None:
    project.write("spine.csv", f"user_id,event_timestamp,amount\n1,{NOW},1.0\n2,{NOW},2.0\n")
    before = uses(usage_of(project, "service.model"))
    project.must("training-set", "model", "--spine", "spine.csv", "--out", "out.parquet")
    model = usage_of(project, "service.model")
    expect(uses(model), (before[0] + 1, before[1] + 2), "model")
    expect(by(model, "callers", "caller")["training-set"], (1, 2), "the training set")


def callers_and_servers(project: Project) -> None:
    """Two servers at once, two tokens: counts add up while both run."""
    tokens = [project.must("token", "new", "--scope", "read").strip() for _ in range(2)]
    names = [re.match(r"ice_([0-9a-f]{8})_", token).group(1) for token in tokens]
    before = uses(usage_of(project, "service.other"))
    with Server(project) as first, Server(project) as second:
        for server in (first, second):
            server.other(1, tokens[0])
            server.other(10, tokens[1])
            server.other(10, tokens[1])
        await_uses(project, "service.other", (before[0] + 6, before[1] + 42))
        first.end()
        second.end()
    callers = by(usage_of(project, "service.other"), "callers", "caller")
    expect([callers[name] for name in names], [(2, 2), (4, 40)], "uses by token")
    for token in tokens:
        if token[13:] in json.dumps(usage_of(project, "service.other")):
            raise Failed("a token's text is in the usage")
        project.must("token", "revoke", re.match(r"ice_([0-9a-f]{8})_", token).group(1))
    os.remove(project.path(".icecore/tokens"))


def kills_count_nothing_twice(project: Project) -> None:
    before = uses(usage_of(project, "service.model"))
    with Server(project) as server:
        for _ in range(10):
            server.model(2)
        await_uses(project, "service.model", (before[0] + 10, before[1] + 20))
        server.model(2)  # may be lost
        server.kill()
    after = uses(usage_of(project, "service.model"))
    expect(after in ((before[0] + 10, before[1] + 20), (before[0] + 11, before[1] + 22)), True, f"uses after a kill {after}")


def a_busy_catalog_stops_nobody(project: Project) -> None:
    """While somebody else writes the catalog for longer than a writer waits, requests are answered, and counted afterwards."""
    before = uses(usage_of(project, "service.model"))
    count = 0
    with Server(project) as server:
        catalog = sqlite3.connect(project.path(".icecore/catalog.db"), isolation_level=None)
        catalog.execute("BEGIN IMMEDIATE")
        slowest, end = 0.0, time.monotonic() + BUSY_S + 7  # a flush begins, waits and fails within
        while time.monotonic() < end:
            began = time.monotonic()
            server.model(1)
            slowest, count = max(slowest, time.monotonic() - began), count + 1
            time.sleep(0.02)
        catalog.execute("ROLLBACK")
        catalog.close()
        await_uses(project, "service.model", (before[0] + count, before[1] + count))
        says = server.end()
    if "usage is kept in memory" not in says:
        raise Failed(f"nothing says that the catalog could not be written: {says!r}")
    expect(slowest < BUSY_S / 2, True, f"the slowest answer took {slowest:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description="Holds `icecore show` to what `icecore serve` answered.")
    parser.add_argument("--icecore", required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="usage-") as temporary:
        project = prepared(given.icecore, os.path.join(temporary, "project"))
        tests = (nothing_is_used_yet, features_and_services, training_sets_count, callers_and_servers, kills_count_nothing_twice,
                 a_busy_catalog_stops_nobody)
        return count_tests((test.__name__, lambda test=test: test(project)) for test in tests)


if __name__ == "__main__":
    sys.exit(main())
