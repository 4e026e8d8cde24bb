"""What presses on the server: open-loop reads at a fixed rate, pushes that are due when they are due, a probe of freshness."""
import datetime
import http.client
import json
import os
import random
import subprocess
import threading
import time

PUSH_ROWS = 50  # a request
PROBE_USER = 1_000_000


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


class Errors:
    """Every answer that was not right, from any thread."""

    def __init__(self):
        self.lock, self.count, self.first = threading.Lock(), 0, []

    def add(self, what: str) -> None:
        with self.lock:
            self.count += 1
            if len(self.first) < 5:
                self.first.append(what[:400])


class Client:
    """One connection that stays."""

    def __init__(self, port: int):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def post(self, path: str, document, headers: dict | None = None) -> tuple[int, dict]:
        self.connection.request("POST", path, json.dumps(document), headers or {})
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


class Reads:
    """Answers of `icecore_server_bench` over the same bodies."""

    def __init__(self, bench: str, port: int, folder: str, keys: int):
        self.command = [bench, f"port={port}", "path=/v1/features", f"bodies={os.path.join(folder, 'bodies.txt')}"]
        with open(os.path.join(folder, "bodies.txt"), "w", encoding="ascii") as out:
            for i in range(1000):
                out.write(json.dumps({"service": "model", "entities": {"user": i * 7919 % keys}}) + "\n")

    def ask(self, seconds: float, rate: float = 0) -> dict:
        """One stretch: a closed loop, or an open one whose times count from when a request was due."""
        more = [f"rate={rate}", "connections=32"] if rate else ["connections=8"]
        done = subprocess.run([*self.command, f"seconds={seconds}", *more], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise OSError(f"reads ended: {done.stderr[-300:]}")
        return json.loads(done.stdout)


class Pushes:
    """Rows with numbers of their own, on several connections; one request in twenty is sent again under its key."""

    def __init__(self, port: int, keys: int, errors: Errors, connections: int = 2):
        self.port, self.keys, self.errors, self.connections = port, keys, errors, connections
        self.lock, self.acknowledged, self.requests, self.repeated, self.failed, self.late_s = threading.Lock(), 0, 0, 0, 0, 0.0
        self.next_id = 0

    def run(self, until: float, rate: float = 0) -> list[threading.Thread]:
        """Rows a second over all connections, or as fast as they go; the threads that do it."""
        threads = [threading.Thread(target=self._send, args=(until, rate / self.connections, i)) for i in range(self.connections)]
        for thread in threads:
            thread.start()
        return threads

    def _rows(self, draw: random.Random) -> list[dict]:
        with self.lock:
            first = self.next_id
            self.next_id += PUSH_ROWS
        at = now()
        return [{"user": draw.randrange(self.keys), "at": at, "a": draw.random(), "id": first + i} for i in range(PUSH_ROWS)]

    def _send(self, until: float, rate: float, seed: int) -> None:
        client, draw = Client(self.port), random.Random(seed)
        due = time.monotonic()
        while due < until:
            if rate:
                time.sleep(max(0.0, due - time.monotonic()))
                with self.lock:
                    self.late_s = max(self.late_s, time.monotonic() - due)
            document, acknowledged = {"source": "clicks", "rows": self._rows(draw)}, False
            again = draw.random() < 0.05
            headers = {"Idempotency-Key": f"{seed}/{document['rows'][0]['id']}"} if again else {}
            try:
                status, answer = client.post("/push", document, headers)
                if status != 200 or answer["duplicate"]:
                    raise ValueError(f"push: {status} {answer}")
                acknowledged = True
                with self.lock:
                    self.acknowledged += PUSH_ROWS
                    self.requests += 1
                if again:
                    status, answer = client.post("/push", document, headers)
                    if status != 200 or not answer["duplicate"]:
                        raise ValueError(f"push sent again: {status} {answer}")
                    with self.lock:
                        self.repeated += 1
            except Exception as error:
                self.errors.add(f"{type(error).__name__}: {error}")
                client = Client(self.port)
            if not acknowledged:
                with self.lock:
                    self.failed += PUSH_ROWS
            due = due + PUSH_ROWS / rate if rate else time.monotonic()


class Probe:
    """A row of a key of its own, again and again; how long each took to be served."""

    def __init__(self, port: int, errors: Errors):
        self.port, self.errors, self.delays, self.pushed = port, errors, [], 0

    def once(self, client: Client, patience_s: float = 60) -> float:
        value = -1 - self.pushed
        start = time.monotonic()
        status, answer = client.post("/push", {"source": "clicks", "rows": [{"user": PROBE_USER, "at": now(), "a": 0.0, "id": value}]})
        if status != 200:
            raise ValueError(f"push of the probe: {status} {answer}")
        self.pushed += 1
        while True:
            status, answer = client.post("/v1/features", {"service": "model", "entities": {"user": PROBE_USER}})
            if status != 200:
                raise ValueError(f"the probe's vector: {status} {answer}")
            if answer["features"]["id"]["values"][0] == value:
                return time.monotonic() - start
            if time.monotonic() > start + patience_s:
                raise ValueError(f"a row is not served after {patience_s} s")
            time.sleep(0.002)

    def run(self, until: float, began: float) -> threading.Thread:
        def send() -> None:
            client, draw = Client(self.port), random.Random(3)
            while time.monotonic() < until:
                at = time.monotonic()
                try:
                    self.delays.append((at - began, self.once(client)))
                except Exception as error:
                    self.errors.add(f"{type(error).__name__}: {error}")
                    client = Client(self.port)
                time.sleep(draw.uniform(0.1, 0.3))
        thread = threading.Thread(target=send)
        thread.start()
        return thread
