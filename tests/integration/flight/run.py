#!/usr/bin/env python3
"""`icecore serve --flight` as pyarrow's Flight client sees it: the same values as over HTTP and in Feast's form, rows that are pushed
and then served, tokens, TLS, refusals, and a drain.

    run.py --icecore BINARY

Last line: `N passed, N failed`.
"""
import argparse
import base64
import decimal
import functools
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date, datetime, timezone

import pyarrow as pa
import pyarrow.flight as fl

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]
from project import Failed, Project  # noqa: E402
from served import ON_LOOPBACK, Server, certificate, count_tests, expect  # noqa: E402

WAIT_S = 60
NOW = "2024-03-01T12:00:00Z"
DEFINITIONS = """\
source: clicks
from: {push: {}}
contract:
  columns:
    - {name: user, type: string, required: true}
    - {name: shop, type: int64, required: true}
    - {name: at, type: timestamp, required: true}
    - {name: n, type: int64, between: [0, 1000]}
    - {name: x, type: float64}
    - {name: word, type: string}
    - {name: day, type: date}
    - {name: price, type: "decimal(9,2)"}
    - {name: good, type: bool}
    - {name: raw, type: binary}
---
table: clicks
zone: processing
mode: append
sql: select * from landing.clicks
---
entity: visitor
keys: [{name: user, type: string}, {name: shop, type: int64}]
---
feature_view: seen
entity: visitor
from: processing.clicks
event_time: at
ttl: 30d
online: true
features: [n, x, word, day, price, good, raw, at, {name: clicks, aggregate: count, windows: [3650d]}]
---
feature_view: scaled
request: [{name: factor, type: float64}]
inputs: {n: seen.n}
features: [{name: scaled, expression: "n * factor"}]
---
feature_service: model
features: [seen, scaled]
---
feature_service: other
features: [seen]
"""
SCHEMA = pa.schema([("user", pa.string()), ("shop", pa.int32()), ("at", pa.timestamp("ms", "UTC")), ("n", pa.int64()),
                    ("x", pa.float64()), ("word", pa.dictionary(pa.int8(), pa.string())), ("day", pa.date32()),
                    ("price", pa.decimal128(9, 2)), ("good", pa.bool_()), ("raw", pa.binary())])
KEYS = pa.schema([("user", pa.string()), ("shop", pa.int64())])


def refused(error: type, needle: str, work) -> None:
    """The work fails with exactly this kind of error, whose text names the needle."""
    try:
        work()
    except Exception as got:
        expect(type(got), error, f"kind of {got}")
        if needle not in str(got):
            raise Failed(f"{got!r} does not name {needle}") from None
        return
    raise Failed(f"no {error.__name__}")


class FlightServer(Server):
    """Listens for Flight, too; with a client of its own."""

    def __init__(self, project: Project, *arguments: str, flight: str = "127.0.0.1:0", ca: str | None = None):
        super().__init__(project, "-v", *ON_LOOPBACK, "--flight", flight, "--log-requests", *arguments)
        self.client = fl.connect(self.flight, tls_root_certs=open(project.path(ca), "rb").read() if ca else None)

    def __exit__(self, *_):
        self.client.close()
        super().__exit__()

    def http(self, path: str, document: dict | None = None):
        status, text = self.send("GET" if document is None else "POST", path, document)
        expect(status, 200, f"status of {path} ({text})")
        return json.loads(text)

    def read(self, command: dict, batches: list[pa.RecordBatch], token: str | None = None) -> list[pa.RecordBatch]:
        """The answer to each batch, all over one stream."""
        writer, reader = self.client.do_exchange(fl.FlightDescriptor.for_command(json.dumps(command)), with_token(token))
        answers = []
        with writer:
            writer.begin(batches[0].schema)
            for batch in batches:
                writer.write_batch(batch)
                answers.append(reader.read_chunk().data)
            writer.done_writing()
        return answers

    def put(self, command: dict, batch: pa.RecordBatch, token: str | None = None) -> dict:
        writer, reader = self.client.do_put(fl.FlightDescriptor.for_command(json.dumps(command)), batch.schema, with_token(token))
        with writer:
            writer.write_batch(batch)
            receipt = reader.read()
            writer.done_writing()
        return json.loads(receipt.to_pybytes()) if receipt else {}

    def await_value(self, user: str, shop: int, feature: str, value) -> None:
        deadline = time.monotonic() + WAIT_S
        while True:
            (answer,) = self.read({"service": "other"}, [keys([(user, shop)])])
            got = answer.column(feature)[0].as_py()
            if got == value:
                return
            if time.monotonic() > deadline:
                raise Failed(f"{feature} of {user} is {got!r}, not {value!r}")
            time.sleep(0.02)


