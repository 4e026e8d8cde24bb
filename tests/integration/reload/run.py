#!/usr/bin/env python3
"""`icecore serve` while things change: definitions are applied, views are loaded anew, tokens come, the process is told to end.
Clients ask all the while, and every request is answered rightly.

    run.py --icecore BINARY

Last line: `N passed, N failed`.
"""
import argparse
import http.client
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]
from project import Failed, Project  # noqa: E402
from served import ON_LOOPBACK, Server as AnyServer, expect  # noqa: E402

NOW = "2024-03-01T00:00:00Z"
KEYS = 50
WAIT_S = 60
DEFINITIONS = """\
source: events
from:
  files: {{path: "data/*.csv", format: csv}}
contract:
  columns:
    - {{name: user_id, type: int64}}
    - {{name: happened_at, type: timestamp}}
    - {{name: x, type: float64}}
---
table: events
zone: processing
sql: select * from landing.events
mode: append
---
entity: user
keys: [{{name: user_id, type: int64}}]
---
feature_view: seen
entity: user
from: processing.events
event_time: happened_at
online: true
features: {features}
---
feature_service: model
features: [seen]
"""
FIRST = "[x]"
SECOND = "[x, {of: x, aggregates: [sum, count], windows: [7d]}]"


class Clients:
    """Threads that ask on kept connections until they are stopped, and remember every answer that was not right."""

    def __init__(self, port: int, count: int = 3):
        self.port, self.stop, self.wrong, self.answers, self.names = port, threading.Event(), [], 0, set()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, first: int) -> None:
        connection, key = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60), first
        while not self.stop.is_set():
            key = (key + 7) % KEYS
            feast = key % 2 == 0
            path = "/get-online-features" if feast else "/v1/features"
            body = ({"features": ["seen:x"], "entities": {"user_id": [key]}} if feast
                    else {"service": "model", "entities": {"user_id": key}})
            text = b""
            try:
                connection.request("POST", path, json.dumps(body))
                answer = connection.getresponse()
                text = answer.read()
                document = json.loads(text)
                value = document["results"][1]["values"][0] if feast else document["features"]["x"]["values"][0]
                names = () if feast else tuple(document["features"])
                problem = None if answer.status == 200 and value == key / 4 else f"{answer.status} {text[:200]}"
            except Exception as error:
                problem, names = f"{type(error).__name__}: {error} {text[:300]}", ()
                connection.close()
            with self.lock:
                self.answers += 1
                if names:
                    self.names.add(names)
                if problem:
                    self.wrong.append(problem)

    def await_names(self, names: tuple) -> None:
        deadline = time.monotonic() + WAIT_S
        while names not in self.names:
            if time.monotonic() > deadline or self.wrong:
                raise Failed(f"no answer has {names}: {self.names} {self.wrong[:3]}")
            time.sleep(0.01)

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


class Server(AnyServer):
    def __init__(self, project: Project, *arguments: str):
        super().__init__(project, *ON_LOOPBACK, "--now", NOW, *arguments)

    def get(self, path: str) -> str:
        return self.send("GET", path)[1]

    def metric(self, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.get("/metrics"), re.MULTILINE)
        if not found:
            raise Failed(f"/metrics lacks {name}")
        return float(found.group(1))

    def await_metric(self, name: str, value: float) -> None:
        deadline = time.monotonic() + WAIT_S
        while (got := self.metric(name)) != value:
            if time.monotonic() > deadline:
                raise Failed(f"{name} is {got}, not {value}")
            time.sleep(0.05)


def prepared(icecore: str, folder: str) -> Project:
    project = Project(icecore, folder)
    project.write("icecore.yaml", f"language: 1\nproject: reload\nnow: {NOW}\n")
    project.write("definitions/all.yaml", DEFINITIONS.format(features=FIRST))
    project.write("data/1.csv", "user_id,happened_at,x\n" + "".join(
        f"{key},2024-02-28T00:00:00Z,{key / 4}\n" for key in range(KEYS)))
    project.must("apply")
    project.must("run")
    return project


def definitions_change_under_load(project: Project) -> None:
    first, second = ("x",), ("x", "x_sum_7d", "x_count_7d")
    with Server(project) as server:
        clients = Clients(server.port)
        try:
            clients.await_names(first)
            project.write("definitions/all.yaml", DEFINITIONS.format(features=SECOND))
            project.must("apply")
            # Applied and not loaded: the old definition goes on answering.
            server.await_metric("icecore_definitions_version", 2)
            expect(server.metric("icecore_definitions_pending_services"), 1, "services that wait")
            expect(clients.names, {first}, "names before the views are loaded")
            project.must("run")
            clients.await_names(second)
            server.await_metric("icecore_definitions_pending_services", 0)
            # And once more, applied and loaded before the server looks.
            project.write("definitions/all.yaml", DEFINITIONS.format(features=FIRST))
            project.must("apply")
            project.must("run")
            server.await_metric("icecore_definitions_version", 3)
            server.await_metric("icecore_definitions_pending_services", 0)
            expect(list(json.loads(server.get("/v1/services"))["services"][0]["features"]),
                   [{"name": "x", "type": "float64"}], "features")
        finally:
            clients.end()
        expect(clients.wrong[:3], [], f"wrong answers of {clients.answers}")
        expect(clients.answers > 50, True, f"answers: {clients.answers}")


