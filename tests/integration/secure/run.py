#!/usr/bin/env python3
"""`icecore serve` beyond loopback: TLS and tokens as curl sees them, and that its OpenSSL is the system's.

    run.py --icecore BINARY

Last line: `N passed, N failed`.
"""
import argparse
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]
from project import Failed, Project  # noqa: E402
from served import Server as AnyServer, certificate, expect  # noqa: E402

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
entity: user
keys: [{name: user_id, type: int64}]
---
feature_view: seen
entity: user
from: processing.events
event_time: happened_at
online: true
features: [x]
---
feature_service: model
features: [seen]
---
feature_service: other
features: [seen]
"""
BODY = '{"service": "%s", "entities": {"user_id": 1}}'


class Server(AnyServer):
    def __init__(self, project: Project, *arguments: str):
        super().__init__(project, *arguments)
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"

    def curl(self, path: str, *arguments: str, ca: str | None = "server.crt") -> tuple[int, int, str]:
        """curl's exit code, the status, the body."""
        trust = ["--cacert", self.project.path(ca)] if ca else []
        done = subprocess.run(["curl", "--silent", "--max-time", "30", "--write-out", "\n%{http_code}", *trust, *arguments,
                               self.url + path], capture_output=True, text=True)
        body, _, status = done.stdout.rpartition("\n")
        return done.returncode, int(status), body

    def features(self, token: str | None, service: str = "model", *arguments: str) -> tuple[int, dict]:
        header = ["-H", f"Authorization: Bearer {token}"] if token else []
        code, status, body = self.curl("/v1/features", "-d", BODY % service, *header, *arguments)
        expect(code, 0, "curl's exit code")
        return status, json.loads(body)


def prepared(icecore: str, folder: str) -> Project:
    project = Project(icecore, folder)
    project.write("icecore.yaml", "language: 1\nproject: secure\nnow: 2024-03-01T00:00:00Z\n")
    project.write("definitions/all.yaml", DEFINITIONS)
    project.write("data/1.csv", "user_id,happened_at,x\n1,2024-02-01T00:00:00Z,1.5\n")
    certificate(folder, "server")
    certificate(folder, "another")
    project.must("apply")
    project.must("run")
    return project


def refuses_to_listen_openly(project: Project) -> None:
    for arguments, needles in [((), ("--tls-cert", "token new")),
                               (("--tls-cert", "server.crt", "--tls-key", "server.key"), ("token new",)),
                               (("--tls-cert", "server.crt"), ("--tls-key",)),
                               (("--tls-cert", "server.crt", "--tls-key", "another.key"), ("another.key",)),
                               (("--tls-cert", "nothing.crt", "--tls-key", "server.key"), ("nothing.crt",))]:
        ended = project.call("serve", "--http", "0.0.0.0:0", *arguments)
        expect(ended.code in (1, 2), True, f"exit code of {arguments}: {ended.code}")
        for needle in needles:
            if needle not in ended.err:
                raise Failed(f"serve {arguments} does not name {needle}: {ended.err}")


def insecure_is_said(project: Project) -> None:
    with Server(project, "--http", "0.0.0.0:0", "--insecure") as server:
        status, _ = server.features(None)
        expect(status, 200, "status")
        says = server.end()
        if "insecure" not in says:
            raise Failed(f"nothing warns of --insecure: {says!r}")


def token(project: Project, *arguments: str) -> str:
    return project.must("token", "new", *arguments).strip()


def tls_and_tokens(project: Project) -> None:
    model, pusher = token(project, "--scope", "read:model", "--label", "the model"), token(project, "--scope", "push")
    with open(project.path(".icecore/tokens"), encoding="utf-8") as file:
        kept = file.read()
    with Server(project, "-v", "--http", "0.0.0.0:0", "--tls-cert", "server.crt", "--tls-key", "server.key") as server:
        expect(server.url.split(":")[0], "https", "scheme")
        status, answer = server.features(model)
        expect(status, 200, f"status with a token: {answer}")
        expect(answer["features"]["x"]["values"], [1.5], "values")
        for one, service, status, scope in [(None, "model", 401, "read"), (model[:-1] + "x", "model", 401, "read"),
                                            (model, "other", 403, "read:other"), (pusher, "model", 403, "read:model")]:
            got, answer = server.features(one, service)
            expect((got, answer["error"]["scope"]), (status, scope), f"{service} with {one}")
        # Two requests over one connection, and the old versions of TLS.
        code, status, _ = server.curl("/healthz", server.url + "/healthz")
        expect((code, status), (0, 200), "kept connection")
        for arguments in [("--tls-max", "1.1"), ("--tlsv1.3",)]:
            code, _, _ = server.curl("/healthz", *arguments)
            expect(code == 0, "--tlsv1.3" in arguments, f"curl {arguments}")
        code, _, _ = server.curl("/healthz", ca="another.crt")
        expect(code, 60, "curl's exit code for a certificate it does not trust")
        code, _, _ = server.curl("/healthz", ca=None)
        expect(code, 60, "curl's exit code without trust")
        # Revoked while it runs.
        identity = re.match(r"ice_([0-9a-f]{8})_", model).group(1)
        project.must("token", "revoke", identity)
        deadline = time.monotonic() + 20
        while status != 401 and time.monotonic() < deadline:
            status, _ = server.features(model)
        expect(status, 401, "status with a revoked token")
        says = server.end()
    for secret in (model, pusher, model[13:], pusher[13:]):
        if secret in says or secret in kept or secret in project.must("token", "list", "--json"):
            raise Failed("a token's text is in a log, in the file, or in a list")


