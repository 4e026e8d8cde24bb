"""Damage that `icecore check --lake` must find: each is planted in a copy of a sound lake."""
import glob
import json
import os
import shutil

from flow import Flow
from project import Failed, Project

OLD = 1_600_000_000  # seconds: files of long ago


def one(pattern: str, which: int = 0) -> str:
    found = sorted(glob.glob(pattern))
    if not found:
        raise Failed(f"no {pattern}")
    return found[which]


def live_files(table: str) -> list[str]:
    """Paths of the table's live files, in the order of its log."""
    live: dict[str, None] = {}
    for entry in sorted(glob.glob(f"{table}/_delta_log/*.json")):
        for line in open(entry):
            action = json.loads(line)
            if "remove" in action:
                live.pop(action["remove"]["path"], None)
            if "add" in action:
                live[action["add"]["path"]] = None
    return [os.path.join(table, name) for name in live]


def edit(path: str, change) -> None:
    with open(path, "rb") as file:
        content = bytearray(file.read())
    changed = change(content)
    with open(path, "wb") as file:
        file.write(content if changed is None else changed)


def edit_entry(path: str, change) -> None:
    """Changes a log entry's actions; `icecore.actions` follows."""
    lines = [json.loads(line) for line in open(path)]
    lines = change(lines) or lines
    for line in lines:
        if "commitInfo" in line:
            line["commitInfo"]["icecore"]["actions"] = len(lines)
    with open(path, "w") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))


def add_to_count(path: str, name: str) -> None:
    def change(lines):
        metrics = lines[0]["commitInfo"]["operationMetrics"]
        metrics[name] = str(int(metrics[name]) + 1)
    edit_entry(path, change)


def file_gone(lake):
    os.remove(live_files(f"{lake}/processing/events")[0])


