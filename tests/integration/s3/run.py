#!/usr/bin/env python3
"""A lake on S3, on real servers: the store's contract, a project from files to served vectors, other readers, and what
goes wrong on the way.

    run.py --icecore BINARY [--seed N] [-k NAME] [--keep DIR]

Servers (scripts/setup.sh installs them under .deps/s3): versitygw, whose objects are files and which checks keys, for
all; moto, in memory, for the store's contract and one project. Each
check gets a lake of its own. Last line: `N passed, N failed[, N skipped]`.
"""
import argparse
import http.client
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [TESTS, os.path.join(TESTS, "fault"), os.path.dirname(HERE)]
from flow import Flow  # noqa: E402
from project import Failed, Project  # noqa: E402
from proxy import random_faults  # noqa: E402
from servers import BUCKET, KEYS, Missing, Moto, S3Proxy, Versity, certificate  # noqa: E402


class Given:
    def __init__(self, arguments, server, folder: str):
        self.icecore, self.seed, self.server, self.folder = arguments.icecore, arguments.seed, server, folder
        self.flows = 0

    def flow(self, endpoint: str | None = None) -> Flow:
        """A project whose lake is a new prefix of the bucket."""
        self.flows += 1
        name = f"{os.path.basename(self.folder)}-{self.flows}"
        lake = f"{{url: \"s3://{BUCKET}/some lakes/{name}\", endpoint: \"{endpoint or self.server.url}\"}}"
        return Flow(self.icecore, os.path.join(self.folder, str(self.flows)), f"{self.seed}/{name}", lake)


def contract(given: Given) -> None:
    """The suite that every store keeps (src/icecore/lake/object_store_contract.h)."""
    binary = os.path.join(os.environ.get("ICECORE_TESTS_OF") or os.path.dirname(os.path.abspath(given.icecore)),
                          "icecore_lake_test")
    done = subprocess.run([binary, f"--gtest_filter=*ObjectStoreContract*/s3-*{given.server.untrue}/*", "--gtest_brief=1"], capture_output=True,
                          text=True, timeout=300, check=False,
                          env={**os.environ, "ICECORE_TEST_S3_URL": f"s3://{BUCKET}/contract",
                               "AWS_ENDPOINT_URL": given.server.url})
    if done.returncode != 0 or "0 tests" in done.stdout:
        raise Failed(done.stdout + done.stderr)


def few(counts: dict[str, int], **most: int) -> None:
    """Of twelve tables: each log is read once in a run, and listed again before its table is relied on."""
    for kind, bound in most.items():
        if counts.get(kind, 0) > bound:
            raise Failed(f"{counts[kind]} {kind} requests, at most {bound} are needed: {counts}")


