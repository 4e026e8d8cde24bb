"""A lake after every kind of operation, for the runners that let other engines open it.

`prepare` runs a project from its first file on: appends, merges, tables computed whole with and without a key, rejected
rows, columns that appear and become wider, new generations, checkpoints, compaction, sorted runs, vacuum, restore.
"""
import fcntl
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import compare  # noqa: E402
from project import Failed, Project  # noqa: E402

DEFINITIONS = """\
source: events
from:
  files: {path: "data/events-*.csv", format: csv}
contract:
  columns:
    - {name: id, type: int64, required: true}
    - {name: at, type: timestamp}
    - {name: wall, type: local_timestamp}
    - {name: day, type: date}
    - {name: price, type: "decimal(12,2)"}
    - {name: x, type: float64, between: [-100, 1e300]}
    - {name: f, type: float32}
    - {name: small, type: uint8}
    - {name: huge, type: uint64}
    - {name: flag, type: bool}
    - {name: name, type: string}
---
source: nested
from:
  files: {path: "data/nested.parquet", format: parquet}
---
source: grown
from:
  files: {path: "data/grown-*.parquet", format: parquet}
contract:
  new_columns: evolve
---
table: events
zone: processing
sql: select * from landing.events
mode: append
checks: [{expect: "name <> 'bad'", name: not_bad}]
---
table: nested
zone: curated
sql: select id, tags, place from landing.nested
mode: append
---
table: totals
zone: curated
sql: select name, count(*) as n, sum(x) as total from processing.events group by name
mode: replace
---
table: named
zone: processing
sql: select * from landing.events
mode: merge
key: [name]
order_by: x
---
table: kept
zone: curated
sql: select flag, count(*) as n, max("at") as newest from processing.events where flag is not null group by flag
mode: replace
key: [flag]
---
table: rebuilt
zone: curated
sql: select id, name from landing.events
mode: append
---
table: restored
zone: curated
sql: select id, name from landing.events
mode: append
---
table: sorted
zone: curated
sql: select id, name, "at" from landing.events
mode: append
---
table: small
zone: curated
sql: select id, x, name from landing.events
mode: append
"""
HEADER = "id,at,wall,day,price,x,f,small,huge,flag,name\n"
FIRST = HEADER + """\
1,2024-01-01T00:00:00.000001Z,2024-01-01T00:00:00,2024-02-29,12345678.90,0.1,0.1,255,18446744073709551615,true,one
2,1969-12-31T23:59:59Z,1900-01-01T00:00:00,1900-01-01,-0.01,-0.0,,0,0,false,"quo""ted, and
broken"
,,,,,,,,,,nothing
3,,,,,,,,,,
4,2024-01-01T00:00:00Z,,,,1e300,,,,,bad
"""
SECOND = HEADER + "5,2024-06-01T00:00:00Z,,,0.00,NaN,1e30,1,1,true,ä\nx,,,,,,,,,,\n"
RUNS = 12           # so many that tables get a checkpoint
MOST_VERSIONS = 16  # of a table that are compared


def line(number: int) -> str:
    return f"{number},2024-05-{number % 28 + 1:02}T00:00:00.25Z,,,{number}.5,{number},,,,{number % 2 == 0},n{number % 7}\n"


def set_day(project: Project, day: int) -> None:
    project.write("icecore.yaml", f"language: 1\nproject: openers\nnow: 2024-07-{day:02}T00:00:00Z\n")


def write_rows(project: Project, name: str, **columns) -> None:
    pq.write_table(pa.table({column: pa.array(values, kind) for column, (kind, values) in columns.items()}),
                   project.path(f"data/{name}.parquet"))


def prepare(icecore: str, folder: str) -> Project:
    project = Project(icecore, folder)
    set_day(project, 1)
    project.write("definitions/all.yaml", DEFINITIONS)
    project.write("data/events-01.csv", FIRST)
    place = pa.struct([("x", pa.float64()), ("y", pa.string())])
    write_rows(project, "nested", id=(pa.int64(), [1, 2]), tags=(pa.list_(pa.string()), [["a", None], None]),
               place=(place, [{"x": 1.5, "y": None}, None]))
    write_rows(project, "grown-1", i=(pa.int32(), [1, None]), f=(pa.float32(), [0.1, -1.5]))
    project.must("apply")
    project.must("run")
    project.write("data/events-02.csv", SECOND)
    write_rows(project, "grown-2", i=(pa.int64(), [5_000_000_000]), f=(pa.float64(), [0.1]), late=(pa.string(), ["z"]))
    project.must("run")
    project.must("restore", "curated.restored", "--to", "0")
    project.must("run")
    for number in range(3, RUNS + 1):
        project.write(f"data/events-{number:02}.csv", HEADER + line(number) + line(number + 100))
        project.must("run", "+curated.small")
    project.must("run")
    project.must("compact", "curated.sorted", "--cluster-by", "name,at")
    project.must("compact", "curated.small")
    set_day(project, 2)
    project.must("vacuum", "curated.small", "--retention", "0s", "--force")
    project.write("data/events-99.csv", HEADER + line(99))
    project.write("definitions/all.yaml",
                  DEFINITIONS.replace("select id, name from landing.events", "select id, name || '!' as name, id * 2 as twice"
                                      " from landing.events", 1))
    project.must("apply")
    project.must("run")
    return project


def reader_of(icecore: str) -> str:
    """The tests that read and write tables for us; beside the binary, or where ICECORE_TESTS_OF says."""
    return os.path.join(os.environ.get("ICECORE_TESTS_OF") or os.path.dirname(os.path.abspath(icecore)), "icecore_lake_test")


