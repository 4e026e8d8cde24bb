#!/usr/bin/env python3
"""Tables that other writers left, read by us: rows, types, values; invalid ones are refused with a reason.

    .deps/venv/bin/python tests/integration/golden/run.py [--icecore build/dev/bin/icecore] [--asked BINARY] [NAME…]

Each data/NAME.tar.zst holds a table in NAME/delta and, where it can be read, its rows as Parquet in
NAME/expected. Hundreds of questions about parts of them go to --asked, where that is given. Last line: `N passed, N failed`.
"""
import argparse
import datetime
import decimal
import glob
import json
import math
import os
import subprocess
import sys
import tarfile
import tempfile
import traceback

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))

# What the error must say.
REFUSED = {
    "deltalog-commit-info": "schemaString",
    "deltalog-invalid-protocol-version": "reader version 99",
    "deltalog-state-reconstruction-from-checkpoint-missing-protocol": "no protocol",
    "deltalog-state-reconstruction-without-protocol": "no protocol",
    "no-delta-log-folder": "no table",
}
# Without expected/: every file was removed again.
EMPTY = {"canonicalized-paths-normal-b", "canonicalized-paths-special-b"}


def extract(archive, folder):
    with pa.CompressedInputStream(pa.OSFile(archive), "zstd") as stream:
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                if not (member.isfile() or member.isdir()) or ".." in member.name.split("/"):
                    raise ValueError(f"{archive}: {member.name} is no plain file or folder")
                tar.extract(member, folder)


def icecore_rows(icecore, table, out, query="select * from {}"):
    place = table.replace("'", "''")
    done = subprocess.run([icecore, "-C", os.path.dirname(out), "--json", "sql",
                           query.replace("{}", f"delta('{place}')"), "--out", out],
                          capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def literal(value):
    """A value as SQL says it; None where no condition on it goes down to the reader."""
    if isinstance(value, (bool, bytes)) or value in (math.inf, -math.inf) or value != value:
        return None
    if isinstance(value, (int, float, decimal.Decimal)):
        return repr(value) if not isinstance(value, decimal.Decimal) else str(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, datetime.datetime):
        return f"timestamp '{value.strftime('%Y-%m-%d %H:%M:%S.%f')}'"
    return f"date '{value.isoformat()}'" if isinstance(value, datetime.date) else None


def check_parts(icecore, table, out, got):
    """Single columns and conditions, which go down to the reader, give what they give over all rows."""
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    con.register("whole", got)
    asked = 0
    for number, field in enumerate(got.schema):
        name = '"' + field.name.replace('"', '""') + '"'
        values = [v for v in got.column(field.name).to_pylist() if v is not None]
        texts = sorted({literal(v) for v in values} - {None}) if not pa.types.is_nested(field.type) else []
        conditions = [f"{name} is {'not ' if number % 2 else ''}null"]
        if texts:
            middle = texts[len(texts) // 2]
            conditions += [f"{name} = {middle}", [f"{name} < {middle}", f"{name} >= {middle}"][number % 2]]
        for condition in conditions:
            query = f"select count(*) as n, count({name}) as c from {{}} where {condition}"
            os.path.exists(out) and os.unlink(out)
            code, said = icecore_rows(icecore, table, out, query)
            assert code == 0, (query, said)
            have = pq.read_table(out).to_pylist()
            want = con.execute(query.replace("{}", "whole")).fetchone()
            assert have == [{"n": want[0], "c": want[1]}], (query, have, want)
            asked += 1
    return asked


def plain_type(kind):
    """Without nullability and names of list items and map entries; timestamps as microseconds."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(plain_type(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, plain_type(f.type)) for f in kind])
    return kind


def instants(kind):
    """INT96 has no zone in the file; every one is an instant."""
    return pa.timestamp("us", "UTC") if pa.types.is_timestamp(kind) else kind


def expected_rows(folder):
    tables = []
    for file in sorted(glob.glob(glob.escape(folder) + "/*.parquet")):
        raw = pq.ParquetFile(file)
        int96 = {raw.schema.column(i).path for i in range(len(raw.schema))
                 if raw.schema.column(i).physical_type == "INT96"}
        table = pq.ParquetFile(file, coerce_int96_timestamp_unit="us").read()
        fields = [pa.field(f.name, instants(f.type) if f.name in int96 else plain_type(f.type))
                  for f in table.schema]
        tables.append(table.cast(pa.schema(fields)))
    return pa.concat_tables(tables)


def in_order(table):
    return sorted((json.dumps(row, default=repr, sort_keys=True) for row in table.to_pylist()))


def check(icecore, asked, archive):
    name = os.path.basename(archive).removesuffix(".tar.zst")
    with tempfile.TemporaryDirectory(prefix="icecore-golden-") as folder:
        extract(archive, folder)
        out = os.path.join(folder, "rows.parquet")
        code, said = icecore_rows(icecore, os.path.join(folder, name, "delta"), out)
        if name in REFUSED:
            assert code == 1 or code == 2, (code, said)
            assert REFUSED[name] in said, said
            assert not os.path.exists(out)
            return
        assert code == 0, said
        got = pq.read_table(out)
        if name in EMPTY:
            assert got.num_rows == 0 and got.schema.names == ["id"], got
            return
        want = expected_rows(os.path.join(folder, name, "expected"))
        assert got.schema.names == want.schema.names, (got.schema.names, want.schema.names)
        for have, wanted in zip(got.schema, want.schema):
            assert plain_type(have.type) == wanted.type, (have, wanted)
        assert got.num_rows == want.num_rows, (got.num_rows, want.num_rows)
        for have, wanted in zip(in_order(got), in_order(want)):
            assert have == wanted, f"\n{have}\n{wanted}"
        assert check_parts(asked, os.path.join(folder, name, "delta"), out, got) > 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--icecore", default=os.path.join(ROOT, "build/dev/bin/icecore"))
    parser.add_argument("--asked")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    archives = sorted(glob.glob(os.path.join(HERE, "data", "*.tar.zst")))
    assert archives
    passed = failed = 0
    for archive in archives:
        name = os.path.basename(archive).removesuffix(".tar.zst")
        if arguments.names and name not in arguments.names:
            continue
        try:
            check(arguments.icecore, arguments.asked or arguments.icecore, archive)
            passed += 1
            print(f"ok      {name}")
        except Exception:
            failed += 1
            traceback.print_exc(file=sys.stdout)
            print(f"FAILED  {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