def file_cut_short(lake):
    edit(live_files(f"{lake}/curated/doubled")[0], lambda content: content[:len(content) // 2])


def footer_damaged(lake):
    def change(content):
        content[-8:-4] = b"\xff\xff\xff\x7f"
    edit(live_files(f"{lake}/landing/events")[0], change)


def page_bit_flipped(lake):
    def change(content):
        content[len(content) // 5] ^= 4
    edit(live_files(f"{lake}/landing/events_raw")[0], change)


def entry_gone(lake):
    os.remove(one(f"{lake}/processing/events/_delta_log/*.json", 1))


def first_entry_gone(lake):
    os.remove(one(f"{lake}/processing/events/_delta_log/*.json", 0))


def last_entry_gone(lake):
    os.remove(one(f"{lake}/processing/events/_delta_log/*.json", -1))


def last_landing_gone(lake):
    os.remove(one(f"{lake}/landing/events_raw/_delta_log/*.json", -1))


def entry_cut_short(lake):
    edit(one(f"{lake}/landing/events/_delta_log/*.json", -1), lambda content: content[:-40])


def orphan(lake):
    path = f"{lake}/processing/events/0b9dca39-0000-4000-8000-000000000000.parquet"
    shutil.copy(live_files(f"{lake}/processing/events")[0], path)
    os.utime(path, (OLD, OLD))


def manifest_changed(lake):
    edit(one(f"{lake}/landing/events_raw/_files/manifests/*", -1), lambda content: content.replace(b'"rows":', b'"rows": ', 1))


def manifest_gone(lake):
    os.remove(one(f"{lake}/landing/events_raw/_files/manifests/*", -1))


def original_gone(lake):
    os.remove(next(path for path in sorted(glob.glob(f"{lake}/landing/events_raw/_files/*")) if os.path.isfile(path)))


def original_changed(lake):
    path = next(path for path in sorted(glob.glob(f"{lake}/landing/events_raw/_files/*")) if os.path.isfile(path))
    def change(content):
        content[len(content) // 2] ^= 1
    edit(path, change)


def rows_twice(lake):
    table = f"{lake}/processing/events"
    first = live_files(table)[0]
    copy = f"{table}/7f9dca39-0000-4000-8000-000000000000.parquet"
    shutil.copy(first, copy)
    add = next(line["add"] for entry in sorted(glob.glob(f"{table}/_delta_log/*.json")) for line in map(json.loads, open(entry))
               if "add" in line and line["add"]["path"] == os.path.basename(first))
    edit_entry(one(f"{table}/_delta_log/*.json", -1), lambda lines: lines + [{"add": add | {"path": os.path.basename(copy)}}])


def count_edited(lake):
    add_to_count(one(f"{lake}/processing/events/_delta_log/*.json", -1), "read")


def both_counts_edited(lake):
    path = one(f"{lake}/processing/events/_delta_log/*.json", -1)
    add_to_count(path, "read")
    add_to_count(path, "quarantined")


def add_forgotten(lake):
    edit_entry(one(f"{lake}/curated/doubled/_delta_log/*.json", 0), lambda lines: [line for line in lines if "add" not in line])


def quarantine_entry_gone(lake):
    os.remove(one(f"{lake}/quarantine/events/_delta_log/*.json", -1))


def range_edited(lake):
    def change(lines):
        step = lines[0]["commitInfo"]["icecore"]["step"]
        step["seq_after"] += 1
    edit_entry(one(f"{lake}/landing/events/_delta_log/*.json", 1), change)


def seq_mark_edited(lake):
    def change(lines):
        for line in lines:
            if "txn" in line and line["txn"]["appId"] == "icecore.seq":
                line["txn"]["version"] = 1
    edit_entry(one(f"{lake}/landing/events_raw/_delta_log/*.json", -1), change)


# What is planted -> codes of which one at least must be found; whether only --deep finds it.
DAMAGE = [
    (file_gone, {"missing_file"}, False), (file_cut_short, {"file_size"}, False), (footer_damaged, {"corrupt_file"}, False),
    (page_bit_flipped, {"corrupt_file", "statistics"}, True), (entry_gone, {"log_gap"}, False), (first_entry_gone, {"log_gap"}, False),
    (last_entry_gone, {"input_lost", "catalog_ahead"}, False), (last_landing_gone, {"input_lost", "mark_beyond"}, False),
    (entry_cut_short, {"log_entry"}, False), (orphan, {"orphan_file"}, False), (manifest_changed, {"manifest"}, False),
    (manifest_gone, {"manifest"}, False), (original_gone, {"missing_original"}, False), (original_changed, {"corrupt_original"}, True),
    (rows_twice, {"seq_overlap"}, False), (count_edited, {"unbalanced"}, False), (both_counts_edited, {"driver_rows", "quarantine_rows"}, False),
    (add_forgotten, {"unbalanced", "table_rows"}, False), (quarantine_entry_gone, {"quarantine_rows"}, False),
    (range_edited, {"range_gap"}, False), (seq_mark_edited, {"seq_back", "seq_beyond", "unbalanced"}, False),
]


def checked(project: Project, *arguments: str) -> tuple[int, set[str]]:
    done = project.call("check", "--lake", "--json", *arguments)
    try:
        findings = json.loads(done.out)["findings"]
    except (ValueError, KeyError):
        raise Failed(f"check --lake: exit code {done.code}\n{done.says}") from None
    return done.code, {finding["code"] for finding in findings if finding["severity"] == "error"}


def audit_lake(project: Project) -> None:
    """The lake must be sound by its own audit, every value read."""
    code, codes = checked(project, "--deep")
    if code != 0 or codes:
        raise Failed(f"check --lake --deep: {sorted(codes)}\n{project.call('check', '--lake', '--deep').out}")


def planted_damage(flow: Flow, given) -> None:
    """Each damage is found, by its code, and nothing is found before."""
    for _ in range(4):
        flow.add_file(100)
        flow.project.must("run")
    audit_lake(flow.project)
    lake, whole = flow.project.path("lake"), flow.project.path("lake.whole")
    os.rename(lake, whole)
    for plant, expected, deep in DAMAGE:
        shutil.rmtree(lake, ignore_errors=True)
        shutil.copytree(whole, lake)
        plant(lake)
        code, codes = checked(flow.project, *(["--deep"] if deep else []))
        if code != 1 or not codes & expected:
            raise Failed(f"{plant.__name__}: exit code {code}, found {sorted(codes)}, expected one of {sorted(expected)}")
        if deep and checked(flow.project)[0] != 0:
            raise Failed(f"{plant.__name__}: found without --deep, which the test takes for impossible")
    shutil.rmtree(lake)
    os.rename(whole, lake)
    flow.audit()


def upkeep(flow: Flow, given) -> None:
    """Compaction, clustering and vacuum killed at any moment, beside runs; nothing is lost, nothing twice."""
    import random
    import subprocess
    chance = random.Random(f"{given.seed}/upkeep")
    flow.add_file(300)
    flow.project.must("run")
    for turn in range(12):
        flow.add_file(chance.choice([20, 200]))
        running = flow.project.start("run")
        command = chance.choice([["compact"], ["compact", "curated.doubled", "--cluster"], ["compact", "processing.events", "--cluster-by", "user_id,happened_at"],
                                 ["vacuum", "--retention", "24h"], ["check", "--lake"]])
        other = flow.project.start(*command)
        if command[0] != "check":
            try:
                other.wait(timeout=chance.uniform(0.02, 0.5))
            except subprocess.TimeoutExpired:
                other.kill()
        ended = flow.project.end(other)
        if ended.code not in (0, -9):
            raise Failed(f"{' '.join(command)} beside a run: exit code {ended.code}\n{ended.says}")
        done = flow.project.end(running)
        if done.code != 0:
            raise Failed(f"run beside {' '.join(command)}: exit code {done.code}\n{done.says}")
        if turn % 4 == 3:
            flow.project.must("run")
            audit_lake(flow.project)
    flow.project.must("run")
    flow.project.must("compact")
    flow.project.must("vacuum", "--retention", "0s", "--force")
    flow.audit()
    audit_lake(flow.project)
