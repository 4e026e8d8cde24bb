#!/usr/bin/env python3
"""Online stores on real servers: Redis, a Redis Cluster of three nodes, Redis with TLS, certificates and a password, and
DynamoDB Local, against LMDB and against training sets.

    run.py --icecore BINARY [--seed N] [-k NAME] [--but NAME] [--keep DIR]

Starts the servers itself, on loopback ports, and stops them by their process ids. Last line:
`N passed, N failed[, N skipped]`.
"""
import argparse
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [TESTS, os.path.join(TESTS, "fault"), os.path.dirname(HERE)]
from flow import NOW, USERS, Flow  # noqa: E402
import clicks  # noqa: E402
from project import Failed, Project  # noqa: E402
from proxy import random_faults  # noqa: E402
from served import ON_LOOPBACK, Server, expect  # noqa: E402
from servers import PASSWORD, DynamoDb, DynamoProxy, Missing, Redis, RedisCluster, SecureRedis, Store  # noqa: E402

WAIT_S = 150  # more than the longest wait between two tries of `serve`
AT_ONCE_S = 3  # less than a client of a store waits for an answer
THROTTLED_FAULTS = ("partial", "partial", "capacity", "throttled", "slow", "error", "lost", "reset")
GIVES_UP_S = 30  # a client of DynamoDB, after all its attempts and waits
TWO_LOOKS_S = 30  # at a store that hangs, by a server: one that was under way, and one for other definitions
CLICKS = clicks.definitions()


class Given:
    def __init__(self, arguments, store: Store, folder: str):
        self.icecore, self.seed, self.store, self.folder = arguments.icecore, arguments.seed, store, folder
        self.flows = 0

    def flow(self, online: str | None = None) -> Flow:
        """A project whose views rest in the store (or as `online` says), under a prefix of its own."""
        self.flows += 1
        name = f"{os.path.basename(self.folder)}-{self.flows}"
        flow = Flow(self.icecore, os.path.join(self.folder, name), f"{self.seed}/{name}")
        flow.project.write("icecore.yaml", "language: 1\nproject: fault\nlake: lake\n"
                                           f"online: {online or self.store.online(name)}\nnow: {NOW}\n")
        return flow

    def clicks(self) -> Project:
        """A project that takes pushes, its view in the store under a prefix of its own, loaded with one row."""
        self.flows += 1
        name = f"{os.path.basename(self.folder)}-{self.flows}"
        project = Project(self.icecore, os.path.join(self.folder, name))
        project.write("icecore.yaml", f"language: 1\nproject: clicks\nonline: {self.store.online(name)}\nnow: {NOW}\n")
        project.write("definitions/all.yaml", CLICKS)
        project.write("rows.ndjson", json.dumps(click("first", 1)) + "\n")
        project.must("apply")
        project.must("push", "clicks", "--file", "rows.ndjson")
        project.must("run")
        return project


def click(user: str, n: int) -> dict:
    return {"user": user, "at": "2024-02-01T00:00:00Z", "n": n}


def push(server: Server, user: str, n: int) -> None:
    status, text = server.send("POST", "/push", {"source": "clicks", "rows": [click(user, n)]})
    expect(status, 200, f"status of a push ({text})")


def served_n(server: Server, user: str):
    """None as long as there is no answer, too: a store that comes back needs its time."""
    status, text = server.send("POST", "/v1/features", {"service": "model", "entities": {"user": user}})
    return json.loads(text)["features"]["n"]["values"][0] if status == 200 else None


def metric(server: Server, series: str) -> float | None:
    found = re.search(rf"^{re.escape(series)} (\S+)$", server.send("GET", "/metrics")[1], re.MULTILINE)
    return float(found.group(1)) if found else None


def until(what: str, is_so) -> None:
    deadline = time.monotonic() + WAIT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise Failed(f"not within {WAIT_S} s: {what}")
        time.sleep(0.05)


