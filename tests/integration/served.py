"""`icecore serve` over a project, for the runners of this folder."""
import http.client
import json
import os
import re
import select
import signal
import subprocess
import time

from project import Failed, Project

ON_LOOPBACK = ("--http", "127.0.0.1:0")  # a free port
SAYS_WITHIN_S = 60


def expect(got, expected, what: str) -> None:
    if got != expected:
        raise Failed(f"{what}: got {got!r}, expected {expected!r}")


def certificate(folder: str, name: str) -> None:
    """A certificate of its own for 127.0.0.1, valid for a day."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.crt", "-days", "1",
                    "-subj", "/CN=icecore test", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
                   check=True, capture_output=True)


class Server:
    """Listens once it is made; a block that ends kills one that still runs."""

    def __init__(self, project: Project, *arguments: str):
        self.project = project
        self.process = project.start("serve", *arguments)
        line = self.process.stdout.readline().decode()
        found = re.search(r"(https?)://\S+:(\d+)", line)
        if not found:
            self.process.kill()
            raise Failed(f"serve did not start: {line!r} {project.end(self.process).says}")
        self.scheme, self.port = found.group(1), int(found.group(2))
        self.flight = self.flight_address() if "--flight" in arguments else None
        self.said = ""  # of its stderr, as far as await_says has read it

    def flight_address(self) -> str:
        """Where it answers Arrow Flight on this machine, as its second line says."""
        line = self.process.stdout.readline().decode()
        found = re.search(r"(grpc\+(?:tcp|tls)://).+:(\d+)", line)
        if not found:
            self.process.kill()
            raise Failed(f"serve does not name Flight's address: {line!r} {self.project.end(self.process).says}")
        return f"{found.group(1)}127.0.0.1:{found.group(2)}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def send(self, method: str, path: str, document=None, headers: dict | None = None) -> tuple[int, str]:
        """On a connection of its own; status and text. Bytes go as they are."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = document if document is None or isinstance(document, bytes) else json.dumps(document)
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def await_says(self, words: str) -> None:
        """Until its stderr has them, in what was not read before."""
        begin, deadline = len(self.said), time.monotonic() + SAYS_WITHIN_S
        while words not in self.said[begin:]:
            if not select.select([self.process.stderr], [], [], max(deadline - time.monotonic(), 0))[0]:
                raise Failed(f"serve does not say {words!r}: {self.said}")
            read = os.read(self.process.stderr.fileno(), 1 << 16)
            if not read:
                raise Failed(f"serve ended and did not say {words!r}: {self.said}")
            self.said += read.decode("utf-8", "replace")

    def end(self) -> str:
        """What it said until SIGTERM had ended it well."""
        self.process.send_signal(signal.SIGTERM)
        ended = self.project.end(self.process)
        expect(ended.code, 0, f"exit code after SIGTERM ({ended.says})")
        return self.said + ended.says


def count_tests(tests) -> int:
    """Calls each; prints what failed and the closing line. The runner's exit code."""
    passed = failed = 0
    for name, test in tests:
        try:
            test()
            passed += 1
        except Exception as error:  # a test that could not run has failed
            failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