def with_token(token: str | None) -> fl.FlightCallOptions:
    return fl.FlightCallOptions(timeout=60, headers=[(b"authorization", f"Bearer {token}".encode())] if token else [])


def keys(pairs: list[tuple]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"user": user, "shop": shop} for user, shop in pairs], schema=KEYS)


def click(user: str, shop: int, n: int | None, at: str = "2024-03-01T10:00:00+00:00", **more) -> dict:
    return {"user": user, "shop": shop, "at": datetime.fromisoformat(at), "n": n, **more}


def rows(*clicks: dict) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(clicks), schema=SCHEMA)


def as_json(value):
    """A value of Arrow in the form that HTTP gives it."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal) or hasattr(value, "isoformat"):
        return str(value)
    return value


def prepared(icecore: str, folder: str) -> Project:
    project = Project(icecore, folder)
    project.write("icecore.yaml", f"language: 1\nproject: flying\nnow: {NOW}\n")
    project.write("definitions/all.yaml", DEFINITIONS)
    certificate(folder, "server")
    certificate(folder, "another")
    project.write("rows.ndjson", '{"user": "first", "shop": 1, "at": "2024-02-28T10:00:00Z", "n": 1}\n')
    project.must("apply")
    project.must("push", "clicks", "--file", "rows.ndjson")
    project.must("run")
    with FlightServer(project) as server:
        receipt = server.put({"source": "clicks"}, rows(
            click("ann", 1, 3, x=0.1, word="é", day=date(2024, 2, 29), price=decimal.Decimal("12.30"), good=True, raw=b"\x00\xff"),
            click("ann", 2, 7), click("bob", 1, None, at="2024-03-01T09:00:00.125+00:00", x=float("inf"), good=False),
            click("zero", 1, 1000, x=-0.0), click("tiny", 1, 0, x=5e-324), click("third", 1, 1, x=1 / 3),
            click("none", 1, 1, x=float("nan")), click("old", 1, 5, at="2023-01-01T00:00:00+00:00")))
        expect(receipt, {"source": "clicks", "rows": 8, "duplicate": False}, "receipt")
        server.await_value("ann", 2, "n", 7)
        server.await_value("bob", 1, "good", False)
        server.end()
    return project


def values_are_those_of_http(project: Project) -> None:
    pairs = [("ann", 1), ("ann", 2), ("bob", 1), ("zero", 1), ("tiny", 1), ("third", 1), ("none", 1), ("old", 1),
             ("nobody", 9), (None, 1)]
    factors = [2.0, -1.5, 3.0, 0.1, -1.0, 1e300, 1.0, 1.0, 1.0, None]
    asked = {"user": [user for user, _ in pairs], "shop": [shop for _, shop in pairs]}
    with FlightServer(project) as server:
        answer = server.http("/v1/features", {"service": "model", "entities": asked, "request": {"factor": factors}})
        batch = keys(pairs).append_column("factor", pa.array(factors, pa.float64()))
        # In any number of batches; whatever their order, rows stay where they are.
        for cut in ([batch], [batch.slice(0, 1), batch.slice(1)], [batch.slice(i, 1) for i in range(len(pairs))]):
            got = pa.Table.from_batches(server.read({"service": "model", "statuses": True, "event_times": True}, cut))
            expect([name for name in got.column_names if "." not in name], list(answer["features"]), "names")
            for name, expected in answer["features"].items():
                values = [as_json(value) for value in got.column(name).to_pylist()]
                # As texts, which tell -0.0 from 0.0 and an integer from a float.
                expect(json.dumps(values), json.dumps(expected["values"]), name)
                expect(got.column(f"{name}.status").to_pylist(), expected["statuses"], f"{name}.status")
                expect([as_json(value) for value in got.column(f"{name}.event_time").to_pylist()],
                       expected.get("event_times", [None] * len(pairs)), f"{name}.event_time")
        statuses = set(got.column("n.status").to_pylist())
        expect(statuses, {"present", "null", "not_found", "expired"}, "statuses met")
        # The same by a ticket, and in Feast's form.
        ticket = fl.Ticket(json.dumps({"service": "model", "entities": asked, "request": {"factor": factors}}))
        for name, values in server.client.do_get(ticket).read_all().to_pydict().items():
            expect(json.dumps([as_json(value) for value in values]), json.dumps(answer["features"][name]["values"]), f"{name} by DoGet")
        feast = server.http("/get-online-features", {"feature_service": "other", "entities": asked})
        (other,) = server.read({"service": "other"}, [keys(pairs)])
        names = feast["metadata"]["feature_names"]
        for name in ("n", "x", "word", "clicks_3650d"):
            values = [None if isinstance(value, float) and not math.isfinite(value) else value for value in other.column(name).to_pylist()]
            expect(values, feast["results"][names.index(name)]["values"], f"{name} in Feast's form")
        (then,) = server.read({"service": "other", "at": NOW}, [keys([("bob", 1)])])
        expect(then.column("good").to_pylist(), [False], f"at {NOW}")
        server.end()


def services_are_described(project: Project) -> None:
    with FlightServer(project) as server:
        listed = {info.descriptor.path[0]: info for info in server.client.list_flights()}
        expect(sorted(listed), [b"model", b"other"], "services")
        http = {one["name"]: one for one in server.http("/v1/services")["services"]}
        expect(json.loads(listed[b"model"].app_metadata), http["model"], "description")
        expect(listed[b"model"].schema.names, [one["name"] for one in http["model"]["features"]], "features")
        request = server.client.get_schema(fl.FlightDescriptor.for_path("model", "request")).schema
        expect(request, KEYS.append(pa.field("factor", pa.float64())), "schema of the request")
        info = server.client.get_flight_info(fl.FlightDescriptor.for_path("other"))
        (answer,) = server.read({"service": "other"}, [keys([("ann", 1)])])
        expect(answer.schema, info.schema, "schema of the answer")
        server.end()


def types_fit_without_loss(project: Project) -> None:
    with FlightServer(project) as server:
        narrow = pa.record_batch({"shop": pa.array([1], pa.int8()), "user": pa.array(["ann"], pa.dictionary(pa.int8(), pa.string()))})
        (answer,) = server.read({"service": "other"}, [narrow])
        expect(answer.column("n").to_pylist(), [3], "narrower types, in another order")
        for batch, needle in [
                (pa.record_batch({"user": ["ann"]}), "'shop': is missing"),
                (pa.record_batch({"user": ["ann"], "shop": ["1"]}), "'shop': is string; expected int64"),
                (pa.record_batch({"user": ["ann"], "shop": pa.array([2**63], pa.uint64())}), "'shop': a value is no int64"),
                (pa.record_batch({"user": ["ann"], "shop": [1], "sho": [1]}), "'sho': the service has no such column"),
                (keys([("ann", 1)] * 10_001), "at most 10000")]:
            refused(pa.ArrowInvalid, needle, lambda: server.read({"service": "other"}, [batch]))
        for command, error, needle in [
                ({"service": "othr"}, pa.ArrowKeyError, "did you mean 'other'"),
                ({"service": "other", "statusses": True}, pa.ArrowInvalid, "statuses"),
                ({"service": "other", "entities": {"user": "ann"}}, pa.ArrowInvalid, "entities"),
                ({}, pa.ArrowInvalid, "service")]:
            refused(error, needle, lambda: server.read(command, [keys([("ann", 1)])]))
        server.end()


def pushes_are_taken_once(project: Project) -> None:
    with FlightServer(project) as server:
        receipts = [server.put({"source": "clicks", "idempotency_key": "once"}, rows(click("cid", 1, 11))) for _ in range(2)]
        expect([one["duplicate"] for one in receipts], [False, True], "duplicates")
        # One stream of several batches, each with its own key.
        writer, reader = server.client.do_put(fl.FlightDescriptor.for_path("clicks"), SCHEMA)
        with writer:
            for i in range(3):
                writer.write_with_metadata(rows(click("dan", 1, i, at=f"2024-03-01T10:00:0{i}+00:00")), f"dan-{i % 2}".encode())
                expect(json.loads(reader.read().to_pybytes())["duplicate"], i == 2, f"batch {i}")
            writer.done_writing()
        # 5000 breaks the contract: it goes to quarantine, as it does over HTTP.
        server.put({"source": "clicks"}, rows(click("eve", 1, 5000), click("eve", 2, 12)))
        server.put({"view": "seen"}, rows(click("fay", 1, 13)))  # by the one source that feeds it
        for user, shop, n in [("cid", 1, 11), ("dan", 1, 1), ("eve", 2, 12), ("fay", 1, 13)]:
            server.await_value(user, shop, "n", n)
        answer = server.http("/v1/features", {"service": "other", "entities": {"user": ["dan", "cid"], "shop": 1}})
        expect(answer["features"]["clicks_3650d"]["values"], [2, 1], "rows counted over HTTP")
        for command, batch, error, needle in [
                ({"source": "clocks"}, rows(click("x", 1, 1)), pa.ArrowKeyError, "clicks"),
                ({"view": "sehn"}, rows(click("x", 1, 1)), pa.ArrowKeyError, "seen"),
                ({"source": "clicks", "idempotency": "1"}, rows(click("x", 1, 1)), pa.ArrowInvalid, "idempotency_key"),
                ({"source": "clicks"}, pa.record_batch({"at": pa.array([0], pa.timestamp("us"))}), pa.ArrowInvalid, "without a zone"),
                ({"source": "clicks"}, rows(*[click("x", 1, 1)] * 10_001), pa.ArrowInvalid, "at most 10000")]:
            refused(error, needle, lambda: server.put(command, batch))
        server.end()
    project.must("run")  # rows are servable before
    expect(project.value("""select count(*) from landing.clicks where "user" in ('cid', 'dan', 'eve', 'fay')"""), 5, "rows in the lake")
    expect(project.value("select count(*) from quarantine.clicks"), 1, "rows in quarantine")


def a_kill_loses_no_receipt(project: Project) -> None:
    """What had a receipt when the server was killed is served and in the lake, once; its key is known."""
    before = project.value("""select count(*) from landing.clicks""")
    with FlightServer(project) as server:
        for i in range(20):
            server.put({"source": "clicks", "idempotency_key": f"kill-{i}"}, rows(click(f"kill-{i}", 1, i)))
        server.process.kill()
    with FlightServer(project) as server:
        again = [server.put({"source": "clicks", "idempotency_key": f"kill-{i}"}, rows(click(f"kill-{i}", 1, i))) for i in range(20)]
        expect({one["duplicate"] for one in again}, {True}, "keys known after a kill")
        for i in range(20):
            server.await_value(f"kill-{i}", 1, "clicks_3650d", 1)
        server.end()
    project.must("run")
    expect(project.value("""select count(*) from landing.clicks""") - before, 20, "rows in the lake")


def the_documents_example_runs(project: Project) -> None:
    """The example of docs/flight.md, as it stands there."""
    page = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(HERE))), "docs", "flight.md")
    with open(page, encoding="utf-8") as file:
        code = re.search(r"```python\n(.*?)```", file.read(), re.DOTALL).group(1)
    with FlightServer(project) as server:
        done = subprocess.run([sys.executable, "-c", code.replace("grpc://127.0.0.1:8815", server.flight)], capture_output=True, text=True)
        expect(done.returncode, 0, f"exit code ({done.stderr})")
        for line in ("{'source': 'clicks', 'rows': 2, 'duplicate': False}", "'n.status': ['present', 'not_found']"):
            if line not in done.stdout:
                raise Failed(f"the example prints {done.stdout}, not {line}")
        server.end()


def listens_under_the_rules_of_http(project: Project) -> None:
    for arguments, codes, needles in [
            (("--flight", "0.0.0.0:0"), (1, 2), ("--tls-cert", "token new", "0.0.0.0")),
            (("--flight", "0.0.0.0:0", "--tls-cert", "server.crt", "--tls-key", "server.key"), (1, 2), ("token new",)),
            (("--flight", "nowhere"), (2,), ("--flight takes ADDRESS:PORT",))]:
        ended = project.call("serve", *ON_LOOPBACK, *arguments)
        expect(ended.code in codes, True, f"exit code of {arguments}: {ended.code} {ended.says}")
        for needle in needles:
            if needle not in ended.err:
                raise Failed(f"serve {arguments} does not name {needle}: {ended.err}")
    with FlightServer(project) as server:
        port = server.flight.rpartition(":")[2]
        ended = project.call("serve", *ON_LOOPBACK, "--flight", f"127.0.0.1:{port}")
        expect((ended.code, port in ended.err), (1, True), f"a taken port: {ended.says}")
        server.end()
    with FlightServer(project, "--insecure", flight="0.0.0.0:0") as server:
        (answer,) = server.read({"service": "other"}, [keys([("ann", 1)])])
        expect(answer.column("n").to_pylist(), [3], "insecure, as it was said")
        server.end()


def tls_and_tokens(project: Project) -> None:
    tokens = {scope: project.must("token", "new", "--scope", scope).strip() for scope in ("read:other", "push:clicks", "metrics")}
    reader, pusher = tokens["read:other"], tokens["push:clicks"]
    with FlightServer(project, "--tls-cert", "server.crt", "--tls-key", "server.key", flight="0.0.0.0:0", ca="server.crt") as server:
        expect(server.flight.split(":")[0], "grpc+tls", "scheme")

        def read(token: str | None, service: str = "other"):
            return server.read({"service": service}, [keys([("ann", 1)])], token)[0].column("n").to_pylist()
        expect(read(reader), [3], "values with a token")
        refused(fl.FlightUnauthenticatedError, "token", lambda: read(None))
        refused(fl.FlightUnauthenticatedError, "token", lambda: read(reader[:-1] + "x"))
        refused(fl.FlightUnauthorizedError, "read:model", lambda: read(reader, "model"))
        refused(fl.FlightUnauthorizedError, "read:other", lambda: read(pusher))
        expect(server.put({"source": "clicks", "idempotency_key": "tls"}, rows(click("ann", 2, 7)), pusher)["rows"], 1, "pushed")
        refused(fl.FlightUnauthorizedError, "push", lambda: server.put({"source": "clicks"}, rows(click("ann", 2, 7)), reader))
        seen = [info.descriptor.path for info in server.client.list_flights(options=with_token(reader))]
        expect(seen, [[b"other"]], "services that the token may read")
        for roots in (open(project.path("another.crt"), "rb").read(), None):
            stranger = fl.connect(server.flight, tls_root_certs=roots)
            refused(fl.FlightUnavailableError, "", lambda: list(stranger.list_flights(options=with_token(reader))))
            stranger.close()
        metrics = subprocess.run(["curl", "-s", "--cacert", project.path("server.crt"), "-H",
                                  f"Authorization: Bearer {tokens['metrics']}", f"https://127.0.0.1:{server.port}/metrics"],
                                 capture_output=True, text=True, check=True).stdout
        for line in ('icecore_flight_calls_total{method="DoExchange",status="ok"} 1',
                     'icecore_flight_calls_total{method="DoExchange",status="unauthenticated"} 2',
                     'icecore_flight_batch_duration_seconds_count{method="DoExchange"} 1',
                     'icecore_feature_rows_total{service="other"} 1', 'icecore_pushed_rows_total{source="clicks"} 1'):
            if line not in metrics:
                raise Failed(f"/metrics lacks {line}")
        # Revoked while a stream is open.
        writer, answers = server.client.do_exchange(fl.FlightDescriptor.for_path("other"), with_token(reader))
        writer.begin(KEYS)
        writer.write_batch(keys([("ann", 1)]))
        answers.read_chunk()
        project.must("token", "revoke", re.match(r"ice_([0-9a-f]{8})_", reader).group(1))

        def until_refused():
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                writer.write_batch(keys([("ann", 1)]))
                answers.read_chunk()
        refused(fl.FlightUnauthenticatedError, "token", until_refused)
        says = server.end()
    for secret in (reader, pusher, reader[13:], pusher[13:]):
        if secret in says:
            raise Failed("a token's text is in the log")
    logged = [json.loads(line) for line in says.splitlines() if line.startswith("{")]
    exchanges = [line for line in logged if line.get("path") == "DoExchange"]
    expect({line["method"] for line in exchanges}, {"FLIGHT"}, "method in the log")
    expect(exchanges[0]["service"], "other", "service in the log")


def certificates_change_while_it_serves(project: Project) -> None:
    """A pair that is replaced counts for new connections, a stream that was open is answered on; one that does not fit changes nothing."""

    def put(name: str, kind: str) -> None:
        with open(project.path(f"{name}.{kind}"), "rb") as file:
            project.write(f"renewed.{kind}.new", file.read())
        os.replace(project.path(f"renewed.{kind}.new"), project.path(f"renewed.{kind}"))

    def trusts(server: FlightServer, name: str) -> bool:
        with open(project.path(f"{name}.crt"), "rb") as file:
            client = fl.connect(server.flight, tls_root_certs=file.read())
        try:
            return bool(list(client.list_flights(options=with_token(reader))))
        except fl.FlightUnavailableError:
            return False
        finally:
            client.close()

    def await_trust(server: FlightServer, name: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not trusts(server, name):
            if time.monotonic() > deadline:
                raise Failed(f"no connection has the certificate {name}")
            time.sleep(0.2)

    reader = project.must("token", "new", "--scope", "read").strip()
    put("server", "crt")
    put("server", "key")
    with FlightServer(project, "--tls-cert", "renewed.crt", "--tls-key", "renewed.key", ca="server.crt") as server:
        writer, answers = server.client.do_exchange(fl.FlightDescriptor.for_path("other"), with_token(reader))
        writer.begin(KEYS)

        def ask() -> None:
            writer.write_batch(keys([("ann", 1)]))
            expect(answers.read_chunk().data.column("n").to_pylist(), [3], "values")
        ask()
        put("another", "crt")
        put("another", "key")
        await_trust(server, "another")
        ask()  # on the connection that it had
        expect(trusts(server, "server"), False, "the old certificate is shown")
        put("server", "crt")  # and not its key
        server.process.send_signal(signal.SIGHUP)
        for _ in range(20):
            expect(trusts(server, "another"), True, "the pair before is shown while the new one does not fit")
            time.sleep(0.1)
        put("server", "key")
        await_trust(server, "server")
        says = server.end()
    if "renewed.key" not in says:
        raise Failed(f"nothing says that the key does not fit: {says!r}")


def drains(project: Project) -> None:
    """What is under way when SIGTERM comes is answered; idle streams do not hold it up."""
    with FlightServer(project) as server:
        writer, reader = server.client.do_exchange(fl.FlightDescriptor.for_path("other"))
        writer.begin(KEYS)
        writer.write_batch(keys([("ann", 1)]))
        expect(reader.read_chunk().data.num_rows, 1, "rows before the drain")
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        ended = project.end(server.process)
        expect(ended.code, 0, f"exit code ({ended.says})")
        expect(time.monotonic() - begin < 10, True, "an idle stream does not hold it up")
        refused(fl.FlightUnavailableError, "", lambda: list(server.client.list_flights()))


def grpc_is_loaded_when_asked(project: Project) -> None:
    """No other command carries gRPC, and its library binds to nothing of ours but Arrow."""
    def maps(*arguments: str) -> str:
        done = subprocess.run([project.icecore, *arguments], capture_output=True, text=True, env={**os.environ, "LD_DEBUG": "files"})
        return done.stderr
    expect("libarrow_flight" in maps("--version"), False, "libarrow_flight is in `icecore --version`")
    with FlightServer(project) as server:
        with open(f"/proc/{server.process.pid}/maps", encoding="utf-8") as file:
            libraries = {os.path.basename(line.split()[-1]) for line in file if "/" in line}
        expect({"libarrow_flight.so.2600", "libicecore_flight.so"} - libraries, set(), "libraries of a serving process")
        expect(sum(name.startswith("libarrow.so") for name in libraries), 1, "copies of libarrow")
        server.end()


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks `icecore serve --flight` by pyarrow.")
    parser.add_argument("--icecore", required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flight-") as temporary:
        project = prepared(given.icecore, os.path.join(temporary, "project"))
        return count_tests((test.__name__, functools.partial(test, project)) for test in (
            values_are_those_of_http, services_are_described, types_fit_without_loss, pushes_are_taken_once,
            a_kill_loses_no_receipt, the_documents_example_runs, listens_under_the_rules_of_http, drains,
            grpc_is_loaded_when_asked, tls_and_tokens, certificates_change_while_it_serves))


if __name__ == "__main__":
    sys.exit(main())