def contract(given: Given, environment: dict | None = None, without: str = "") -> None:
    """The suite that every store keeps (src/icecore/online/store_contract.h)."""
    folder = os.environ.get("ICECORE_TESTS_OF") or os.path.dirname(os.path.abspath(given.icecore))
    ended = subprocess.run([os.path.join(folder, "icecore_online_test"), f"--gtest_filter={given.store.suite}{without}"],
                           env={**os.environ, **given.store.environment, **(environment or {})}, capture_output=True, text=True, timeout=900, check=False)
    passed = re.search(r"\[  PASSED  \] (\d+) tests?", ended.stdout)
    if ended.returncode != 0 or not passed or int(passed.group(1)) < 20 or "SKIPPED" in ended.stdout:
        raise Failed(ended.stdout[-3000:] + ended.stderr[-2000:])
    print(f"    {passed.group(1)} behaviours")


def answers(flow: Flow) -> list:
    """Of some users, and of one that nobody knows."""
    return [flow.project.json("get", "all", f"user_id={user}") for user in (0, 3, 7, USERS - 1, USERS)]


def as_lmdb(given: Given, online: str | None = None) -> None:
    """The same rows in the same steps give the same answers as on LMDB, and as offline."""
    flows = [given.flow(online), given.flow("lmdb:.icecore/online")]
    for count in (200, 1, 300):
        for flow in flows:
            flow.chance = random.Random(f"{given.seed}/{flow.files}")
            flow.add_file(count)
            flow.project.must("run")
        got, want = answers(flows[0]), answers(flows[1])
        if got != want:
            raise Failed(f"first difference: {next(pair for pair in zip(got, want) if pair[0] != pair[1])}")
    flows[0].audit()
    # A new definition is loaded beside the old one.
    for flow in flows:
        text = flow.project.path("definitions/all.yaml")
        with open(text, encoding="utf-8") as file:
            changed = file.read().replace("windows: [1d]", "windows: [2d]")
        flow.project.write("definitions/all.yaml", changed)
        flow.project.must("apply")
        flow.project.must("run")
    if answers(flows[0]) != answers(flows[1]):
        raise Failed("after a change of the definition the answers differ")
    flows[0].project.must("materialize", "--full")
    if answers(flows[0]) != answers(flows[1]):
        raise Failed("after materialize --full the answers differ")


def serves(given: Given) -> None:
    """`icecore serve` gives what `get` gives, and is ready only while the store is."""
    flow = given.flow()
    flow.add_file(100)
    flow.project.must("run")
    process = flow.project.start("serve", "--http", "127.0.0.1:0")
    try:
        line = process.stdout.readline().decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if not found:
            process.kill()
            raise Failed(f"serve did not say where it listens: {line!r} {process.communicate()[1].decode()}")

        def ask(method: str, path: str, body=None) -> tuple[int, str]:
            connection = http.client.HTTPConnection("127.0.0.1", int(found.group(1)), timeout=60)
            connection.request(method, path, json.dumps(body) if body else None)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

        request = {"service": "all", "entities": {"user_id": 3}}
        status, text = ask("POST", "/v1/features", request)
        want = flow.project.json("get", "all", "user_id=3")["features"]
        if status != 200 or any(json.dumps(one["value"]) not in text for one in want.values()):
            raise Failed(f"served {status} {text}, get gives {want}")
        given.store.stop(signal.SIGKILL)
        try:
            status, text = ask("POST", "/v1/features", request)
            if status != 503:
                raise Failed(f"without its store a request gets {status} {text}")
        finally:
            given.store.start()
        status, again = ask("POST", "/v1/features", request)
        if status != 200 or any(json.dumps(one["value"]) not in again for one in want.values()):
            raise Failed(f"after the store came back: {status} {again}")
    finally:
        process.kill()
        process.communicate()


def kills(given: Given) -> None:
    """kill -9 of `run` at random moments: the next one is whole."""
    chance = random.Random(f"{given.seed}/kills")
    flow = given.flow()
    flow.add_file(300)
    flow.project.must("run")
    whole_s = 1.0
    killed = 0
    for _ in range(24):
        flow.add_file(chance.choice([1, 100, 300]))
        process = flow.project.start("run")
        started = time.monotonic()
        try:
            process.wait(timeout=chance.uniform(0.3, 1.05) * whole_s)
            whole_s = time.monotonic() - started
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        done = flow.project.end(process)
        if done.code not in (0, -9):
            raise Failed(f"run: exit code {done.code}\n{done.says}")
        if killed == 6:
            break
    else:
        raise Failed(f"only {killed} of 24 runs could be killed")
    flow.project.must("run")
    flow.audit()
    print(f"    {killed} kills")


