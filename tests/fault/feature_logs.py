"""Clustered feature logs: kill -9 while they are built, merged and replaced, and damaged files; answers stay those of the tables."""
import datetime
import json
import os
import random
import subprocess
import time

import pyarrow as pa
import pyarrow.parquet as pq

from damage import audit_lake, checked
from flow import DEFINITIONS, NOW, START, USERS, Flow
from project import Failed

FOLDER = ".icecore/features"
SHORT = "features: [x, "
LONG = "features: [x, id, "  # one more column: the log is built anew, beside the one that answers
OTHER = "features: [x, happened_at, "  # and another one


def settle(flow: Flow, least_rows: int) -> None:
    """Views over tables of so many rows and more have a log."""
    flow.project.write("icecore.yaml", f"language: 1\nproject: fault\nlake: lake\nnow: {NOW}\nfeature_log_rows: {least_rows}\n")


def define(flow: Flow, features: str) -> None:
    flow.project.write("definitions/all.yaml", DEFINITIONS.replace(SHORT, features))
    flow.project.must("apply")


def write_spine(flow: Flow, chance: random.Random) -> None:
    times = [START.replace(tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=chance.randrange(30 * 86400)) for _ in range(400)]
    table = pa.table({"user_id": pa.array([chance.randrange(USERS + 1) for _ in times], pa.int64()),
                      "event_timestamp": pa.array(times, pa.timestamp("us", "UTC"))})
    pq.write_table(table, flow.project.path("spine.parquet"))


def expect_same_as_table(flow: Flow, what: str) -> None:
    """A training set from the log equals one that reads the table."""
    sets = []
    for name, least_rows in (("log", 0), ("table", 10**12)):
        settle(flow, least_rows)
        flow.project.must("training-set", "all", "--spine", "spine.parquet", "--out", f"{name}.parquet")
        sets.append(pq.read_table(flow.project.path(f"{name}.parquet")))
    settle(flow, 0)
    if not sets[0].equals(sets[1]):
        raise Failed(f"{what}: the training set from the log differs from the table's")


def manifest(flow: Flow) -> dict:
    with open(flow.project.path(f"{FOLDER}/recent/manifest.json")) as file:
        return json.load(file)["log"]


def expect_whole(flow: Flow) -> None:
    """The log holds every row of its table, and nothing lies beside it."""
    log = manifest(flow)
    rows = flow.project.value("select count(*) as n from curated.doubled")
    if sum(run["rows"] for run in log["runs"]) != rows:
        raise Failed(f"the log has other rows than the {rows} of its table: {log}")
    expected = {"manifest.json", "lock"} | {run["name"] + end for run in log["runs"] for end in (".rows", ".keys")}
    found = set(os.listdir(flow.project.path(f"{FOLDER}/recent")))
    if found != expected or os.listdir(flow.project.path(FOLDER)) != ["recent"]:
        raise Failed(f"left behind beside the log: {sorted(found ^ expected)}")


def damage_a_run(flow: Flow, chance: random.Random) -> None:
    """One bit of a run changes, its time of change does not: nobody uses it, the audit names it, the next run heals it."""
    run = chance.choice(manifest(flow)["runs"])
    name = run["name"] + chance.choice([".rows", ".keys"])
    path = flow.project.path(f"{FOLDER}/recent/{name}")
    stamp = os.stat(path)
    with open(path, "r+b") as file:
        at = chance.randrange(stamp.st_size)
        file.seek(at)
        byte = file.read(1)[0] ^ (1 << chance.randrange(8))
        file.seek(at)
        file.write(bytes([byte]))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    expect_same_as_table(flow, f"{name} damaged")
    code, codes = checked(flow.project)
    if code != 1 or "feature_log_file" not in codes:
        raise Failed(f"{name} damaged: check --lake: exit code {code}, found {sorted(codes)}")
    done = flow.project.call("run")
    if done.code != 0 or name not in done.says:
        raise Failed(f"{name} damaged: run: exit code {done.code}, expected 0 and the file's name\n{done.says}")
    audit_lake(flow.project)
    expect_same_as_table(flow, f"{name} healed")


def feature_logs(flow: Flow, given) -> None:
    chance = random.Random(f"{given.seed}/feature_logs")
    settle(flow, 0)
    write_spine(flow, chance)
    flow.add_file(300)
    started = time.monotonic()
    flow.project.must("run")
    whole_s = time.monotonic() - started
    started = time.monotonic()
    flow.project.must("run", "view.recent")
    alone_s = time.monotonic() - started
    killed = ended = looks = 0
    while killed < given.kills and ended < 10 * given.kills:
        flow.add_file(chance.choice([1, 40, 400]))
        if chance.random() < 0.3:
            define(flow, chance.choice([SHORT, LONG, OTHER]))
        # Half of the time the tables first, so that the kill meets the log.
        if chance.random() < 0.5:
            flow.project.must("run", "+curated.doubled")
            process, longest_s = flow.project.start("run", "view.recent"), 1.2 * alone_s
        else:
            process, longest_s = flow.project.start("run"), 1.2 * whole_s
        try:
            process.wait(timeout=chance.uniform(0, longest_s))
            ended += 1
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        done = flow.project.end(process)
        if done.code not in (0, -9):
            raise Failed(f"after {killed} kills: run: exit code {done.code}\n{done.says}")
        looks += 1
        if looks % 5 == 0:
            expect_same_as_table(flow, f"after {killed} kills")
            code, codes = checked(flow.project, "--deep")
            if code != 0:
                raise Failed(f"after {killed} kills: check --lake --deep: {sorted(codes)}")
    flow.project.must("run")
    expect_whole(flow)
    expect_same_as_table(flow, "at the end")
    for _ in range(5):
        damage_a_run(flow, chance)
    expect_whole(flow)
    audit_lake(flow.project)
    flow.audit()
    print(f"{killed} kills, {ended} runs that ended first, {len(flow.rows)} rows")
