#!/usr/bin/env python3
"""Rows pushed over HTTP while `icecore serve` runs: durable when they are acknowledged, once per key, in the lake and in answers soon
after, and the same in both.

    run.py --icecore BINARY

Last line: `N passed, N failed`.
"""
import argparse
import json
import os
import sys
import tempfile
import threading
import time

from deltalake import DeltaTable

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]
import clicks  # noqa: E402
from project import Failed, Project  # noqa: E402
from served import ON_LOOPBACK, Server as AnyServer, expect  # noqa: E402

WAIT_S = 60
PUSHES_UNTIL_PACKED = 70
DEFINITIONS = clicks.definitions("[n, {name: clicks, aggregate: count, windows: [3650d]}]", between="[0, 10]")


class Server(AnyServer):
    def __init__(self, project: Project):
        super().__init__(project, *ON_LOOPBACK)

    def post(self, path: str, document, headers: dict | None = None) -> tuple[int, str]:
        return self.send("POST", path, document, headers)

    def value(self, user: str, feature: str):
        status, text = self.post("/v1/features", {"service": "model", "entities": {"user": user}})
        expect(status, 200, f"status of {text[:300]}")
        return json.loads(text)["features"][feature]["values"][0]

    def await_value(self, user: str, feature: str, value) -> None:
        deadline = time.monotonic() + WAIT_S
        while (got := self.value(user, feature)) != value:
            if time.monotonic() > deadline:
                raise Failed(f"{feature} of {user} is {got!r}, not {value!r}")
            time.sleep(0.02)


def prepared(icecore: str, folder: str) -> Project:
    project = Project(icecore, folder)
    project.write("icecore.yaml", "language: 1\nproject: pushed\n")
    project.write("definitions/all.yaml", DEFINITIONS)
    project.must("apply")
    project.must("push", "clicks", "--file", first_rows(project))
    project.must("run")
    return project


def first_rows(project: Project) -> str:
    project.write("rows.ndjson", '{"user": "first", "at": "2024-03-01T10:00:00Z", "n": 1}\n')
    return "rows.ndjson"


def rows_arrive(project: Project) -> None:
    with Server(project) as server:
        status, text = server.post("/push", {"source": "clicks", "rows": [
            {"user": "ann", "at": "2024-03-01T10:00:00Z", "n": 3}, {"user": "bob", "at": "2024-03-01T10:00:00Z", "n": 99},
            {"user": "ann", "at": "2024-03-01T11:00:00Z", "n": 4}]})
        expect((status, json.loads(text)), (200, {"source": "clicks", "rows": 3, "duplicate": False}), "answer")
        server.await_value("ann", "n", 4)
        expect(server.value("ann", "clicks_3650d"), 2, "count")
        expect(server.value("bob", "n"), None, "a row that broke the contract")
    expect(project.value("""select count(*) from landing.clicks where "user" = 'ann'"""), 2, "rows in the lake")
    expect(project.value("""select count(*) from quarantine.clicks"""), 1, "rows in quarantine")


def feast_pushes(project: Project) -> None:
    with Server(project) as server:
        status, text = server.post("/push", {"push_source_name": "clicks", "to": "online", "df": {
            "user": ["cid", "dan"], "at": ["2024-03-01T10:00:00Z"] * 2, "n": [5, 6]}})
        expect((status, text), (200, ""), "answer")
        server.await_value("dan", "n", 6)
        for path, document, status in [
                ("/push", {"push_source_name": "clocks", "df": {"user": ["x"]}}, 404),
                ("/push", {"push_source_name": "clicks"}, 422),
                ("/push", {"push_source_name": "clicks", "df": {"user": ["x"]}, "to": "offline"}, 422),
                ("/write-to-online-store", {"feature_view_name": "seen", "df": {"user": ["x"]}}, 422),
                ("/write-to-online-store", {"feature_view_name": "seen", "df": {"user": ["x"], "at": [None], "m": [1]}}, 422),
                ("/write-to-online-store", {"feature_view_name": "sehn", "df": {"user": ["x"]}}, 404),
                ("/push", {"source": "clicks", "rows": [1]}, 400)]:
            expect(server.post(path, document)[0], status, f"status of {document}")


def rows_of_a_view_arrive(project: Project) -> None:
    """They come by the one source of pushes that feeds the view."""
    with Server(project) as server:
        status, text = server.post("/write-to-online-store", {"feature_view_name": "seen", "df": {
            "user": ["eve"], "at": ["2024-03-01T10:00:00Z"], "n": [7]}})
        expect((status, text), (200, "null"), "answer")
        server.await_value("eve", "n", 7)
    project.must("run")  # it was servable before
    expect(project.value("""select count(*) from processing.clicks where "user" = 'eve'"""), 1, "rows in the lake")