def restart(given: Given) -> None:
    """The server is killed while loads write, and comes back: nothing is lost, and served = offline."""
    chance = random.Random(f"{given.seed}/restart")
    flow = given.flow()
    flow.add_file(300)
    started = time.monotonic()
    flow.project.must("run")
    whole_s = time.monotonic() - started
    codes = []
    for _ in range(5):
        flow.add_file(chance.choice([50, 300]))
        process = flow.project.start("run")
        time.sleep(chance.uniform(0.4, 1.0) * whole_s)  # the moment of the blow is what varies
        victim = chance.choice(given.store.processes)
        victim.stop(signal.SIGKILL)
        back = threading.Thread(target=lambda: (time.sleep(chance.uniform(0, 0.5)), victim.start()))
        back.start()
        done = flow.project.end(process)
        back.join()
        given.store.wait() if hasattr(given.store, "wait") else None
        codes.append(done.code)
        if done.code not in (0, 1):
            raise Failed(f"run: exit code {done.code}\n{done.says}")
    flow.project.must("run")
    flow.audit()
    print(f"    exit codes of the runs: {codes}")


def down(given: Given) -> None:
    """A server that is away: said with its name, the rest of the run is done, and the next one catches up."""
    flow = given.flow()
    flow.add_file(100)
    flow.project.must("run")
    flow.add_file(100)
    given.store.stop(signal.SIGKILL)
    try:
        done = flow.project.call("run")
        got = flow.project.call("get", "all", "user_id=3")
    finally:
        given.store.start()
    port = re.search(r"127\.0\.0\.1:\d+", " ".join([given.store.online("x"), *given.store.settings.values()])).group(0)
    for what, ended in (("run", done), ("get", got)):
        if ended.code != 1 or port not in ended.says:
            raise Failed(f"{what} without the server: exit code {ended.code}\n{ended.says}")
    flow.project.must("run")
    flow.audit()


def pushes(given: Given) -> None:
    """What is pushed while the store is away is served once it is back, without another push."""
    in_time = 'icecore_push_to_servable_seconds_count{source="clicks"}'
    project = given.clicks()
    with Server(project, *ON_LOOPBACK) as server:
        until("the first row", lambda: served_n(server, "first") == 1)
        given.store.stop(signal.SIGKILL)
        try:
            push(server, "away", 2)
            server.await_says("pushes wait")
            until("the row in the lake", lambda: project.value("select count(*) from processing.clicks") == 2)
            expect(metric(server, in_time), 0, "pushes that count as servable")
            for series in ('icecore_push_runs_total{result="failed"}', 'icecore_load_errors_total{code="unavailable",view="seen"}'):
                until(series, lambda series=series: metric(server, series) > 0)
        finally:
            given.store.start()
        until("the row that was pushed meanwhile", lambda: served_n(server, "away") == 2)
        until("that it counts as servable", lambda: metric(server, in_time) == 1)


def pushes_pass_a_reload(given: Given) -> None:
    """A push needs no store: while definitions are taken over that a store holds up, it is answered at once."""
    project = given.clicks()
    with Server(project, *ON_LOOPBACK) as server:
        until("the first row", lambda: served_n(server, "first") == 1)
        given.store.pause()
        try:
            more = "features: [n, {name: clicks, aggregate: count, windows: [1d]}]"
            project.write("definitions/all.yaml", CLICKS.replace("features: [n]", more))
            project.must("apply")
            slowest, end = 0.0, time.monotonic() + TWO_LOOKS_S
            while time.monotonic() < end:
                begin = time.monotonic()
                push(server, "meanwhile", 3)
                slowest = max(slowest, time.monotonic() - begin)
                time.sleep(0.05)
        finally:
            given.store.resume()
        if slowest > AT_ONCE_S:
            raise Failed(f"a push took {slowest:.1f} s")
        until("what was pushed", lambda: served_n(server, "meanwhile") == 3)


