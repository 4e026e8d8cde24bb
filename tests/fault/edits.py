"""kill -9 of runs that take over edited definitions, while a server answers: every answer is whole, by the old definition or
by the new one, and in the end served = offline."""
import argparse
import http.client
import json
import os
import random
import subprocess
import threading
import time

from flow import DEFINITIONS, NOW, Flow, USERS
from integration.served import ON_LOOPBACK, Server
from project import Failed

FEATURES = "features: [x, {name: n, aggregate: count, windows: [1d]}, {of: x, aggregates: [sum, mean, stddev], windows: [7d]}]"
# Of the same states in another order, of fewer, of more: by turns nothing, one state or all is loaded.
EDITS = (FEATURES,
         "features: [{of: x, aggregates: [stddev, mean], windows: [7d]}, x]",
         "features: [{name: newest, of: x}, {name: n, aggregate: count, windows: [1d]}]",
         "features: [x, {of: x, aggregates: [sum, max], windows: [7d]}]",
         "features: [{of: id, aggregate: max, windows: [1d]}, x, {name: n, aggregate: count, windows: [1d]}]",
         "ttl: 40d\nfeatures: [x, {of: x, aggregates: [sum, mean, stddev, min], windows: [7d]}]")
NAMES = ({"x", "n_1d", "x_sum_7d", "x_mean_7d", "x_stddev_7d"}, {"x_stddev_7d", "x_mean_7d", "x"}, {"newest", "n_1d"},
         {"x", "x_sum_7d", "x_max_7d"}, {"id_max_1d", "x", "n_1d"}, {"x", "x_sum_7d", "x_mean_7d", "x_stddev_7d", "x_min_7d"})


PAUSE_S = 0.02  # so that what is served can be verified


class Reader(threading.Thread):
    """Asks the server again and again; an answer has the features of one definition."""

    def __init__(self, port: int):
        super().__init__()
        self.port, self.answers, self.wrong, self.stop, self.seen = port, 0, None, threading.Event(), set()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        question = json.dumps({"service": "all", "entities": {"user_id": list(range(USERS))}})
        while not self.stop.is_set() and self.wrong is None:
            connection.request("POST", "/v1/features", question)
            answer = connection.getresponse()
            text = answer.read().decode()
            self.wrong = f"{answer.status} {text}" if answer.status != 200 else self.is_wrong(json.loads(text))
            self.answers += 1
            time.sleep(PAUSE_S)
        connection.close()

    def await_answers(self) -> None:
        """Until it has asked after now: the server knows by then what a load has switched to."""
        begin = self.answers
        while self.answers < begin + 2 and self.wrong is None and self.is_alive():
            time.sleep(PAUSE_S / 2)

    def is_wrong(self, answer: dict) -> str | None:
        names = frozenset(answer["features"])
        self.seen.add(names)
        if names not in map(frozenset, NAMES):
            return f"features of no definition: {sorted(names)}"
        return None


def edits(flow: Flow, given: argparse.Namespace) -> None:
    chance = random.Random(f"{given.seed}/edits")
    project = flow.project
    project.write("icecore.yaml", f"language: 1\nproject: fault\nlake: lake\nnow: {NOW}\nserved_log: {{fraction: 0.2}}\n")
    flow.add_file(400)
    started = time.monotonic()
    project.must("run")
    whole_s = time.monotonic() - started
    killed = ended = 0
    with Server(project, *ON_LOOPBACK) as server:
        reader = Reader(server.port)
        reader.start()
        try:
            while killed < given.kills and ended < 10 * given.kills and reader.wrong is None:
                if chance.random() < 0.3:
                    flow.add_file(chance.choice([1, 50]))
                reader.await_answers()
                if chance.random() < 0.7:
                    features = chance.choice(EDITS)
                    project.write("definitions/all.yaml", DEFINITIONS.replace(FEATURES, features))
                    project.must("apply")
                process = project.start("materialize" if chance.random() < 0.6 else "run")
                try:
                    process.wait(timeout=chance.uniform(0, whole_s))
                    ended += 1
                except subprocess.TimeoutExpired:
                    process.kill()
                    killed += 1
                done = project.end(process)
                if done.code not in (0, -9):
                    raise Failed(f"after {killed} kills: exit code {done.code}\n{done.says}")
                if done.code == 0 and chance.random() < 0.2:
                    flow.expect_parity()
            for features in (*EDITS, FEATURES):
                reader.await_answers()
                project.write("definitions/all.yaml", DEFINITIONS.replace(FEATURES, features))
                project.must("apply")
                project.must("run")
                flow.expect_parity()
        finally:
            reader.stop.set()
            reader.join()
        if reader.wrong or not reader.answers:
            raise Failed(reader.wrong or "the server was never asked")
        server.end()
    report = project.json("verify", "all")
    if not report["passed"] or report["equal"] == 0:
        raise Failed(f"verify: {report['mismatches'][:3]}, {report}"[:2000])
    print(f"{killed} kills, {ended} runs that ended first, {reader.answers} answers by {len(reader.seen)} definitions, "
          f"{report['equal']} values verified")
    flow.audit()
