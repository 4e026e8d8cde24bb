"""kill -9 of an online load that takes several passes: nobody reads it half, and the next one ends it."""
import argparse
import datetime
import random
import subprocess
import time

import pyarrow as pa
import pyarrow.parquet as pq

from flow import START, Flow
from project import Failed, Project

ROWS, USERS = 550_000, 150_000
DEFINITIONS = """\
source: visits
from:
  files: {path: "data/*.parquet", format: parquet}
---
table: visits
zone: processing
sql: select * from landing.visits
mode: append
---
entity: user
keys: [{name: user_id, type: int64}]
---
feature_view: seen
entity: user
from: processing.visits
event_time: at
online: true
features: [x, {name: n, aggregate: count, windows: [30d]}]
---
feature_service: all
features: [seen]
"""


class Visits:
    """Some visits of many users, and what each user's answer must be."""

    def __init__(self, chance: random.Random):
        self.users = [chance.randrange(USERS) for _ in range(ROWS)]
        self.seconds = chance.sample(range(28 * 86400), ROWS)  # no two at once
        self.x = [chance.randrange(1000) for _ in range(ROWS)]

    def write(self, project: Project) -> None:
        start = int(START.replace(tzinfo=datetime.timezone.utc).timestamp())
        at = pa.array([(start + second) * 1_000_000 for second in self.seconds], pa.timestamp("us", "UTC"))
        pq.write_table(pa.table({"user_id": self.users, "at": at, "x": self.x}), project.path("data/a.parquet"))

    def expect(self, project: Project, users: list[int]) -> None:
        for user in users:
            mine = [(second, x) for second, x, other in zip(self.seconds, self.x, self.users) if other == user]
            features = project.json("get", "all", f"user_id={user}")["features"]
            got = (features["x"]["value"], features["n_30d"]["value"])
            if got != (max(mine)[1] if mine else None, len(mine)):
                raise Failed(f"user {user}: {got}, expected the last of {sorted(mine)} and their number")


def backfill(flow: Flow, given: argparse.Namespace) -> None:
    """`memory: 64MB` holds a part of the rows, so the load makes its generation in several passes."""
    chance = random.Random(f"{given.seed}/backfill")
    project = Project(given.icecore, flow.project.path("backfill"))
    project.write("icecore.yaml", f"language: 1\nproject: backfill\nlake: lake\nmemory: 64MB\nnow: 2024-03-01T00:00:00Z\n")
    project.write("definitions/all.yaml", DEFINITIONS)
    project.write("data/.keep", "")
    visits = Visits(chance)
    visits.write(project)
    users = [chance.randrange(USERS) for _ in range(5)]
    project.must("apply")
    project.must("run")
    visits.expect(project, users)
    started = time.monotonic()
    project.must("materialize", "seen", "--full")
    whole_s = time.monotonic() - started
    killed = ended = 0
    while killed < max(given.kills // 10, 5) and ended < 100:
        process = project.start("materialize", "seen", "--full")
        try:
            process.wait(timeout=chance.uniform(0, 1.1 * whole_s))
            ended += 1
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
            visits.expect(project, users[:2])
        done = project.end(process)
        if done.code not in (0, -9):
            raise Failed(f"after {killed} kills: materialize: exit code {done.code}\n{done.says}")
    project.must("materialize", "seen", "--full")
    visits.expect(project, users)
    print(f"{killed} kills of {whole_s:.1f} s, {ended} loads that ended first")