RECORD_BYTES = 16 << 10  # the most that a record of TLS holds


def pipelined(port: int, trust: ssl.SSLContext, requests: list[bytes]) -> list[bytes]:
    """The answers' bodies, to requests that one connection sends in one piece."""
    bodies = []
    with trust.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=60), server_hostname="127.0.0.1") as stream:
        stream.sendall(b"".join(requests))
        reader = stream.makefile("rb")
        for _ in requests:
            status = reader.readline().split()
            expect(status[1:2], [b"200"], f"status of answer {len(bodies)}: {status}")
            length = 0
            while (line := reader.readline().strip()):
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            bodies.append(reader.read(length))
            expect(len(bodies[-1]), length, "bytes of an answer")
    return bodies


def answers_of_many_records(project: Project) -> None:
    """Answers longer than a record of TLS come whole, alone, on a kept connection and pipelined: as through plain HTTP."""
    one = token(project, "--scope", "read,metrics")
    header = ("-H", f"Authorization: Bearer {one}")
    bodies = [json.dumps({"service": "model", "entities": {"user_id": [n % 3 for n in range(rows)]}}) for rows in (4000, 1, 600)]
    asked = [("/openapi.json", ()), *[("/v1/features", ("-d", body)) for body in bodies]]
    with Server(project, "--http", "127.0.0.1:0") as server:
        plain = [server.curl(path, *header, *data) for path, data in asked]
        server.end()
    for code, status, text in plain:
        expect((code, status), (0, 200), "curl's exit code and the status without TLS")
    sizes = [len(text) for _, _, text in plain]
    expect([sizes[1] > RECORD_BYTES, sizes[3] > RECORD_BYTES], [True, True], f"more than a record: {sizes}")
    with Server(project, "--http", "127.0.0.1:0", "--tls-cert", "server.crt", "--tls-key", "server.key") as server:
        for version in (("--tls-max", "1.2"), ("--tlsv1.3",)):
            for (path, data), wanted in zip(asked, plain):
                expect(server.curl(path, *header, *data, *version), wanted, f"{path} by {version}")
        for path in ("/v1/services", "/readyz", "/health", "/nothing"):  # each has series of its own from then on
            server.curl(path, *header)
        code, status, text = server.curl("/metrics", *header)
        expect((code, status, text.endswith("\n")), (0, 200, True), "curl's exit code and the status of /metrics")
        expect(len(text) > RECORD_BYTES, True, f"/metrics has more than a record: {len(text)} bytes")
        # One connection, request after request.
        files = [project.path(f"kept-{i}") for i in range(4)]
        kept = subprocess.run(["curl", "--silent", "--max-time", "60", "--cacert", project.path("server.crt"), *header,
                               "--write-out", "%{num_connects} %{http_code}\n",
                               *[part for file in files for part in ("-o", file)],
                               *[server.url + path for path in ("/openapi.json", "/metrics") * 2]],
                              capture_output=True, text=True)
        expect((kept.returncode, kept.stdout), (0, "1 200\n0 200\n0 200\n0 200\n"), "exit code, new connections and statuses")
        for file, wanted in ((files[0], plain[0][2]), (files[2], plain[0][2])):
            with open(file, encoding="utf-8") as read:
                expect(read.read(), wanted, "/openapi.json on a kept connection")
        trust = ssl.create_default_context(cafile=project.path("server.crt"))
        head = f"Host: 127.0.0.1\r\nAuthorization: Bearer {one}\r\n"
        requests = [f"GET /openapi.json HTTP/1.1\r\n{head}\r\n",
                    *[f"POST /v1/features HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}" for body in bodies]]
        got = pipelined(server.port, trust, [request.encode() for request in requests * 3])
        expect([body.decode() for body in got], [text for _, _, text in plain] * 3, "pipelined answers")
        server.end()


def plain_bytes_on_tls(project: Project) -> None:
    """Plain bytes to a TLS port end the connection; the next client is served."""
    one = token(project, "--scope", "read")
    with Server(project, "--http", "127.0.0.1:0", "--tls-cert", "server.crt", "--tls-key", "server.key") as server:
        plain = subprocess.run(["curl", "--silent", "--max-time", "30", server.url.replace("https", "http") + "/healthz"],
                               capture_output=True)
        expect(plain.returncode != 0, True, "curl over plain HTTP fails")
        expect(server.features(one)[0], 200, "status")
        server.end()


