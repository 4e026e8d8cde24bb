#!/usr/bin/env python3
"""What must survive: kill -9 at any moment, several processes at once, a full disk, a read-only lake, damaged files.

    run.py --icecore BINARY [--long] [--kills N] [--seed N] [-k NAME] [--keep DIR] [--jobs N]

After each fault the project is run to the end and audited: every source row once in every table, the quarantine exact,
the balance, online = offline (flow.py); by `icecore check --lake --deep`, and by deltalake as a reader that is not ours. Last line: `N passed, N failed[, N skipped]`.
"""
import argparse
import concurrent.futures
import os
import random
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from backfill import backfill  # noqa: E402
from damage import audit_lake, planted_damage, upkeep  # noqa: E402
from edits import edits  # noqa: E402
from feature_logs import feature_logs  # noqa: E402
from flow import Flow  # noqa: E402
from packing import packing  # noqa: E402
from project import Failed  # noqa: E402


class Skipped(Exception):
    """Why a fault cannot be made on this machine."""


def kills(flow: Flow, given: argparse.Namespace) -> None:
    """kill -9 at random moments of `run`; moments are drawn over the time that a whole run takes."""
    chance = random.Random(f"{given.seed}/kills")
    flow.add_file(300)
    started = time.monotonic()
    flow.project.must("run")
    whole_s = time.monotonic() - started
    killed = ended = 0
    while killed < given.kills and ended < 10 * given.kills:
        if chance.random() < 0.5:
            flow.add_file(chance.choice([1, 50, 400]))
        process = flow.project.start("run")
        try:
            process.wait(timeout=chance.uniform(0, 1.2 * whole_s))
            ended += 1
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
            looks = flow.project.call("check", "--lake", "--deep")
            if looks.code != 0:
                raise Failed(f"after {killed} kills: check --lake --deep\n{looks.says}")
            flow.read_by_others()
        done = flow.project.end(process)
        if done.code not in (0, -9):
            raise Failed(f"after {killed} kills: run: exit code {done.code}\n{done.says}")
    flow.project.must("run")
    audit_lake(flow.project)
    print(f"{killed} kills, {ended} runs that ended first, {len(flow.rows)} rows")
    flow.audit()
    if "nothing new" not in flow.project.must("run"):
        raise Failed("a run after the last one found something to do")


PUSHED = """
source: pushed
from: {push: {}}
contract:
  columns: [{name: n, type: int64}]
---
table: pushed
zone: processing
mode: append
sql: select n from landing.pushed
"""


