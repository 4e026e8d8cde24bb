#!/usr/bin/env python3
"""Other engines open every table of every zone as it rests: the same rows as `icecore sql` gives.

    run.py --icecore BINARY

deltalake reads by the protocol; DuckDB counts values in the files that deltalake names, as a second pair of eyes.
Last line: `N passed, N failed`.
"""
import argparse
import decimal
import os
import sys
import tempfile
from collections import Counter

import duckdb
import pyarrow as pa
import pyarrow.parquet
from deltalake import DeltaTable

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(os.path.dirname(HERE)))
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


def prepared(icecore: str, folder: str) -> Project:
    project = Project(icecore, folder)
    project.write("icecore.yaml", "language: 1\nproject: openers\nnow: 2024-07-01T00:00:00Z\n")
    project.write("definitions/all.yaml", DEFINITIONS)
    project.write("data/events-1.csv", FIRST)
    place = pa.array([{"x": 1.5, "y": None}, None], pa.struct({"x": pa.float64(), "y": pa.string()}))
    pa.parquet.write_table(pa.table({"id": [1, 2], "tags": [["a", None], None], "place": place}),
                           project.path("data/nested.parquet"))
    project.must("apply")
    project.must("run")
    project.write("data/events-2.csv", SECOND)
    project.must("run")
    return project


def tables_of(project: Project) -> list[tuple[str, str]]:
    """(full name, folder) of everything with a Delta log."""
    found = []
    for folder, subfolders, _ in os.walk(project.path("lake")):
        if "_delta_log" in subfolders:
            found.append((os.path.relpath(folder, project.path("lake")).replace(os.sep, "."), folder))
    return sorted(found)


def rows_of(table: pa.Table, names: list[str]) -> Counter:
    """The rows as a bag; types of one family count as one, NaN equals NaN."""
    return Counter(repr([normal(row[name]) for name in names]) for row in table.select(names).to_pylist())


def normal(value):
    if isinstance(value, list):
        return [normal(one) for one in value]
    if isinstance(value, dict):
        return {name: normal(one) for name, one in value.items()}
    if isinstance(value, decimal.Decimal) and value == value.to_integral_value():
        return int(value)                       # a uint64 rests as decimal(20,0)
    if hasattr(value, "tzinfo") and value.tzinfo is not None:
        return value.replace(tzinfo=None).isoformat() + "Z"
    return value


def check_table(project: Project, name: str, folder: str) -> None:
    delta = DeltaTable(folder)
    got = delta.to_pyarrow_table()
    names = got.column_names
    ours = project.sql("select " + ", ".join(f'"{column}"' for column in names) + f" from {name}")
    expected = rows_of(ours, names)
    if rows_of(got, names) != expected:
        raise Failed(f"deltalake reads {got.num_rows} rows, sql {ours.num_rows}; "
                     f"differences {list((rows_of(got, names) - expected) | (expected - rows_of(got, names)))[:3]}")
    uris = delta.file_uris()
    if uris:
        counts = "select count(*), " + ", ".join(f'count("{column}")' for column in names)
        through_duckdb = duckdb.execute(f"{counts} from read_parquet(?, union_by_name=true)", [uris]).fetchone()
        expected_counts = (ours.num_rows, *(ours.num_rows - ours.column(column).null_count for column in names))
        if through_duckdb != expected_counts:
            raise Failed(f"DuckDB counts {through_duckdb}, sql {expected_counts}")


def check_versions(project: Project, name: str, folder: str) -> None:
    """Every version that sql reads has as many rows in deltalake."""
    for version in range(DeltaTable(folder).version() + 1):
        theirs = DeltaTable(folder, version=version).count()
        ours = project.value(f"select count(*) as n from {name}@{version}")
        if theirs != ours:
            raise Failed(f"version {version}: deltalake counts {theirs} rows, sql {ours}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Opens every table with other engines.")
    parser.add_argument("--icecore", required=True)
    given = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="openers-") as temporary:
        try:
            project = prepared(given.icecore, os.path.join(temporary, "project"))
            tables = tables_of(project)
            zones = {name.split(".")[0] for name, _ in tables}
            if zones != {"landing", "processing", "curated", "history", "quarantine"}:
                raise Failed(f"tables in the zones {sorted(zones)}")
        except Failed as wrong:
            print(f"FAIL {wrong}\n0 passed, 1 failed")
            return 1
        for name, folder in tables:
            for check in (check_table, check_versions):
                try:
                    check(project, name, folder)
                    passed += 1
                except Exception as error:  # a check that could not run has failed
                    failed += 1
                    print(f"FAIL {check.__name__} {name}: {type(error).__name__}: {error}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