def certificates_change_while_it_serves(project: Project) -> None:
    """Certificate and key are replaced one after the other, as renewals do it: every request is answered, those on a kept
    connection too, and soon new connections get the new certificate. A pair that does not fit changes nothing."""

    def put(name: str, kind: str) -> None:
        with open(project.path(f"{name}.{kind}"), "rb") as file:
            project.write(f"renewed.{kind}.new", file.read())
        os.replace(project.path(f"renewed.{kind}.new"), project.path(f"renewed.{kind}"))

    def ask(connection: http.client.HTTPSConnection) -> None:
        connection.request("POST", "/v1/features", BODY % "model", {"Authorization": f"Bearer {one}"})
        answer = connection.getresponse()
        expect((answer.status, bool(answer.read())), (200, True), "status")

    def await_trust(server: Server, name: str) -> None:
        deadline = time.monotonic() + 30
        while (code := server.curl("/healthz", ca=f"{name}.crt")[0]) != 0:
            if time.monotonic() > deadline:
                raise Failed(f"no connection has the certificate {name}: curl's exit code {code}")

    def clients(port: int) -> None:
        while not stop.is_set():
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=trust)
            try:
                ask(connection)
            except Exception as error:
                wrong.append(f"{type(error).__name__}: {error}")
            finally:
                connection.close()
            answered.append(1)

    one = token(project, "--scope", "read")
    put("server", "crt")
    put("server", "key")
    trust = ssl.create_default_context(cafile=project.path("server.crt"))
    trust.load_verify_locations(project.path("another.crt"))
    stop, wrong, answered = threading.Event(), [], []
    with Server(project, "--http", "127.0.0.1:0", "--tls-cert", "renewed.crt", "--tls-key", "renewed.key") as server:
        port = int(server.url.rsplit(":", 1)[1])
        kept = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=trust)
        ask(kept)
        thread = threading.Thread(target=clients, args=(port,))
        thread.start()
        try:
            put("another", "crt")
            put("another", "key")
            await_trust(server, "another")
            expect(server.curl("/healthz", ca="server.crt")[0], 60, "curl's exit code with trust in the old one")
            ask(kept)
            put("server", "crt")  # and not its key
            server.process.send_signal(signal.SIGHUP)
            answers = len(answered)
            deadline = time.monotonic() + 60
            while len(answered) < answers + 20 and time.monotonic() < deadline:
                time.sleep(0.05)
            expect(server.curl("/healthz", ca="another.crt")[0], 0, "curl's exit code while the pair does not fit")
            put("server", "key")
            await_trust(server, "server")
            ask(kept)
        finally:
            stop.set()
            thread.join()
            kept.close()
        says = server.end()
    expect(wrong[:3], [], f"requests that failed, of {len(answered)}")
    if "renewed.key" not in says:
        raise Failed(f"nothing says that the key does not fit: {says!r}")


def settings_of_the_project(project: Project) -> None:
    project.write("icecore.yaml", "language: 1\nproject: secure\nnow: 2024-03-01T00:00:00Z\nserve:\n  http: 127.0.0.1:0\n"
                                  "  tls_cert: server.crt\n  tls_key: server.key\n  tokens: serving-tokens\n")
    one = token(project, "--scope", "read,metrics", "--expires", "1d")
    expect(os.stat(project.path("serving-tokens")).st_mode & 0o777, 0o600, "mode of the file of tokens")
    with Server(project) as server:
        expect(server.features(one)[0], 200, "status")
        code, status, _ = server.curl("/metrics", "-H", f"Authorization: Bearer {one}")
        expect((code, status), (0, 200), "metrics")
        server.end()


def openssl_is_the_systems(project: Project) -> None:
    """libparquet exports an OpenSSL of its own; nothing of ours may end up there."""
    done = subprocess.run([project.icecore, "--version"], capture_output=True, text=True,
                          env={**os.environ, "LD_BIND_NOW": "1", "LD_DEBUG": "bindings"})
    wrong, right = [], 0
    for line in done.stderr.splitlines():
        found = re.search(r"binding file (\S+) \[\d+\] to (\S+) \[\d+\]: normal symbol `(SSL_|TLS_|EVP_|X509_|BIO_|ERR_|PEM_)", line)
        if not found or os.path.basename(found.group(1)) not in (os.path.basename(project.icecore), "libcurl.so.4"):
            continue
        if re.match(r"lib(ssl|crypto)\.so", os.path.basename(found.group(2))):
            right += 1
        else:
            wrong.append(line)
    expect((len(wrong), wrong[:2]), (0, []), "bindings that go elsewhere")
    expect(right > 20, True, f"bindings to the system's OpenSSL: {right}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Asks `icecore serve` over TLS.")
    parser.add_argument("--icecore", required=True)
    given = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="secure-") as temporary:
        project = prepared(given.icecore, os.path.join(temporary, "project"))
        for test in (refuses_to_listen_openly, insecure_is_said, tls_and_tokens, answers_of_many_records, plain_bytes_on_tls,
                     certificates_change_while_it_serves, settings_of_the_project, openssl_is_the_systems):
            try:
                test(project)
                passed += 1
            except Exception as error:  # a test that could not run has failed
                failed += 1
                print(f"FAIL {test.__name__}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