def views_are_loaded_anew_under_load(project: Project) -> None:
    with Server(project) as server:
        clients = Clients(server.port)
        try:
            clients.await_names(("x",))
            for _ in range(3):
                project.must("materialize", "--full")
            project.must("run", "--full")
        finally:
            clients.end()
        expect(clients.wrong[:3], [], f"wrong answers of {clients.answers}")


def unapplied_definitions_change_nothing(project: Project) -> None:
    with Server(project) as server:
        clients = Clients(server.port)
        try:
            clients.await_names(("x",))
            project.write("definitions/all.yaml", "nonsense: [")
            server.process.send_signal(signal.SIGHUP)
            answers = clients.answers
            deadline = time.monotonic() + WAIT_S
            while clients.answers < answers + 500 and time.monotonic() < deadline:
                time.sleep(0.01)
        finally:
            clients.end()
            project.write("definitions/all.yaml", DEFINITIONS.format(features=FIRST))
        expect(clients.wrong[:3], [], f"wrong answers of {clients.answers}")
        expect(server.process.poll(), None, "exit code after SIGHUP")


def drains_under_load(project: Project) -> None:
    """Every request that was sent before the end is answered whole; then the connection ends."""
    with Server(project) as server:
        clients = Clients(server.port, 4)
        clients.await_names(("x",))
        server.process.send_signal(signal.SIGTERM)
        ended = project.end(server.process)
        clients.end()
        expect(ended.code, 0, f"exit code ({ended.says})")
        # What was refused or met a closed connection was never begun; nothing else may be among the wrong.
        torn = [problem for problem in clients.wrong
                if not problem.startswith(("ConnectionRefusedError", "RemoteDisconnected", "ConnectionResetError",
                                           "BrokenPipeError", "CannotSendRequest"))]
        expect(torn[:3], [], "answers torn by the drain")


def requests_have_ids(project: Project) -> None:
    with Server(project, "--log-requests") as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        identities = []
        for given in ("client-7", 'x" bad', ""):
            body = json.dumps({"service": "model", "entities": {"user_id": 1}})
            connection.request("POST", "/v1/features", body, {"X-Request-Id": given} if given else {})
            answer = connection.getresponse()
            answer.read()
            identities.append(answer.getheader("X-Request-Id"))
        connection.close()
        expect(identities[0], "client-7", "the client's own id")
        expect(len(set(identities)), 3, f"different ids {identities}")
        server.process.send_signal(signal.SIGTERM)
        ended = project.end(server.process)
    lines = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    expect([line["request_id"] for line in lines], identities, "ids in the log")
    expect({(line["path"], line["status"], line["service"]) for line in lines}, {("/v1/features", 200, "model")}, "lines")


def time_goes_on(project: Project) -> None:
    """Loaded two hours ago: answers are good again without a run, and have the row that was known only since."""
    moving = Project(project.icecore, project.path("moving"))
    moment = lambda minutes_ago: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60 * minutes_ago))  # noqa: E731
    moving.write("icecore.yaml", "language: 1\nproject: moving\n")
    moving.write("definitions/all.yaml", DEFINITIONS.format(features=FIRST)
                 .replace("    - {name: x,", "    - {name: told, type: timestamp}\n    - {name: x,")
                 .replace("event_time: happened_at", "event_time: happened_at\nknown_at: told"))
    moving.write("data/1.csv", f"user_id,happened_at,told,x\n1,{moment(300)},{moment(300)},1\n1,{moment(200)},{moment(20)},2\n")
    moving.must("apply")
    moving.must("run", "--now", moment(120))
    with AnyServer(moving, *ON_LOOPBACK) as server:
        deadline, got = time.monotonic() + WAIT_S, None
        while got != (2, False):
            if time.monotonic() > deadline:
                raise Failed(f"value and stale: {got}, not (2, False)")
            status, text = server.send("POST", "/v1/features", {"service": "model", "entities": {"user_id": 1}})
            expect(status, 200, f"status of {text}")
            document = json.loads(text)
            got = document["features"]["x"]["values"][0], document["views"]["seen"]["stale"]
            time.sleep(0.05)


def top_shows_the_load(project: Project) -> None:
    with Server(project) as server:
        clients = Clients(server.port)
        try:
            load = project.json("top", f"127.0.0.1:{server.port}", "--interval", "500ms")
            text = project.must("top", f"http://127.0.0.1:{server.port}", "--interval", "200ms", "--count", "2")
        finally:
            clients.end()
        expect(load["services"][1]["service"], "model", "service")
        expect(load["services"][1]["requests_per_second"] > 0, True, "requests per second")
        expect(load["services"][1]["present_share"], 1, "share of values present")
        expect([view["view"] for view in load["views"]], ["seen"], "views")
        expect(text.count("requests/s, "), 2, "blocks")
        expect("\x1b" in text, False, "control characters where there is no terminal")
    ended = project.call("top", f"127.0.0.1:{server.port}", "--count", "1")
    expect(ended.code, 1, "exit code without a server")


def main() -> int:
    parser = argparse.ArgumentParser(description="Changes things under a running server.")
    parser.add_argument("--icecore", required=True)
    given = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="reload-") as temporary:
        for test in (definitions_change_under_load, views_are_loaded_anew_under_load, unapplied_definitions_change_nothing,
                     drains_under_load, requests_have_ids, top_shows_the_load, time_goes_on):
            try:
                test(prepared(given.icecore, os.path.join(temporary, test.__name__)))
                passed += 1
            except Exception as error:  # a test that could not run has failed
                failed += 1
                print(f"FAIL {test.__name__}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
