#!/usr/bin/env python3
"""Tables that we write, read by deltalake (delta-rs): rows, types, statistics, metadata.

    .deps/venv/bin/python tests/integration/delta/run.py [--icecore build/dev/bin/icecore]

The binary leaves the tables (src/icecore/lake/interop_test.cc, interop_write_test.cc); the values are computed here again by the
same formulas. Last line: `N passed, N failed`.
"""
import argparse
import datetime
import decimal
import json
import math
import os
import subprocess
import sys
import tempfile
import traceback

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
ROWS = range(1, 11)


def micros(value):
    return EPOCH + datetime.timedelta(microseconds=value)


def or_null(formula):
    return lambda i: None if i % 3 == 0 else formula(i)


# Column -> (type as it rests, value of row i), as interop_test.cc writes them.
TYPES = {
    "_seq": (pa.int64(), lambda i: i),
    "b": (pa.bool_(), or_null(lambda i: i % 2 == 0)),
    "i8": (pa.int8(), or_null(lambda i: -3 * i)),
    "i16": (pa.int16(), or_null(lambda i: -300 * i)),
    "i32": (pa.int32(), or_null(lambda i: -70_000 * i)),
    "i64": (pa.int64(), or_null(lambda i: -5_000_000_000 * i)),
    "u8": (pa.int16(), or_null(lambda i: 20 * i)),
    "u16": (pa.int32(), or_null(lambda i: 6_000 * i)),
    "u32": (pa.int64(), or_null(lambda i: 400_000_000 * i)),
    "u64": (pa.decimal128(20, 0), or_null(lambda i: decimal.Decimal(2**64 - 1 - i))),
    "f": (pa.float32(), or_null(lambda i: i + 0.25)),
    "d": (pa.float64(), or_null(lambda i: float(f"{i}.1"))),
    "nan": (pa.float64(), lambda i: math.nan if i % 5 == 0 else 1.5),
    "dec": (pa.decimal128(12, 2), or_null(lambda i: decimal.Decimal(f"{i}.05"))),
    "s": (pa.string(), or_null(lambda i: f"tëxt \U0001f6eb {i}")),
    "long_text": (pa.string(), lambda i: "z" * 40 + str(i)),
    "bin": (pa.binary(), or_null(lambda i: f"bytes{i}".encode())),
    "date": (pa.date32(), or_null(lambda i: (EPOCH + datetime.timedelta(days=1000 * i)).date())),
    "time": (pa.int64(), or_null(lambda i: 1_000_001 * i)),
    "ts": (pa.timestamp("us", "UTC"), or_null(lambda i: micros(1_385_899_200_000_000 + 1_001 * i))),
    "list": (pa.list_(pa.int64()), or_null(lambda i: [i, None])),
    "embedding": (pa.list_(pa.float32()), or_null(lambda i: [float(i), 0.5])),
    "map": (pa.map_(pa.string(), pa.int64()), or_null(lambda i: [("k", i)])),
    "struct": (pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))]),
               or_null(lambda i: {"a": i, "b": [str(i)]})),
}


def same(a, b):
    return a == b or (isinstance(a, float) and isinstance(b, float) and math.isnan(a) and math.isnan(b))


def rows_by_seq(table):
    return table.to_pyarrow_table().sort_by("_seq")


def check_types_and_rows(folder):
    rows = rows_by_seq(DeltaTable(f"{folder}/types"))
    assert rows.num_rows == len(ROWS), rows.num_rows
    assert rows.schema.names == list(TYPES), rows.schema.names
    for name, (kind, formula) in TYPES.items():
        assert rows.schema.field(name).type == kind, (name, rows.schema.field(name).type, kind)
        for i, value in zip(ROWS, rows.column(name).to_pylist()):
            assert same(value, formula(i)), (name, i, value, formula(i))