def from_end_to_end(given: Given) -> None:
    """Files to served vectors in two runs; deltalake reads the same rows; what a run costs; no secret on disk."""
    proxy = S3Proxy(given.server.port)
    try:
        flow = given.flow(proxy.url)
        flow.add_file(300)
        flow.project.must("run")
        flow.add_file(100)
        flow.project.must("run")
        flow.audit()
        if "nothing new" not in flow.project.must("run"):
            raise Failed("a run after the last one found something to do")
        lake = f"s3://{BUCKET}/some lakes/{os.path.basename(given.folder)}-1"
        options = {**KEYS, "AWS_ENDPOINT_URL": given.server.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
        for table in ("landing/events_raw", "landing/events", "processing/events", "curated/doubled"):
            read = DeltaTable(f"{lake}/{table}", storage_options=options)
            theirs = sorted(read.to_pyarrow_table(columns=["_seq"]).column("_seq").to_pylist())
            ours = flow.project.sql(f"select _seq from {table.replace('/', '.')} order by 1").column("_seq").to_pylist()
            if theirs != ours:
                raise Failed(f"{table}: deltalake reads {len(theirs)} rows, we {len(ours)}")
        by_place(given, f"{lake}/landing/events", len(DeltaTable(f"{lake}/landing/events", storage_options=options).to_pyarrow_table()))
        proxy.take_counts()
        flow.project.must("run")
        counts = proxy.take_counts()
        print(f"    a run without news: {counts}")
        if set(counts) - {"GET", "LIST", "HEAD"}:
            raise Failed(f"a run without news wrote: {counts}")
        few(counts, GET=45, LIST=30, HEAD=5)
        flow.add_file(50)
        flow.project.must("run")
        counts = proxy.take_counts()
        print(f"    a run with one new file: {counts}")
        few(counts, GET=75, LIST=60, HEAD=5)
        for folder, _, names in os.walk(flow.project.folder):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    if KEYS["AWS_SECRET_ACCESS_KEY"].encode() in file.read():
                        raise Failed(f"the secret key stands in {name}")
    finally:
        proxy.close()


def by_place(given: Given, url: str, rows: int) -> None:
    """A table by its URL, outside of any project; endpoint and keys come from the environment."""
    environment = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": given.server.url, "AWS_REGION": "us-east-1"}
    done = subprocess.run([os.path.abspath(given.icecore), "-C", given.folder, "--json", "sql", f"select count(*) as n from delta('{url}')"],
                          capture_output=True, text=True, env=environment, timeout=60)
    if done.returncode != 0 or json.loads(done.stdout)[0]["n"] != rows:
        raise Failed(f"delta('{url}'): {done.stdout}{done.stderr}, wanted {rows}")


def table_as_source(given: Given) -> None:
    """A table that deltalake writes in a bucket is a source, version by version; changed rows are refused."""
    url = f"s3://{BUCKET}/their tables/{os.path.basename(given.folder)}"
    options = {**KEYS, "AWS_ENDPOINT_URL": given.server.url, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1",
               "aws_conditional_put": "etag"}
    sent = []

    def write(rows: int) -> None:
        first = len(sent)
        batch = [{"id": first + i, "day": f"2026-01-0{1 + i % 3}", "name": f"ä/{i} %"} for i in range(rows)]
        write_deltalake(url, pa.Table.from_pylist(batch), mode="append", partition_by=["day"], storage_options=options)
        sent.extend(batch)

    project = Project(given.icecore, os.path.join(given.folder, "project"))
    project.write("icecore.yaml", "project: p\n")
    project.write("definitions/all.yaml", f"""
source: theirs
from: {{files: {{path: "{url}", format: delta}}}}
---
table: longest
zone: curated
mode: replace
sql: select day, count(*) as n, max(id) as last from landing.theirs group by day
""")
    environment = {"AWS_ENDPOINT_URL": given.server.url, "AWS_REGION": "us-east-1"}
    os.environ.update(environment)
    try:
        write(100)
        project.must("apply")
        for rows in (0, 7, 20):
            if rows:
                write(rows)
            project.must("run")
            landed = sorted(project.rows("select id, cast(day as varchar) as day, name from landing.theirs"), key=lambda row: row["id"])
            if landed != sent:
                raise Failed(f"{len(landed)} rows landed where {len(sent)} were written")
        if project.value("select sum(n) from curated.longest") != len(sent) or "nothing new" not in project.must("run"):
            raise Failed("a table over it is not complete, or a run after the last one found something to do")
        DeltaTable(url, storage_options=options).delete("id = 5")
        ended = project.call("run")
        if ended.code != 1 or "changed or removed rows" not in ended.says or len(project.rows("select id from landing.theirs")) != len(sent):
            raise Failed(f"rows were removed from the source: exit code {ended.code}\n{ended.says}")
    finally:
        for name in environment:
            del os.environ[name]


def serves(given: Given) -> None:
    """`icecore serve` on the lake gives what `get` gives."""
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
        connection = http.client.HTTPConnection("127.0.0.1", int(found.group(1)), timeout=30)
        connection.request("POST", "/v1/features", json.dumps({"service": "all", "entities": {"user_id": 3}}))
        answer = connection.getresponse()
        text = answer.read().decode()
        want = flow.project.json("get", "all", "user_id=3")["features"]
        if answer.status != 200 or any(json.dumps(one["value"]) not in text for one in want.values()):
            raise Failed(f"served {answer.status} {text}, get gives {want}")
    finally:
        process.kill()
        process.communicate()


def at_once(given: Given) -> None:
    """Runs of several processes on one lake, from two projects with the same definitions."""
    flow = given.flow()
    flow.add_file(200)
    other = flow.project.folder + "-other"
    shutil.copytree(flow.project.folder, other)
    starts = [flow.project.start("run"), flow.project.start("run"),
              subprocess.Popen([flow.project.icecore, "run"], cwd=other, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)]
    for done in [flow.project.end(process) for process in starts]:
        if done.code != 0:
            raise Failed(f"one of 3 runs at once: exit code {done.code}\n{done.says}")
    flow.audit()


def kills(given: Given) -> None:
    """kill -9 at random moments of `run`."""
    chance = random.Random(f"{given.seed}/kills")
    flow = given.flow()
    flow.add_file(200)
    started = time.monotonic()
    flow.project.must("run")
    whole_s = time.monotonic() - started
    killed = 0
    for _ in range(6):
        flow.add_file(chance.choice([1, 50, 200]))
        process = flow.project.start("run")
        try:
            process.wait(timeout=chance.uniform(0, 1.1 * whole_s))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        done = flow.project.end(process)
        if done.code not in (0, -9):
            raise Failed(f"run: exit code {done.code}\n{done.says}")
    flow.project.must("run")
    flow.audit()
    print(f"    {killed} kills")


def faults(given: Given) -> None:
    """Connections cut before and after, 503, 500 after the deed, delays: every run ends well, nothing twice."""
    proxy = S3Proxy(given.server.port)
    try:
        flow = given.flow(proxy.url)
        proxy.plan = random_faults(f"{given.seed}/faults", 0.12)
        for count in (200, 1, 100):
            flow.add_file(count)
            flow.project.must("run")
        proxy.plan = lambda number, kind: None
        flow.audit()
        print(f"    {proxy.faults} faults in {proxy.number} requests")
        # Every answer of every conditional write is lost, for good: said, not guessed; the next run heals it.
        flow.add_file(20)
        proxy.plan = lambda number, kind: "lost" if kind == "PUT-IF-ABSENT" else None
        done = flow.project.call("run")
        if done.code != 1:
            raise Failed(f"a run whose answers are all lost: exit code {done.code}\n{done.says}")
        proxy.plan = lambda number, kind: None
        flow.project.must("run")
        flow.audit()
    finally:
        proxy.close()


def restart(given: Given) -> None:
    """The server is killed while runs write, and comes back."""
    chance = random.Random(f"{given.seed}/restart")
    flow = given.flow()
    flow.add_file(200)
    flow.project.must("run")
    for _ in range(3):
        flow.add_file(100)
        process = flow.project.start("run")
        time.sleep(chance.uniform(0, 0.5))
        given.server.stop(signal.SIGKILL)
        given.server.start()
        done = flow.project.end(process)
        if done.code not in (0, 1):
            raise Failed(f"run: exit code {done.code}\n{done.says}")
    flow.project.must("run")
    flow.audit()


def refusals(given: Given) -> None:
    """What is set wrong is said in words, without the secret; certificates are checked."""
    proxy = S3Proxy(given.server.port, certificate(given.folder))
    try:
        flow = given.flow()
        flow.add_file(10)

        def refused(lake: str, part: str, environment: dict[str, str] | None = None) -> None:
            flow.project.write("icecore.yaml", f"language: 1\nproject: fault\nlake: {lake}\n")
            os.environ.update(environment or {})
            try:
                done = flow.project.call("run")
            finally:
                os.environ.update(KEYS)
            if done.code not in (1, 2) or part not in done.says or KEYS["AWS_SECRET_ACCESS_KEY"] in done.says:
                raise Failed(f"lake: {lake}: exit code {done.code}, expected '{part}':\n{done.says}")

        refused(f"{{url: \"s3://no-such-bucket/x\", endpoint: \"{given.server.url}\"}}", "no-such-bucket")
        refused(f"{{url: \"s3://{BUCKET}/x\", endpoint: \"127.0.0.1:1\"}}", "lake.endpoint")
        refused(f"{{url: \"s3://{BUCKET}/x\", endpoint: \"{proxy.url}\"}}", "certificate")
        refused("gs://bucket/x", "not supported")
        refused(f"{{url: \"s3://{BUCKET}/x\", endpoint: \"{given.server.url}\"}}", "AWS_SECRET_ACCESS_KEY",
                {"AWS_SECRET_ACCESS_KEY": "another"})
        os.environ["AWS_CA_BUNDLE"] = os.path.join(given.folder, "cert.pem")
        flow.project.write("icecore.yaml", f"language: 1\nproject: fault\nlake: "
                                           f"{{url: \"s3://{BUCKET}/tls\", endpoint: \"{proxy.url}\"}}\n")
        try:
            flow.project.must("run")
        finally:
            del os.environ["AWS_CA_BUNDLE"]
    finally:
        proxy.close()


CHECKS = {Versity: [contract, from_end_to_end, table_as_source, serves, at_once, kills, faults, restart, refusals],
          Moto: [contract, from_end_to_end]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icecore", default="build/dev/bin/icecore")
    parser.add_argument("--seed", default=str(random.SystemRandom().randrange(1 << 32)))
    parser.add_argument("-k", dest="name", default="")
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(KEYS, AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through the finally clauses: servers end too
    passed = failed = skipped = 0
    top = arguments.keep or tempfile.mkdtemp(prefix="icecore-s3-")
    for kind, checks in CHECKS.items():
        try:
            server = kind(top)
        except Missing as why:
            print(f"skipped {kind.name}: {why}")
            skipped += len(checks)
            continue
        try:
            for check in checks:
                if arguments.name not in f"{kind.name}/{check.__name__}":
                    continue
                folder = os.path.join(top, f"{kind.name}-{check.__name__}")
                os.makedirs(folder, exist_ok=True)
                started = time.monotonic()
                try:
                    check(Given(arguments, server, folder))
                    passed += 1
                    print(f"ok {kind.name}/{check.__name__} {time.monotonic() - started:.1f} s")
                except Missing as why:
                    skipped += 1
                    print(f"skipped {kind.name}/{check.__name__}: {why}")
                except Exception as error:  # any failure of a check is one, the others go on
                    failed += 1
                    print(f"FAILED {kind.name}/{check.__name__}: {error}")
                    if not isinstance(error, Failed):
                        traceback.print_exc(file=sys.stdout)
        finally:
            server.stop()
    if not arguments.keep:
        shutil.rmtree(top, ignore_errors=True)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    # deltalake's threads abort an interpreter that ends in the usual way.
    code = main()
    sys.stdout.flush()
    os._exit(code)
