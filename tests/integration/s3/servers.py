"""Real servers that speak S3, and a proxy that breaks what passes through it."""
import http.client
import os
import random
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
BUCKET = "lake"
KEYS = {"AWS_ACCESS_KEY_ID": "icecore-test", "AWS_SECRET_ACCESS_KEY": "a-secret-that-must-not-be-seen"}


class Missing(Exception):
    """A server that is not installed here."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """A server on a loopback port of its own; `stop` and `start` keep the port."""
    name = ""
    untrue = "none"  # the test of the contract that the server itself cannot pass

    def __init__(self, folder: str):
        self.folder, self.port, self.process = os.path.join(folder, self.name), free_port(), None
        os.makedirs(self.folder, exist_ok=True)
        self.start()
        self.make_bucket()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        raise NotImplementedError

    def make_bucket(self) -> None:
        raise NotImplementedError

    def start(self) -> None:
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder,
                                            env={**os.environ, "ROOT_ACCESS_KEY": KEYS["AWS_ACCESS_KEY_ID"],
                                                 "ROOT_SECRET_KEY": KEYS["AWS_SECRET_ACCESS_KEY"]})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/")
                connection.getresponse().read()
                return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        self.stop()
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
            raise RuntimeError(f"{self.name} does not answer:\n{log.read()[-2000:]}")

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Moto(Server):
    name = "moto"
    untrue = "WhatWritersNeverEnded"  # moto's multi-part uploads all began in 2010

    def command(self) -> list[str]:
        binary = os.path.join(ROOT, ".deps", "s3", "venv", "bin", "moto_server")
        if not os.path.exists(binary):
            raise Missing("moto is not installed: ./dev test integration installs it")
        return [binary, "-H", "127.0.0.1", "-p", str(self.port)]

    def make_bucket(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("PUT", f"/{BUCKET}")
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"moto: no bucket: {answer.status} {answer.read()[:200]!r}")


class Versity(Server):
    name = "versitygw"

    def command(self) -> list[str]:
        binary = os.path.join(ROOT, ".deps", "s3", "bin", "versitygw")
        if not os.path.exists(binary):
            raise Missing("versitygw is not installed: ./dev test integration installs it")
        os.makedirs(os.path.join(self.folder, "data", BUCKET), exist_ok=True)
        return [binary, "--port", f"127.0.0.1:{self.port}", "posix", os.path.join(self.folder, "data")]

    def make_bucket(self) -> None:
        pass  # a folder is a bucket


def certificate(folder: str) -> tuple[str, str]:
    """A self-signed one for 127.0.0.1: (certificate, key)."""
    if shutil.which("openssl") is None:
        raise Missing("openssl is not installed")
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return cert, key


class Proxy:
    """Passes requests on to a server, counts them by kind, and breaks those that the plan says.

    A plan is a function of (number, kind) that gives None or one of: "reset" (not passed on), "lost" (passed on, the
    answer cut off), "slow" (503 SlowDown, not passed on), "error" (passed on, answered with 500), "late" (passed on
    half a second late).
    """

    def __init__(self, port: int, tls: tuple[str, str] | None = None):
        self.target, self.plan, self.lock = port, lambda number, kind: None, threading.Lock()
        self.counts: dict[str, int] = {}
        self.number, self.faults = 0, 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize, disable_nagle_algorithm = 1 << 16, True  # one packet an answer, sent at once

            def handle_any(self):
                proxy.handle(self)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

            def log_message(self, *arguments):
                pass

        class Listener(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request, address):
                pass  # clients that go away

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
            self.scheme = "https"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server.server_address[1]}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def take_counts(self) -> dict[str, int]:
        with self.lock:
            counts, self.counts = self.counts, {}
            return counts

    @staticmethod
    def kind_of(handler: BaseHTTPRequestHandler) -> str:
        if handler.command == "GET" and "list-type=2" in handler.path:
            return "LIST"
        if "uploadId=" in handler.path or "?uploads" in handler.path:
            return "MULTIPART"
        if handler.command == "PUT" and handler.headers.get("if-none-match"):
            return "PUT-IF-ABSENT"
        return handler.command

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        kind = self.kind_of(handler)
        with self.lock:
            self.number += 1
            self.counts[kind] = self.counts.get(kind, 0) + 1
            fault = self.plan(self.number, kind)
            self.faults += fault is not None
        if fault == "reset":
            return self.cut(handler)
        if fault == "slow":
            return self.answer(handler, 503, [("Retry-After", "0")], b"<Error><Code>SlowDown</Code></Error>")
        if fault == "late":
            time.sleep(0.5)
        status, headers, content = self.forward(handler, body)
        if fault == "lost" or status is None:
            return self.cut(handler)
        if fault == "error":
            return self.answer(handler, 500, [], b"<Error><Code>InternalError</Code></Error>")
        return self.answer(handler, status, headers, content)

    def forward(self, handler, body):
        # As it came: the Host header and the path are signed.
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                if name.lower() != "connection":
                    connection.putheader(name, value)
            connection.putheader("Connection", "close")
            connection.endheaders(body)
            answer = connection.getresponse()
            skipped = {"transfer-encoding", "connection"} | (set() if handler.command == "HEAD" else {"content-length"})
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in skipped]
            return answer.status, headers, answer.read()
        except (OSError, http.client.HTTPException):
            return None, None, None
        finally:
            connection.close()

    @staticmethod
    def answer(handler, status, headers, content):
        handler.send_response_only(status)
        for name, value in headers:
            handler.send_header(name, value)
        if handler.command != "HEAD":
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)

    @staticmethod
    def cut(handler):
        """As a machine that goes down: RST, not an orderly end."""
        handler.close_connection = True
        try:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
        except OSError:
            pass


def random_faults(seed: str, share: float):
    chance = random.Random(seed)

    def plan(number: int, kind: str):
        if chance.random() >= share:
            return None
        return chance.choice(["reset", "lost", "slow", "error", "late"])
    return plan