def write_library_tables(reader: str, folder: str) -> None:
    """What definitions cannot ask for yet: partitions, every type, deletes, log clean-up (interop*_test.cc)."""
    subprocess.run([reader, "--gtest_filter=Interop*:WritersTest.Eight*:-InteropReadTest.*", "--gtest_brief=1"], check=True, timeout=300,
                   env={**os.environ, "ICECORE_DELTA_DIR": folder}, stdout=sys.stderr)


@dataclass
class Table:
    """A table that we wrote; each version as our reader reads it, in the types in which it rests. None: its files are gone."""
    name: str
    folder: str
    versions: dict[int, pa.Table | None]

    @property
    def newest(self) -> pa.Table:
        return self.versions[max(self.versions)]


def folders_of_tables(folder: str) -> list[str]:
    return sorted(place for place, below, _ in os.walk(folder) if "_delta_log" in below)


def versions_of(folder: str) -> list[int]:
    """The oldest that entries or a checkpoint tell, and the newest ones."""
    names = [name.split(".") for name in os.listdir(os.path.join(folder, "_delta_log"))]
    entries = [int(parts[0]) for parts in names if parts[1:] == ["json"]]
    checkpoints = [int(parts[0]) for parts in names if parts[1:] == ["checkpoint", "parquet"]]
    oldest = 0 if 0 in entries else min(checkpoints)
    versions = list(range(oldest, max(entries) + 1))
    return versions if len(versions) <= MOST_VERSIONS else versions[:1] + versions[1 - MOST_VERSIONS:]


def make(icecore: str, scratch: str) -> list[Table]:
    """Every table below the folder `scratch`. Who comes second, or meanwhile, gets what the first has made."""
    os.makedirs(scratch, exist_ok=True)
    whole = os.path.abspath(os.path.join(scratch, "whole"))
    with open(os.path.join(scratch, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(f"{whole}/tables.json"):
            return load(whole)
        shutil.rmtree(whole, ignore_errors=True)
        os.makedirs(whole)
        tables, paths = make_anew(icecore, whole)
        with open(f"{whole}/tables.new", "w") as out:
            json.dump([[table.name, table.folder, {version: paths[table.folder, version] for version in table.versions}]
                       for table in tables], out)
        os.rename(f"{whole}/tables.new", f"{whole}/tables.json")
        return tables


def load(whole: str) -> list[Table]:
    with open(f"{whole}/tables.json") as made:
        return [Table(name, folder, {int(version): rows_in(path) for version, path in paths.items()})
                for name, folder, paths in json.load(made)]


def rows_in(path: str) -> pa.Table | None:
    return compare.as_stored(compare.load(path)) if os.path.exists(path) else None


def make_anew(icecore: str, scratch: str) -> tuple[list[Table], dict]:
    """The tables, and the file of each one's version as our reader reads it."""
    reader = reader_of(icecore)
    project = prepare(icecore, os.path.join(scratch, "project"))
    library = os.path.join(scratch, "library")
    os.makedirs(library)
    write_library_tables(reader, library)
    tables, requests, paths = [], {}, {}
    for root in (project.path("lake"), library):
        for folder in folders_of_tables(root):
            table = Table(os.path.relpath(folder, root).replace(os.sep, "."), folder, {})
            tables.append(table)
            requests |= {f"rows {folder} {version}": (table, version) for version in versions_of(folder)}
    outputs = os.path.join(scratch, "ours")
    os.makedirs(outputs)
    for request, path in compare.read_ours(reader, requests, outputs).items():
        table, version = requests[request]
        paths[table.folder, version], table.versions[version] = path, rows_in(path)
        if table.versions[version] is None and "is gone" not in reason(path) and "o such file" not in reason(path):
            raise Failed(f"{table.name}, version {version}: {reason(path)}")
    check_kinds(project, tables)
    return tables, paths


def reason(path: str) -> str:
    with open(path + ".error") as error:
        return error.read()


def check_kinds(project: Project, tables: list[Table]) -> None:
    """The lake has what its makers claim: every zone, every operation, checkpoints; all newest versions are whole."""
    zones = {table.name.split(".")[0] for table in tables if table.folder.startswith(project.path("lake"))}
    if zones != {"landing", "processing", "curated", "history", "quarantine"}:
        raise Failed(f"tables in the zones {sorted(zones)}")
    unread = [table.name for table in tables if table.newest is None]
    operations = set()
    for table in tables:
        for entry in os.listdir(os.path.join(table.folder, "_delta_log")):
            if entry.endswith(".json"):
                with open(os.path.join(table.folder, "_delta_log", entry)) as lines:
                    operations |= {json.loads(line)["commitInfo"]["operation"] for line in lines if '"commitInfo"' in line}
    missing = {"LAND", "CONTRACT", "APPEND", "REPLACE", "VERSIONS", "MERGE", "QUARANTINE", "OPTIMIZE", "VACUUM START", "RESTORE",
               "WRITE", "CHANGE COLUMN"} - operations
    if unread or missing:
        raise Failed(f"not readable: {unread}; operations that are missing: {sorted(missing)} of {sorted(operations)}")
    for table in tables:
        if not table.folder.startswith(project.path("lake")):
            continue
        if project.value(f"select count(*) as n from {table.name}") != table.newest.num_rows:
            raise Failed(f"icecore sql reads other rows of {table.name} than the reader")