def keys_are_taken_once(project: Project) -> None:
    with Server(project) as server:
        answers = []

        def push() -> None:
            answers.append(json.loads(server.post(
                "/push", {"source": "clicks", "rows": [{"user": "once", "at": "2024-03-01T10:00:00Z", "n": 1}]},
                {"Idempotency-Key": "key-1"})[1]))

        threads = [threading.Thread(target=push) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expect(sorted(answer["duplicate"] for answer in answers), [False] + [True] * 7, "duplicates")
        server.await_value("once", "clicks_3650d", 1)


def acknowledged_rows_survive_a_kill(project: Project) -> None:
    acknowledged = 0
    server = Server(project)
    with server:
        for i in range(20):
            status, _ = server.post("/push", {"source": "clicks", "rows": [
                {"user": "kept", "at": "2024-03-01T10:00:00Z", "n": i % 10}]}, {"Idempotency-Key": f"kill-{i}"})
            acknowledged += status == 200
        server.process.kill()
    with Server(project) as server:
        server.await_value("kept", "clicks_3650d", acknowledged)
    expect(project.value("""select count(*) from landing.clicks where "user" = 'kept'"""), acknowledged, "rows")


def sources_come_later(project: Project) -> None:
    """What is pushed to a source that was applied under the running server lands, too."""
    with Server(project) as server:
        more = DEFINITIONS
        for old, new in (("clicks", "taps"), ("seen", "felt"), ("model", "touch"), ("user", "hand")):
            more = more.replace(old, new)
        project.write("definitions/more.yaml", more)
        project.must("apply")
        rows = {"source": "taps", "rows": [{"hand": "left", "at": "2024-03-01T10:00:00Z", "n": 8}]}
        asked = {"service": "touch", "entities": {"hand": "left"}}
        answer = lambda: server.post("/v1/features", asked)  # noqa: E731
        deadline = time.monotonic() + WAIT_S
        pushed = False
        while not pushed or answer()[0] != 200 or json.loads(answer()[1])["features"]["n"]["values"] != [8]:
            pushed = pushed or server.post("/push", rows)[0] == 200
            if time.monotonic() > deadline:
                raise Failed(f"pushed: {pushed}, answer: {answer()}")
            time.sleep(0.05)


def landed_rows_are_loaded(project: Project) -> None:
    """What a killed server had landed and not loaded, which no push tells the next one."""
    project.write("more.ndjson", '{"user": "between", "at": "2024-03-01T10:00:00Z", "n": 1}\n')
    project.must("push", "clicks", "--file", "more.ndjson")
    project.must("ingest", "clicks")
    with Server(project) as server:
        server.await_value("between", "n", 1)


def numbers_keep_their_digits(project: Project) -> None:
    """A number lands as it was written, whatever a double would make of it."""
    digits = "12345678901234567890.123456789012345678"
    for body in ('{"source": "clicks", "rows": [{"user": "exact", "at": "2024-03-01T10:00:00Z",\n "n": 1, "price": %s}]}',
                 '{"push_source_name": "clicks", "df": {"user": ["exact"], "at": ["2024-03-01T10:00:00Z"], "n": [1],\n "price": [%s]}}'):
        with Server(project) as server:
            status, text = server.send("POST", "/push", (body % digits).encode())
            expect(status, 200, f"status of {text}")
    project.must("run")
    expect(project.rows("""select price::varchar as price, count(*) as n from landing.clicks where "user" = 'exact' group by all"""),
           [{"price": digits, "n": 2}], "numbers in the lake")


def await_version(table: DeltaTable, version: int) -> None:
    deadline = time.monotonic() + WAIT_S
    while table.version() < version:
        if time.monotonic() > deadline:
            raise Failed(f"version {table.version()}, expected {version}")
        time.sleep(0.005)
        table.update_incremental()


def small_files_are_packed(project: Project) -> None:
    """Beside the stream that makes them, and the view's log is kept."""
    project.write("icecore.yaml", "language: 1\nproject: pushed\nfeature_log_rows: 0\n")
    table, log = DeltaTable(project.path("lake/processing/clicks")), project.path(".icecore/features/seen/manifest.json")
    before = os.stat(log).st_mtime_ns if os.path.exists(log) else 0
    with Server(project) as server:
        for i in range(PUSHES_UNTIL_PACKED):
            landed = table.version()
            status, _ = server.post("/push", {"source": "clicks", "rows": [{"user": f"u{i}", "at": "2024-03-01T10:00:00Z", "n": i % 10}]})
            expect(status, 200, "status")
            server.await_value(f"u{i}", "n", i % 10)
            await_version(table, landed + 1)  # it was servable before
        deadline = time.monotonic() + WAIT_S
        while True:
            table.update_incremental()
            logged = os.path.exists(log) and os.stat(log).st_mtime_ns > before
            if logged and len(table.file_uris()) < PUSHES_UNTIL_PACKED / 2:
                break
            if time.monotonic() > deadline:
                raise Failed(f"{len(table.file_uris())} files; log {'kept' if logged else 'not kept'}")
            time.sleep(0.05)
        expect(server.value("u3", "n"), 3, "a value behind it")
    project.must("run")
    expect(project.value("select count(*) from processing.clicks"), PUSHES_UNTIL_PACKED + 1, "rows")
    project.must("check", "--lake")


def main() -> int:
    parser = argparse.ArgumentParser(description="Pushes rows to `icecore serve`.")
    parser.add_argument("--icecore", required=True)
    given = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="push-") as temporary:
        for test in (rows_arrive, feast_pushes, rows_of_a_view_arrive, keys_are_taken_once, acknowledged_rows_survive_a_kill,
                     landed_rows_are_loaded, sources_come_later, numbers_keep_their_digits, small_files_are_packed):
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
