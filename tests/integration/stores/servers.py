"""The online stores that are servers, on loopback ports of their own: Redis, a Redis Cluster, DynamoDB Local."""
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zlib

from proxy import Proxy

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
PASSWORD = "p@ss/word:that?must#not-be-seen"
WAIT_S = 60


class Missing(Exception):
    """A server that is not installed here."""


def free_port(also_above: int = 0) -> int:
    """A port that nobody listens on; with `also_above` neither on the one that far above."""
    while True:
        with socket.socket() as found, socket.socket() as second:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
            if not also_above:
                return port
            try:
                if port + also_above < 65536:
                    second.bind(("127.0.0.1", port + also_above))
                    return port
            except OSError:
                pass


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed: ./dev test integration installs it")
    return found


class Process:
    """One server process; it keeps its folder and its port when it is stopped and started."""

    def __init__(self, name: str, folder: str, command: list[str], is_ready):
        self.name, self.folder, self.command, self.is_ready = name, folder, command, is_ready
        self.process = None
        os.makedirs(folder, exist_ok=True)
        self.start()

    def start(self) -> None:
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.is_ready():
                return
            time.sleep(0.02)
        self.stop(signal.SIGKILL)
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


def certificates(folder: str) -> None:
    """An authority, the server's certificate for 127.0.0.1 and a client's: ca.pem, server.*, client.*."""
    run = lambda *words: subprocess.run([program("openssl"), *words], check=True, capture_output=True, cwd=folder)  # noqa: E731
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    run("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=icecore test authority")
    with open(os.path.join(folder, "names"), "w", encoding="ascii") as names:
        names.write("subjectAltName=IP:127.0.0.1\n")
    for name in ("server", "client"):
        run("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-out", f"{name}.pem", "-extfile", "names")


class Store:
    """A place for online stores. `processes` are its servers."""
    name = ""
    suite = ""                      # of the contract, in icecore_online_test
    environment: dict[str, str] = {}   # for the contract
    settings: dict[str, str] = {}      # for whoever uses the store
    processes: list[Process]

    def online(self, project: str) -> str:
        """The value of `online:`; no two projects share a store."""
        raise NotImplementedError

    def stop(self, how: int = signal.SIGTERM) -> None:
        for process in self.processes:
            process.stop(how)

    def start(self) -> None:
        for process in self.processes:
            process.start()

    def pause(self) -> None:
        """The servers hold their connections, and answer nothing until they are resumed."""
        for process in self.processes:
            process.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        for process in self.processes:
            process.process.send_signal(signal.SIGCONT)


def redis_command(folder: str, port: int, *more: str) -> list[str]:
    # What is acknowledged is on the disk: a server that is killed has lost nothing.
    return [program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
            "--appendonly", "yes", "--appendfsync", "always", *more]


def cli(port: int, *words: str, more: tuple[str, ...] = ()) -> str:
    ended = subprocess.run([program("redis-cli"), "-p", str(port), *more, *words], capture_output=True, text=True,
                           env={**os.environ, "REDISCLI_AUTH": PASSWORD if more else ""}, check=False)
    return ended.stdout


class Redis(Store):
    name = "redis"
    suite = "Redis/*"

    def __init__(self, folder: str):
        self.port = free_port()
        home = os.path.join(folder, self.name)
        os.makedirs(home, exist_ok=True)
        self.processes = [Process(self.name, home, redis_command(home, self.port),
                                  lambda: cli(self.port, "ping").strip() == "PONG")]
        self.environment = {"ICECORE_TEST_REDIS": f"redis://127.0.0.1:{self.port}"}

    def online(self, project: str) -> str:
        return f"redis://127.0.0.1:{self.port}?prefix={project}"


class SecureRedis(Store):
    """TLS alone, a certificate asked of clients, and a password."""
    name = "redis-tls"

    def __init__(self, folder: str):
        self.port = free_port()
        home = os.path.join(folder, self.name)
        os.makedirs(home, exist_ok=True)
        certificates(home)
        self.files = {key: os.path.join(home, name) for key, name in
                      (("ca_file", "ca.pem"), ("cert_file", "client.pem"), ("key_file", "client.key"))}
        tls = ("--tls", "--cacert", self.files["ca_file"], "--cert", self.files["cert_file"], "--key", self.files["key_file"])
        command = redis_command(home, 0, "--tls-port", str(self.port), "--tls-cert-file", "server.pem", "--tls-key-file",
                                "server.key", "--tls-ca-cert-file", "ca.pem", "--requirepass", PASSWORD)
        self.processes = [Process(self.name, home, command, lambda: "PONG" in cli(self.port, "ping", more=tls))]
        self.settings = {"ICECORE_TEST_PASSWORD": PASSWORD}

    def online(self, project: str) -> str:
        return json.dumps({"url": f"rediss://127.0.0.1:{self.port}?prefix={project}",
                           "password": "${ICECORE_TEST_PASSWORD}", **self.files})


