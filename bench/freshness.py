#!/usr/bin/env python3
"""From a push to the answer that has it, while others push: `icecore serve` on this machine.

    bench/freshness.py [--rates 1,100,10000,100000] [--seconds 20] [--icecore BINARY] [--json [FILE]]

Rows (a key of 10,000, a time, two numbers) are pushed at a fixed rate, in requests sent when they are due, whether or not those before
were answered. Beside them a probe: one row of a key of its own, pushed at random moments, then asked for on a connection that stays
until the answer has it; that is the time that is told, by the clock of whoever pushed. A last pass counts every row that was
acknowledged in the lake; where one is missing, or is there twice, there is no number.
"""
import argparse
import datetime
import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import record

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "integration")]
from project import Project  # noqa: E402
from served import ON_LOOPBACK, Server  # noqa: E402

KEYS = 10_000
PUSHERS = 4           # connections
REQUESTS_PER_S = 100  # at most; a faster rate has more rows in each
DEFINITIONS = """\
source: events
from: {push: {}}
contract:
  columns:
    - {name: user, type: int64, required: true}
    - {name: at, type: timestamp, required: true}
    - {name: a, type: float64}
    - {name: b, type: int64, between: [0, 1000000000]}
---
table: events
zone: processing
mode: append
sql: select "user", "at", a, b from landing.events
---
entity: user
keys: [{name: user, type: int64}]
---
feature_view: activity
entity: user
from: processing.events
event_time: at
online: true
features:
  - {name: last_b, of: b}
  - {name: events, aggregate: count, windows: [1h, 1d]}
  - {name: a, aggregate: mean, of: a, windows: [1h, 1d]}
---
feature_service: model
features: [activity]
"""


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")


class Client:
    """One connection that stays."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def post(self, path, document):
        return self.send(path, json.dumps(document))

    def send(self, path, body):
        self.connection.request("POST", path, body)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {text[:300]}")
        return json.loads(text)

    def push(self, rows):
        return self.post("/push", {"source": "events", "rows": rows})

    def last(self, user):
        answer = self.post("/v1/features", {"service": "model", "entities": {"user": user}})
        return answer["features"]["last_b"]["values"][0]


def body_pieces(draw, size):
    """The JSON of a request but for the time of its rows: what makes it shares the processors with the server, so it is made beforehand."""
    rows = [(f'{{"user": {draw.randrange(KEYS)}, "at": "', f'", "a": {draw.random()!r}, "b": 1}}') for _ in range(size)]
    ends = [end for _, end in rows]
    begins = [begin for begin, _ in rows]
    return ['{"source": "events", "rows": [' + begins[0], *(f"{end}, {begin}" for end, begin in zip(ends, begins[1:])), ends[-1] + "]}"]


def load(server, rate, until, pushed, late):
    """Pushes its share of the rate; what could not be sent in time is sent late, and told."""
    client, draw = Client(server), random.Random(rate)
    requests = min(REQUESTS_PER_S, rate) / PUSHERS
    size = max(1, round(rate / PUSHERS / requests))
    bodies = [body_pieces(draw, size) for _ in range(20)]
    due = time.monotonic() + draw.random() / requests
    while due < until:
        time.sleep(max(0.0, due - time.monotonic()))
        late.append(time.monotonic() - due)
        client.send("/push", now().join(bodies[len(pushed) % len(bodies)]))
        pushed.append(size)
        due += 1 / requests


def probe(server, until, delays):
    client, draw = Client(server), random.Random(7)
    while time.monotonic() < until:
        value = len(delays) + 1
        start = time.monotonic()
        client.push([{"user": KEYS + 1, "at": now(), "a": 0.0, "b": value}])
        while client.last(KEYS + 1) != value:
            time.sleep(0.001)
        delays.append(time.monotonic() - start)
        time.sleep(draw.uniform(0.05, 0.25))


def measure(icecore, rate, seconds):
    with tempfile.TemporaryDirectory(prefix="freshness-") as folder:
        project = Project(icecore, folder)
        project.write("icecore.yaml", "language: 1\nproject: freshness\n")
        project.write("definitions/all.yaml", DEFINITIONS)
        project.must("apply")
        project.write("first.ndjson", json.dumps({"user": 0, "at": now(), "a": 0.0, "b": 1}) + "\n")
        project.must("push", "events", "--file", os.path.join(folder, "first.ndjson"))
        project.must("run")
        with Server(project, *ON_LOOPBACK) as server:
            until = time.monotonic() + seconds
            pushed, late, delays = [], [], []
            threads = [threading.Thread(target=load, args=(server, rate, until, pushed, late)) for _ in range(PUSHERS)]
            threads.append(threading.Thread(target=probe, args=(server, until, delays)))
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            server.end()
        project.must("run")
        counted = project.json("sql", "select count(*) as n from processing.events")[0]["n"]
        expected = 1 + sum(pushed) + len(delays)
        if counted != expected:
            raise SystemExit(f"{expected} rows were acknowledged, {counted} are there")
        delays.sort()

        def percentile(p):
            return 1000 * delays[min(len(delays) - 1, int(p * len(delays)))]
        return {"rate": rate, "pushed_per_s": sum(pushed) / seconds, "probes": len(delays), "p50_ms": percentile(0.5),
                "p90_ms": percentile(0.9), "p99_ms": percentile(0.99), "most_late_ms": 1000 * max(late, default=0.0)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--icecore", default=str(ROOT / "build" / "release" / "bin" / "icecore"))
    parser.add_argument("--rates", default="1,100,10000,100000", help="rows a second")
    parser.add_argument("--seconds", type=float, default=20)
    record.add_option(parser, "freshness")
    given = parser.parse_args()
    lines = []
    print(f"load {os.getloadavg()[0]:.1f}")
    for rate in map(int, given.rates.split(",")):
        line = measure(os.path.abspath(given.icecore), rate, given.seconds)
        lines.append(line)
        print(f"{rate:>9,} rows/s ({line['pushed_per_s']:,.0f} sent): servable after p50 {line['p50_ms']:.0f} ms, p90 {line['p90_ms']:.0f} ms, "
              f"p99 {line['p99_ms']:.0f} ms ({line['probes']} probes); sent at most {line['most_late_ms']:.0f} ms late", flush=True)
    record.write(given.json, given, lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