def tokens_and_probes_pass_a_pause(given: Given) -> None:
    """While a store does not answer: a revoked token ends, and who asks whether the server is ready is answered at once."""
    project = given.clicks()
    kept, revoked = (json.loads(project.must("token", "new", "--scope", scope, "--json")) for scope in ("read", "metrics"))
    asked = {"service": "model", "entities": {"user": "first"}}
    with Server(project, *ON_LOOPBACK) as server:
        def status(method: str, path: str, token: dict, document=None) -> int:
            return server.send(method, path, document, {"Authorization": f"Bearer {token['token']}"})[0]

        until("answers", lambda: status("POST", "/v1/features", kept, asked) == 200)
        expect(status("GET", "/metrics", revoked), 200, "status by a token that counts")
        given.store.pause()
        readers = [threading.Thread(target=status, args=("POST", "/v1/features", kept, asked)) for _ in range(8)]
        try:
            for reader in readers:
                reader.start()
            project.must("token", "revoke", revoked["id"])
            begin = time.monotonic()
            until("the end of a revoked token", lambda: status("GET", "/metrics", revoked) == 401)
            took = {"the end of a token": time.monotonic() - begin, "/readyz": 0.0}

            def is_ready() -> bool:
                begin = time.monotonic()
                ready = server.send("GET", "/readyz")[0] == 200
                took["/readyz"] = max(took["/readyz"], time.monotonic() - begin)
                return ready

            until("that it is not ready", lambda: not is_ready())
            if max(took.values()) > AT_ONCE_S:
                raise Failed(f"seconds: {took}")
        finally:
            given.store.resume()
            for reader in readers:
                reader.join()
        until("that it is ready", lambda: server.send("GET", "/readyz")[0] == 200)


def through(proxy: DynamoProxy, given: Given, name: str) -> str:
    return json.dumps({"url": given.store.online(name), "endpoint": proxy.url})


def throttled(given: Given) -> None:
    """Keys left unread, writes left undone, throttling and errors now and then: everything is as without them."""
    proxy = DynamoProxy(given.store.port)
    try:
        proxy.plan = random_faults(f"{given.seed}/throttled", 0.2, THROTTLED_FAULTS)
        as_lmdb(given, through(proxy, given, "throttled"))
        # The random ones make thousands of requests.
        contract(given, {"ICECORE_TEST_DYNAMODB": proxy.url}, "-*Random*")
    finally:
        proxy.close()
    if not all(proxy.left_undone.values()):
        raise Failed(f"no batches were left undone: {proxy.left_undone}")
    print(f"    {proxy.faults} faults in {proxy.number} requests, batches left undone: {proxy.left_undone}")


def throttled_for_good(given: Given) -> None:
    """Throttling that does not end: an error that says so, within the deadline, after few attempts; then all goes on."""
    proxy = DynamoProxy(given.store.port)
    try:
        flow = given.flow(through(proxy, given, "for-good"))
        flow.add_file(100)
        flow.project.must("run")
        want = answers(flow)
        for fault, operation, words in (("capacity", "", "ProvisionedThroughputExceededException"),
                                        ("throttled", "", "ThrottlingException"),
                                        ("none", "BatchGetItem", "it is throttled")):
            proxy.plan = lambda number, kind, fault=fault, of=operation: fault if kind.startswith(of) else None
            proxy.times.clear()
            begin = time.monotonic()
            got = flow.project.call("get", "all", "user_id=3")
            took = time.monotonic() - begin
            if got.code != 1 or words not in got.says or "for-good" not in got.says:
                raise Failed(f"{fault}: exit code {got.code}, wanted the words {words}\n{got.says}")
            if took > GIVES_UP_S + AT_ONCE_S:
                raise Failed(f"{fault}: gave up after {took:.1f} s only")
            times = [at for at, _ in proxy.times]
            waits = [later - earlier for earlier, later in zip(times, times[1:])]
            if not 5 <= len(times) <= 12:
                raise Failed(f"{fault}: {len(times)} attempts")
            # Waits are drawn evenly below a bound that doubles.
            if sum(waits[-3:]) < sum(waits[:3]):
                raise Failed(f"{fault}: the waits do not grow: {waits}")
            print(f"    {fault}: {len(times)} attempts in {took:.1f} s")
        flow.add_file(100)
        proxy.plan = lambda number, kind: "none" if kind == "BatchWriteItem" else None
        done = flow.project.call("run")
        proxy.plan = lambda number, kind: None
        # Items that were there before are put one by one; new ones in batches.
        if done.code == 1 and "it is throttled" not in done.says:
            raise Failed(f"run: {done.says}")
        flow.project.must("run")
        flow.audit()
        if answers(flow) == want:
            raise Failed("the second file changed nothing")
    finally:
        proxy.close()