def pushes(flow: Flow, given: argparse.Namespace) -> None:
    """kill -9 of pushes and of runs that take them, two of each at a time; every push is repeated under its key."""
    chance = random.Random(f"{given.seed}/pushes")
    project, sent, killed = flow.project, 0, 0
    project.write("definitions/pushed.yaml", PUSHED)
    project.must("apply")
    for number in range(max(given.kills // 2, 10)):
        count = chance.choice([1, 20, 20000])
        project.write(f"push-{number}.ndjson", "".join(f'{{"n": {sent + i}}}\n' for i in range(count)))
        sent += count
        push = ("push", "pushed", "--file", f"push-{number}.ndjson", "--key", f"push {number}")
        processes = [project.start(*push), project.start(*push), project.start("run", "source.pushed+"),
                     project.start("run", "source.pushed+")]
        for process in processes:
            try:
                process.wait(timeout=chance.uniform(0, 0.3))
            except subprocess.TimeoutExpired:
                process.kill()
                killed += 1
            done = project.end(process)
            if done.code not in (0, -9):
                raise Failed(f"{' '.join(process.args[1:])}: exit code {done.code}\n{done.says}")
        project.must(*push)
    project.must("run", "source.pushed+")
    print(f"{killed} kills, {sent} rows")
    for table in ("landing.pushed_raw", "landing.pushed", "processing.pushed"):
        found = project.rows(f"select count(*) as rows, count(distinct n::bigint) as ids, max(n::bigint) as last from {table}")
        if found != [{"rows": sent, "ids": sent, "last": sent - 1}]:
            raise Failed(f"{table}: {found}, {sent} rows were pushed")
    audit_lake(project)


def at_once(flow: Flow, given: argparse.Namespace) -> None:
    """Two, then eight runs at the same time, each time with new files; all of them write the same tables."""
    for count in (2, 8, 8):
        flow.add_file(200)
        flow.add_file(100)
        processes = [flow.project.start("run") for _ in range(count)]
        for done in [flow.project.end(process) for process in processes]:
            if done.code != 0:
                raise Failed(f"one of {count} runs at once: exit code {done.code}\n{done.says}")
        flow.audit()
        audit_lake(flow.project)


def mounted(flow: Flow, options: str) -> str:
    """A tmpfs of its own for the lake."""
    lake = flow.project.path("lake")
    os.makedirs(lake, exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", lake], capture_output=True, text=True)
    if done.returncode != 0:
        raise Skipped(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    return lake


def remount(lake: str, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", lake], check=True)


def fails_well(flow: Flow, *names: str) -> None:
    """`run` must end with 1 and say what was wrong, naming one of the names."""
    done = flow.project.call("run")
    if done.code != 1:
        raise Failed(f"exit code {done.code}, expected 1\n{done.says}")
    if not any(name in done.err for name in names):
        raise Failed(f"the error names none of {names}:\n{done.says}")


def full_disk(flow: Flow, given: argparse.Namespace) -> None:
    """The lake's disk is full for a while; each time with a little more room."""
    lake = mounted(flow, "size=256k")
    try:
        flow.add_file(300)
        flow.project.must("run")
        flow.add_file(6000)
        for room_kib in range(272, 900, 48):
            remount(lake, f"size={room_kib}k")
            done = flow.project.call("run")
            if done.code == 0:
                break
            if done.code != 1 or "No space left" not in done.err:
                raise Failed(f"with {room_kib} KiB: exit code {done.code}, expected 1 and the reason\n{done.says}")
        remount(lake, "size=64m")
        flow.project.must("run")
        flow.audit()
    finally:
        subprocess.run(["umount", "-l", lake], check=True)


def read_only_lake(flow: Flow, given: argparse.Namespace) -> None:
    """Reading goes on, writing fails and says so; afterwards all is well."""
    lake = mounted(flow, "size=64m")
    try:
        flow.add_file(300)
        flow.project.must("run")
        flow.audit()
        flow.add_file(100)
        remount(lake, "ro")
        fails_well(flow, "Read-only")
        if flow.project.value("select count(*) as n from landing.events_raw") != 300:
            raise Failed("a read-only lake cannot be read")
        remount(lake, "rw")
        flow.project.must("run")
        flow.audit()
    finally:
        subprocess.run(["umount", "-l", lake], check=True)


def damaged(flow: Flow, path: str, content: bytes, names: list[str]) -> None:
    """Reading and running with these bytes in the file's place must fail and name it; then the file is whole again."""
    with open(flow.project.path(path), "rb") as file:
        whole = file.read()
    flow.project.write(path, content)
    query = f"select count(*) as n, sum(id) as total from {names[0]}"
    for arguments in (["sql", query], ["run"]):
        done = flow.project.call(*arguments)
        if done.code != 1:
            raise Failed(f"{arguments[0]} with {path} damaged: exit code {done.code}, expected 1\n{done.says}")
        if not any(name in done.err for name in names[1:]):
            raise Failed(f"{arguments[0]}: the error names none of {names[1:]}:\n{done.says}")
    flow.project.write(path, whole)


def torn_log(flow: Flow, given: argparse.Namespace) -> None:
    """The last entry of a log is cut off, empty or no JSON."""
    flow.add_file(300)
    flow.project.must("run")
    flow.add_file(100)
    flow.project.must("run")
    flow.add_file(10)
    last = flow.log_files("processing.events")[-1]
    with open(flow.project.path(last), "rb") as file:
        whole = file.read()
    for content in (whole[:len(whole) // 2], whole[:-20], b"", b"\x00" * len(whole)):
        damaged(flow, last, content, ["processing.events", os.path.basename(last)])
    flow.project.must("run")
    flow.audit()


def missing_log_entry(flow: Flow, given: argparse.Namespace) -> None:
    """An entry in the middle of a log is gone."""
    for _ in range(3):
        flow.add_file(100)
        flow.project.must("run")
    flow.add_file(10)
    middle = flow.project.path(flow.log_files("processing.events")[1])
    os.rename(middle, middle + ".away")
    done = flow.project.call("sql", "select count(*) from processing.events")
    if done.code != 1 or "processing" not in done.err:
        raise Failed(f"sql: exit code {done.code}, expected 1 and the table\n{done.says}")
    fails_well(flow, "processing.events", "processing/events")
    os.rename(middle + ".away", middle)
    flow.project.must("run")
    flow.audit()


def corrupt_parquet(flow: Flow, given: argparse.Namespace) -> None:
    """The footer of a data file is damaged, or the file is cut short."""
    flow.add_file(300)
    flow.project.must("run")
    flow.add_file(10)
    folder = flow.project.path("lake/processing/events")
    (name,) = [name for name in os.listdir(folder) if name.endswith(".parquet")]
    path = f"lake/processing/events/{name}"
    with open(flow.project.path(path), "rb") as file:
        whole = file.read()
    query = "select sum(x) from processing.events"
    for content in (whole[:-8] + b"\xff" * 8, whole[:len(whole) // 2], b""):
        flow.project.write(path, content)
        done = flow.project.call("sql", query)
        if done.code != 1 or name not in done.err:
            raise Failed(f"sql: exit code {done.code}, expected 1 and the file's name\n{done.says}")
    flow.project.write(path, whole)
    flow.project.must("run")
    flow.audit()


def clock_going_back(flow: Flow, given: argparse.Namespace) -> None:
    """Arrivals never go back, and every row is there."""
    for now in ("2024-03-01T00:00:00Z", "2024-02-01T00:00:00Z", "2023-01-01T00:00:00Z"):
        flow.add_file(50)
        flow.project.must("run", "--now", now)
    rows = flow.project.rows("select _arrived_at as t from landing.events_raw order by _seq")
    if any(later["t"] < earlier["t"] for earlier, later in zip(rows, rows[1:])):
        raise Failed("_arrived_at goes back")
    flow.project.must("run")
    flow.audit()


FAULTS = [kills, pushes, at_once, full_disk, read_only_lake, torn_log, missing_log_entry, corrupt_parquet, clock_going_back,
          planted_damage, upkeep, feature_logs, packing, edits, backfill]
KILLED = [kills, pushes, feature_logs, packing, edits, backfill]   # as many flows as the kills asked for fill, each with a seed of its own
KILLS_OF_A_FLOW = 50


def outcome(fault, given: argparse.Namespace) -> tuple[str, str]:
    """("passed" | "failed" | "skipped", why)."""
    name = f"{fault.__name__}-{given.seed}"
    with tempfile.TemporaryDirectory(prefix="fault-") as temporary:
        try:
            fault(Flow(given.icecore, os.path.join(given.keep or temporary, name), f"{given.seed}/{fault.__name__}"), given)
        except Skipped as reason:
            return "skipped", f"{name}: {reason}"
        except Exception as error:  # a test that could not run has failed
            return "failed", f"{name}: {type(error).__name__}: {error}"
    return "passed", name


def main() -> int:
    parser = argparse.ArgumentParser(description="Breaks things and audits what is left.")
    parser.add_argument("--icecore", required=True)
    parser.add_argument("--kills", type=int, help=f"default {KILLS_OF_A_FLOW}, with --long 1000")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-k", default="", help="only faults with this in their name")
    parser.add_argument("--keep", help="keep the projects in this folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    kills_left = given.kills or (1000 if given.long else KILLS_OF_A_FLOW)
    faults = [fault for fault in FAULTS if given.k in fault.__name__]
    tasks = []
    for seed in range(given.seed, given.seed + -(-kills_left // KILLS_OF_A_FLOW)):
        settings = argparse.Namespace(**{**vars(given), "seed": seed, "kills": min(kills_left, KILLS_OF_A_FLOW)})
        tasks += [(fault, settings) for fault in faults if fault in KILLED or seed == given.seed]
        kills_left -= settings.kills
    print(f"seed {given.seed}", flush=True)
    count = {"passed": 0, "failed": 0, "skipped": 0}
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for how, what in pool.map(lambda task: outcome(*task), tasks):
            count[how] += 1
            print(f"{how.upper()} {what}", flush=True)
    print(", ".join(f"{number} {how}" for how, number in count.items() if number or how != "skipped"))
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