def check_metadata(folder):
    table = DeltaTable(f"{folder}/types")
    protocol = table.protocol()
    assert (protocol.min_reader_version, protocol.min_writer_version) == (1, 7), protocol
    assert set(protocol.writer_features) == {"appendOnly", "invariants", "domainMetadata", "inCommitTimestamp"}
    assert table.version() == 2
    assert table.transaction_version("icecore.seq") == len(ROWS)
    fields = {f["name"]: f for f in json.loads(table.schema().to_json())["fields"]}
    assert fields["_seq"]["nullable"] is False
    assert fields["u64"]["metadata"]["icecore.type"] == "uint64", fields["u64"]
    assert fields["embedding"]["metadata"]["icecore.type"] == "embedding(2)", fields["embedding"]
    assert fields["s"]["metadata"]["unit"] == "none"
    ids = [f["metadata"]["icecore.id"] for f in fields.values()]
    assert len(set(ids)) == len(ids)
    history = table.history()
    assert [h["operation"] for h in history] == ["WRITE", "WRITE", "CREATE TABLE"], history
    assert history[0]["operationMetrics"]["rows_written"] == "5", history[0]


def check_statistics(folder):
    files = pa.table(DeltaTable(f"{folder}/types").get_add_actions(flatten=True)).to_pylist()
    files.sort(key=lambda f: f["min._seq"])
    assert [f["num_records"] for f in files] == [5, 5]
    for first, file in zip((1, 6), files):
        for name, (kind, formula) in TYPES.items():
            values = [formula(i) for i in range(first, first + 5)]
            known = [v for v in values if v is not None]
            if pa.types.is_struct(kind):
                assert file[f"null_count.{name}.a"] == 5 - len(known), (name, file)
                assert file[f"min.{name}.a"] == min(v["a"] for v in known)
                continue
            if file.get(f"null_count.{name}") is not None:
                assert file[f"null_count.{name}"] == 5 - len(known), (name, file)
            low, high = file.get(f"min.{name}"), file.get(f"max.{name}")
            if name == "nan" or pa.types.is_binary(kind) or pa.types.is_nested(kind):
                assert low is None and high is None, (name, low, high)
            elif name == "long_text":
                assert low == "z" * 32 and high == "z" * 31 + "{", (low, high)
            elif name == "ts":
                assert low <= min(known) and high >= max(known), (name, low, high)
                assert high - max(known) < datetime.timedelta(milliseconds=1)
            elif name != "b":
                assert low == min(known) and high == max(known), (name, low, high, known)


def check_field_ids(folder):
    table = DeltaTable(f"{folder}/types")
    fields = {f["name"]: f for f in json.loads(table.schema().to_json())["fields"]}
    for uri in table.file_uris():
        schema = pq.read_schema(uri.removeprefix("file://"))
        for field in schema:
            written = int(field.metadata[b"PARQUET:field_id"])
            assert written == int(fields[field.name]["metadata"]["icecore.id"]), field
        assert b"PARQUET:field_id" in schema.field("list").type.value_field.metadata
        assert b"PARQUET:field_id" in schema.field("map").type.item_field.metadata


def check_time_travel(folder):
    assert rows_by_seq(DeltaTable(f"{folder}/types", version=1)).num_rows == 5
    assert rows_by_seq(DeltaTable(f"{folder}/types", version=0)).num_rows == 0


def check_wall_times(folder):
    table = DeltaTable(f"{folder}/wall")
    assert table.protocol().min_reader_version == 3
    rows = rows_by_seq(table)
    assert rows.schema.field("wall").type == pa.timestamp("us"), rows.schema
    wanted = [micros(1_000_001 * i).replace(tzinfo=None) for i in range(1, 6)]
    assert rows.column("wall").to_pylist() == wanted


def check_checkpoint(folder):
    log = os.listdir(f"{folder}/checkpointed/_delta_log")
    assert "00000000000000000000.json" not in log, "the first entries are gone"
    table = DeltaTable(f"{folder}/checkpointed")
    rows = rows_by_seq(table)
    wanted = [i for i in range(1, 101) if not 6 <= i <= 10]
    assert rows.column("_seq").to_pylist() == wanted
    assert rows.column("added").to_pylist() == [f"n{i}" if i > 30 else None for i in wanted]
    assert len(table.file_uris()) == 19
    assert table.transaction_version("icecore.seq") == 100