def secrets(given: Given) -> None:
    """A wrong password, a missing certificate, an authority that is not ours: refused, and nothing secret is said or kept."""
    flow = given.flow()
    flow.add_file(50)
    flow.project.must("run")
    flow.audit()
    settings = json.loads(given.store.online("refused"))
    cases = [({"password": "${ICECORE_WRONG:-wrong-secret-word}"}, "refuses the login"),
             ({"ca_file": None}, "127.0.0.1"), ({"cert_file": None, "key_file": None}, "127.0.0.1"),
             ({"url": settings["url"].replace("rediss://", "redis://"), "ca_file": None, "cert_file": None, "key_file": None}, "127.0.0.1"),
             ({"password": "${ICECORE_NOT_SET}"}, "ICECORE_NOT_SET")]
    seen = []
    for change, part in cases:
        online = {key: value for key, value in {**settings, **change}.items() if value is not None}
        other = given.flow(json.dumps(online))
        other.add_file(10)
        done = other.project.call("run")
        if done.code == 0 or part not in done.says:
            raise Failed(f"{change}: exit code {done.code}, wanted words: {part}\n{done.says}")
        seen.append((other, done.says))
    url = given.store.online("in-url")
    in_url = given.flow(f"rediss://:${{ICECORE_TEST_PASSWORD}}@{json.loads(url)['url'].split('://')[1]}")
    in_url.add_file(10)
    done = in_url.project.call("run")  # without the authority's certificate
    seen.append((in_url, done.says))
    if done.code == 0:
        raise Failed("a server whose certificate nobody signed is trusted")
    for project, says in [*seen, (flow, "")]:
        if PASSWORD in says or "wrong-secret-word" in says:
            raise Failed(f"a password is shown:\n{says}")
        for folder, _, names in os.walk(project.project.folder):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    if PASSWORD.encode() in file.read():
                        raise Failed(f"the password stands in {name}")


CHECKS = {Redis: [contract, as_lmdb, serves, kills, restart, down, pushes, pushes_pass_a_reload, tokens_and_probes_pass_a_pause],
          RedisCluster: [contract, as_lmdb, kills, restart, down],
          SecureRedis: [secrets],
          DynamoDb: [contract, as_lmdb, serves, kills, restart, down, pushes, throttled, throttled_for_good]}


def main() -> int:
    # Stopped from outside, it stops its servers first.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icecore", required=True)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("-k", dest="only", default="", help="only checks whose STORE/NAME has this in it")
    parser.add_argument("--but", help="none of those with this in it")
    parser.add_argument("--keep", help="a folder for the projects, which stays")
    arguments = parser.parse_args()
    arguments.icecore = os.path.abspath(arguments.icecore)
    if arguments.seed is None:
        arguments.seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {arguments.seed}")
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory(prefix="icecore-stores-") as temporary:
        folder = os.path.abspath(arguments.keep or temporary)
        os.makedirs(folder, exist_ok=True)
        for kind, checks in CHECKS.items():
            names = {f"{kind.name}/{check.__name__}": check for check in checks}
            wanted = [check for name, check in names.items() if arguments.only in name and not (arguments.but and arguments.but in name)]
            if not wanted:
                continue
            try:
                store = kind(folder)
            except Missing as missing:
                print(f"  SKIPPED {kind.name}: {missing}")
                skipped += len(wanted)
                continue
            os.environ.update(store.settings)
            try:
                for check in wanted:
                    name = f"{kind.name}/{check.__name__}"
                    started = time.monotonic()
                    try:
                        check(Given(arguments, store, os.path.join(folder, f"{kind.name}-{check.__name__}")))
                        passed += 1
                        print(f"  ok      {name} ({time.monotonic() - started:.1f} s)", flush=True)
                    except Exception as error:  # noqa: BLE001 - every failure is one line in the result
                        failed += 1
                        words = str(error) if isinstance(error, Failed) else traceback.format_exc()
                        print(f"  FAILED  {name}: {words}", flush=True)
            finally:
                store.stop()
                for key in store.settings:
                    os.environ.pop(key, None)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed + skipped else 0


if __name__ == "__main__":
    sys.exit(main())
