"""A proxy that breaks what passes through it, for the runners of this folder."""
import http.client
import random
import socket
import ssl
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    """Passes requests on to a server, counts them by kind, and breaks those that the plan says.

    A plan is a function of (number, kind) that gives None or one of: "reset" (not passed on), "lost" (passed on, the
    answer cut off), "slow" (not passed on, answered with `slow`), "error" (passed on, answered with `error`), "late"
    (passed on half a second late), or what a subclass changes requests and answers by.
    """
    slow = (503, [], b"")
    error = (500, [], b"")

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
        return handler.command

    def is_refused(self, kind: str, fault: str | None) -> bool:
        """Whether changed_answer answers in the place of the server."""
        return False

    def changed_request(self, kind: str, fault: str | None, body: bytes) -> bytes:
        """What is passed on in the place of the request."""
        return body

    def changed_answer(self, kind: str, fault: str | None, body: bytes, answer: tuple) -> tuple:
        """(status, headers, content) in the place of the answer to the request `body`."""
        return answer

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
            return self.answer(handler, *self.slow)
        if self.is_refused(kind, fault):
            return self.answer(handler, *self.changed_answer(kind, fault, body, (200, [], b"{}")))
        if fault == "late":
            time.sleep(0.5)
        status, headers, content = self.forward(handler, self.changed_request(kind, fault, body))
        if fault == "lost" or status is None:
            return self.cut(handler)
        if fault == "error":
            return self.answer(handler, *self.error)
        return self.answer(handler, *self.changed_answer(kind, fault, body, (status, headers, content)))

    def forward(self, handler, body):
        # As it came: the Host header and the path are signed.
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            connection.putrequest(handler.command, handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in handler.headers.items():
                if name.lower() not in ("connection", "content-length"):
                    connection.putheader(name, value)
            if handler.headers.get("content-length") is not None:
                connection.putheader("Content-Length", str(len(body)))
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


def random_faults(seed: str, share: float, faults=("reset", "lost", "slow", "error", "late")):
    chance = random.Random(seed)

    def plan(number: int, kind: str):
        if chance.random() >= share:
            return None
        return chance.choice(faults)
    return plan
