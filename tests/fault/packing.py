"""kill -9 of `icecore compact --online` while a server answers and runs load: what must hold at any moment."""
import argparse
import http.client
import json
import os
import random
import subprocess
import threading
import time

from flow import Flow, USERS
from integration.served import ON_LOOPBACK, Server
from project import Failed

FOLDER = ".icecore/online"
ALWAYS = ("compact", "--online", "--free", "0")


class Reader(threading.Thread):
    """Asks the server again and again; every answer must be one, and none older than the one before."""

    def __init__(self, port: int):
        super().__init__()
        self.port, self.answers, self.wrong, self.stop = port, 0, None, threading.Event()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        question = json.dumps({"service": "all", "entities": {"user_id": list(range(USERS))}})
        last = 0
        while not self.stop.is_set() and self.wrong is None:
            connection.request("POST", "/v1/features", question)
            answer = connection.getresponse()
            text = answer.read().decode()
            seq = json.loads(text)["views"]["recent"]["seq"] if answer.status == 200 else -1
            if seq < last:
                self.wrong = f"after an answer up to _seq {last}: {answer.status} {text}"
            self.answers, last = self.answers + 1, seq
        connection.close()


def expect_one_pack(flow: Flow) -> None:
    """Nothing but the pack that `current` names is left of the store's files."""
    names = os.listdir(flow.project.path(FOLDER))
    packs = [name for name in names if name.startswith("pack-")]
    current = os.readlink(flow.project.path(f"{FOLDER}/current"))
    if packs != [current] or "data.mdb" in names or "current.new" in names:
        raise Failed(f"left behind beside {current}: {sorted(names)}")


def packing(flow: Flow, given: argparse.Namespace) -> None:
    """Of compact alone, and of compact and a run together; the server that has the store open goes on."""
    chance = random.Random(f"{given.seed}/packing")
    project = flow.project
    flow.add_file(300)
    project.must("run")
    started = time.monotonic()
    project.must(*ALWAYS)
    whole_s = time.monotonic() - started
    killed = 0
    with Server(project, *ON_LOOPBACK) as server:
        reader = Reader(server.port)
        reader.start()
        try:
            for _ in range(max(given.kills // 2, 10)):
                flow.add_file(chance.choice([1, 50, 200]))
                processes = [project.start("run"), project.start(*ALWAYS)]
                victims = processes if chance.random() < 0.3 else processes[1:]
                for process in victims:
                    try:
                        process.wait(timeout=chance.uniform(0, 1.5 * whole_s))
                    except subprocess.TimeoutExpired:
                        process.kill()
                        killed += 1
                for process in processes:
                    done = project.end(process)
                    if done.code not in (0, -9):
                        raise Failed(f"{' '.join(process.args[1:])}: exit code {done.code}\n{done.says}")
                if reader.wrong:
                    raise Failed(reader.wrong)
            project.must("run")
            flow.expect_parity()
        finally:
            reader.stop.set()
            reader.join()
        if reader.wrong or not reader.answers:
            raise Failed(reader.wrong or "the server was never asked")
        server.end()
    print(f"{killed} kills, {reader.answers} answers, {len(flow.rows)} rows")
    flow.add_file(10)  # which leaves free pages
    project.must("run")
    project.must(*ALWAYS)
    expect_one_pack(flow)
    flow.audit()