def check_partitions(folder):
    # Decimals above zero only: deltalake 1.6 prints -0.01 as "0.-1" and cannot read that.
    table = DeltaTable(f"{folder}/partitioned")
    rows = rows_by_seq(table).to_pylist()
    plain = {"text": "plain", "number": 1, "flag": True, "day": datetime.date(1970, 1, 1), "at": EPOCH,
             "amount": decimal.Decimal("1.50"), "ratio": 0.5, "bytes": b"b"}
    odd = {"text": "a=b/c%20d ü'\"\\{}:?#", "number": -7, "flag": False, "day": datetime.date(1969, 12, 31),
           "at": micros(1_234_567), "amount": decimal.Decimal("1234.07"), "ratio": 1e-7, "bytes": b"x y"}
    wanted = [{"_seq": 1, **plain}, {"_seq": 2, **odd}, {"_seq": 3, **dict.fromkeys(plain)}, {"_seq": 4, **plain}]
    assert rows == wanted, rows
    assert table.metadata().partition_columns == list(plain)
    filtered = table.to_pyarrow_table(filters=[("number", "=", -7)])
    assert filtered.column("_seq").to_pylist() == [2], filtered


def check_merge_and_delete(folder):
    table = DeltaTable(f"{folder}/merged")
    rows = rows_by_seq(table)
    wanted = [(i, i * 10, "old") for i in range(1, 21) if i not in (5, 15)]
    wanted += [(31, 50, "new"), (32, 150, "new"), (33, 999, "new")]
    assert list(zip(*(rows.column(name).to_pylist() for name in ("_seq", "k", "v")))) == wanted
    assert DeltaTable(f"{folder}/merged", version=3).to_pyarrow_table().num_rows == 30
    assert sum(pa.table(table.get_add_actions(flatten=True)).column("num_records").to_pylist()) == 21


def check_wider_types(folder):
    rows = rows_by_seq(DeltaTable(f"{folder}/widened"))
    assert rows.schema.field("i").type == pa.int64() and rows.schema.field("f").type == pa.float64()
    assert rows.column("i").to_pylist() == [-7, 5_000_000_000, None]
    assert rows.column("f").to_pylist() == [0.5, 0.1, None]


def check_log_cleanup(folder):
    log = os.listdir(f"{folder}/cleaned/_delta_log")
    assert "00000000000000000000.json" not in log, "the first entries are gone"
    table = DeltaTable(f"{folder}/cleaned")
    assert rows_by_seq(table).column("_seq").to_pylist() == list(range(1, 51))
    assert table.transaction_version("icecore.seq") == 50


def check_a_writer_without_our_features_is_refused(folder):
    table = DeltaTable(f"{folder}/checkpointed")
    try:
        write_deltalake(table, table.to_pyarrow_table().slice(0, 1), mode="append")
    except DeltaError as error:
        assert "InCommitTimestamp" in str(error), error
    else:
        raise AssertionError("deltalake wrote rows without a _seq of ours")


def check_eight_writers(folder):
    """Processes that wrote at once (writers_test.cc): nothing lost, nothing twice."""
    numbered = rows_by_seq(DeltaTable(f"{folder}/writersEightWhoseEveryCommitConflicts/t"))
    assert numbered.column("_seq").to_pylist() == list(range(1, 65)), numbered.column("_seq")
    free = DeltaTable(f"{folder}/writersEightAppendSideBySide/t")
    wanted = [1000 * writer + i for writer in range(8) for i in range(1, 16)]
    assert rows_by_seq(free).column("_seq").to_pylist() == wanted
    assert free.version() == 120
    assert [free.transaction_version(f"writer{writer}") for writer in range(8)] == [15] * 8


CHECKS = [check_types_and_rows, check_metadata, check_statistics, check_field_ids, check_time_travel,
          check_wall_times, check_checkpoint, check_partitions, check_merge_and_delete, check_wider_types,
          check_log_cleanup, check_eight_writers, check_a_writer_without_our_features_is_refused]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--icecore", default=os.path.join(ROOT, "build/dev/bin/icecore"),
                        help="its folder holds icecore_lake_test, which writes the tables")
    arguments = parser.parse_args()
    writer = os.path.join(os.environ.get("ICECORE_TESTS_OF") or os.path.dirname(arguments.icecore), "icecore_lake_test")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="icecore-delta-") as folder:
        subprocess.run([writer, "--gtest_filter=Interop*:WritersTest.Eight*", "--gtest_brief=1"], check=True,
                       env={**os.environ, "ICECORE_DELTA_DIR": folder}, timeout=120)
        for check in CHECKS:
            try:
                check(folder)
                print(f"ok      {check.__name__}")
            except Exception:
                failed += 1
                traceback.print_exc(file=sys.stdout)
                print(f"FAILED  {check.__name__}")
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # deltalake's threads may abort an orderly exit.
    os._exit(code)
