"""Real servers that speak S3, and a proxy that breaks what passes through it."""
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time

from proxy import Proxy

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


class S3Proxy(Proxy):
    slow = (503, [("Retry-After", "0")], b"<Error><Code>SlowDown</Code></Error>")
    error = (500, [], b"<Error><Code>InternalError</Code></Error>")

    @staticmethod
    def kind_of(handler) -> str:
        if handler.command == "GET" and "list-type=2" in handler.path:
            return "LIST"
        if "uploadId=" in handler.path or "?uploads" in handler.path:
            return "MULTIPART"
        if handler.command == "PUT" and handler.headers.get("if-none-match"):
            return "PUT-IF-ABSENT"
        return handler.command