class RedisCluster(Store):
    name = "redis-cluster"
    suite = "RedisCluster/*"

    def __init__(self, folder: str):
        self.ports, self.processes = [], []
        for number in range(3):
            port = free_port(also_above=10000)
            home = os.path.join(folder, f"{self.name}-{number}")
            os.makedirs(home, exist_ok=True)
            command = redis_command(home, port, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
                                    "--cluster-node-timeout", "2000")
            self.ports.append(port)
            self.processes.append(Process(self.name, home, command, lambda port=port: cli(port, "ping").strip() == "PONG"))
        made = subprocess.run([program("redis-cli"), "--cluster", "create", *[f"127.0.0.1:{port}" for port in self.ports],
                               "--cluster-replicas", "0", "--cluster-yes"], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            self.stop()
            raise RuntimeError(f"no cluster: {made.stdout[-1000:]}{made.stderr[-1000:]}")
        self.wait()
        self.environment = {"ICECORE_TEST_REDIS_CLUSTER": f"redis://{self.hosts}"}

    @property
    def hosts(self) -> str:
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def wait(self) -> None:
        """Until every node says that all slots are served."""
        deadline = time.monotonic() + WAIT_S
        while not all("cluster_state:ok" in cli(port, "cluster", "info") for port in self.ports):
            if time.monotonic() > deadline:
                raise RuntimeError("the cluster does not come up")
            time.sleep(0.05)

    def start(self) -> None:
        super().start()
        self.wait()

    def online(self, project: str) -> str:
        return f"redis://{self.hosts}?prefix={project}"


class DynamoDb(Store):
    name = "dynamodb"
    suite = "DynamoDb/*"

    def __init__(self, folder: str):
        libs = os.path.join(ROOT, ".deps", "dynamodb", "libs")
        if not os.path.isdir(libs):
            raise Missing("DynamoDB Local is not installed: ./dev test integration installs it")
        self.port = free_port()
        home = os.path.join(folder, self.name)
        os.makedirs(os.path.join(home, "data"), exist_ok=True)
        command = [program("java"), "-Xmx256m", "-XX:+UseSerialGC", f"-Djava.library.path={libs}", "-cp", f"{libs}/*",
                   "com.amazonaws.services.dynamodbv2.local.main.ServerRunner", "-sharedDb", "-dbPath",
                   os.path.join(home, "data"), "-disableTelemetry", "-port", str(self.port)]
        keys = {"AWS_ACCESS_KEY_ID": "icecoretest", "AWS_SECRET_ACCESS_KEY": PASSWORD, "AWS_EC2_METADATA_DISABLED": "true"}
        self.settings = {**keys, "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{self.port}"}
        self.environment = {**keys, "ICECORE_TEST_DYNAMODB": f"http://127.0.0.1:{self.port}"}
        self.processes = [Process(self.name, home, command, self.answers)]

    def answers(self) -> bool:
        """Any answer of HTTP will do; a request without keys is refused."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=2).read()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def online(self, project: str) -> str:
        return f"dynamodb://eu-central-1/{project}"


class DynamoProxy(Proxy):
    """In front of a real DynamoDB Local, what it never does itself. Kinds are operations; faults beside the proxy's own:
    "capacity" and "throttled" (not passed on, 400), "partial" (some keys or requests of a batch are left undone), "none"
    (all of them are).
    """
    slow = (503, [], b'{"__type":"com.amazonaws.dynamodb.v20120810#ServiceUnavailable","message":"later"}')
    error = (500, [], b'{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"ours"}')
    refusals = {
        "capacity": ("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
                     "The level of configured provisioned throughput for the table was exceeded."),
        "throttled": ("com.amazon.coral.availability#ThrottlingException", "Rate of requests exceeds the allowed throughput.")}
    batches = {"BatchGetItem": "UnprocessedKeys", "BatchWriteItem": "UnprocessedItems"}

    def __init__(self, port: int):
        self.times: list[tuple[float, str]] = []  # of requests, with their kinds
        self.left_undone = {kind: 0 for kind in self.batches}
        super().__init__(port)

    @staticmethod
    def kind_of(handler) -> str:
        return (handler.headers.get("x-amz-target") or "").rpartition(".")[2]

    def handle(self, handler) -> None:
        with self.lock:
            self.times.append((time.monotonic(), self.kind_of(handler)))
        super().handle(handler)

    @staticmethod
    def split(kind: str, fault: str, body: bytes) -> tuple[dict, dict]:
        """What of the batch is done, and what is left: of several at least one each, or all."""
        request = json.loads(body)["RequestItems"]
        done, left = {}, {}
        for table, asked in request.items():
            items = list(asked["Keys"] if kind == "BatchGetItem" else asked)
            random.Random(zlib.crc32(body)).shuffle(items)
            count = len(items) if fault == "none" else len(items) // 2
            for part, taken in ((left, items[:count]), (done, items[count:])):
                if taken:
                    part[table] = {**asked, "Keys": taken} if kind == "BatchGetItem" else taken
        return done, left

    def breaks(self, kind: str, fault: str | None) -> bool:
        return kind in self.batches and fault in ("partial", "none")

    def is_refused(self, kind: str, fault: str | None) -> bool:
        return fault in self.refusals or (fault == "none" and kind in self.batches)

    def changed_request(self, kind: str, fault: str | None, body: bytes) -> bytes:
        done = self.split(kind, fault, body)[0] if self.breaks(kind, fault) else None
        return json.dumps({"RequestItems": done}).encode() if done else body

    def changed_answer(self, kind: str, fault: str | None, body: bytes, answer: tuple) -> tuple:
        status, headers, content = answer
        if fault in self.refusals:
            name, message = self.refusals[fault]
            return 400, [], json.dumps({"__type": name, "message": message}).encode()
        if not self.breaks(kind, fault) or status != 200:
            return answer
        _, left = self.split(kind, fault, body)
        told = json.loads(content)
        told[self.batches[kind]] = left
        with self.lock:
            self.left_undone[kind] += 1 if left else 0
        kept = [one for one in headers if one[0].lower() != "x-amz-crc32"]
        return status, kept, json.dumps(told).encode()
