#!/usr/bin/env python3
"""Tables written by deltalake (delta-rs), and logs put together by hand, read through `icecore sql`.

    .deps/venv/bin/python tests/integration/foreign/run.py [--icecore build/dev/bin/icecore] [NAME…]

Rows are compared with what deltalake reads of the same table, or with what was written. Last line:
`N passed, N failed`.
"""
import argparse
import datetime
import decimal
import glob
import json
import os
import shutil
import sys
import tempfile
import traceback
import urllib.parse

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
sys.path.insert(0, HERE)
import asked_parts  # noqa: E402
import odd_files  # noqa: E402
import odd_logs  # noqa: E402
from foreign_table import Icecore, appended, clean_up, entries, ids, log, same, version_name, write_entries  # noqa: E402

UTC = datetime.timezone.utc


def checkpoint_rows(path, version):
    return pq.read_table(log(path, version_name(version, "checkpoint.parquet")))


def v2_protocol(rows):
    """The rows with a protocol that has v2Checkpoint."""
    out = []
    for row in rows.to_pylist():
        if row["protocol"]:
            row["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7,
                               "readerFeatures": ["v2Checkpoint"], "writerFeatures": ["v2Checkpoint"]}
        out.append(row)
    return out


def file_rows(rows):
    return [r for r in rows if r["add"] or r["remove"]]


def without_maps(value):
    """Maps as pyarrow gives them (lists of pairs) as JSON has them."""
    if isinstance(value, list) and value and all(isinstance(v, tuple) and len(v) == 2 for v in value):
        return {k: without_maps(v) for k, v in value}
    if isinstance(value, dict):
        return {k: without_maps(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_maps(v) for v in value]
    return value


SIDECAR = pa.struct([("path", pa.string()), ("sizeInBytes", pa.int64()), ("modificationTime", pa.int64()),
                     ("tags", pa.map_(pa.string(), pa.string()))])


def to_v2(path, version, form, parts):
    """The checkpoint of the version as a V2 one, its files in `parts` sidecars (0: in itself)."""
    classic = checkpoint_rows(path, version)
    schema = classic.schema
    rows = v2_protocol(classic)
    files, others = file_rows(rows), [r for r in rows if not (r["add"] or r["remove"])]
    os.makedirs(log(path, "_sidecars"), exist_ok=True)
    sidecars = []
    for part in range(parts):
        name = f"sidecar {part}.parquet"
        file = log(path, "_sidecars/" + name)
        fields = pa.schema([schema.field("add"), schema.field("remove")])
        pq.write_table(pa.Table.from_pylist([{k: r[k] for k in ("add", "remove")} for r in files[part::parts]],
                                            fields), file)
        sidecars.append({"path": urllib.parse.quote(name), "sizeInBytes": os.path.getsize(file),
                         "modificationTime": 1, "tags": []})
    kept = others if parts else rows
    uuid = "80a083e8-7026-4e79-81be-64bd76c43a11"
    if form == "json":
        with open(log(path, version_name(version, f"checkpoint.{uuid}.json")), "w") as file:
            file.write(json.dumps({"checkpointMetadata": {"version": version}}) + "\n")
            for row in kept:
                action = {k: without_maps(v) for k, v in row.items() if v}
                for maps in ("partitionValues", "configuration"):
                    for body in action.values():
                        if maps in body:
                            body[maps] = dict(body[maps])
                file.write(json.dumps(action) + "\n")
            for sidecar in sidecars:
                file.write(json.dumps({"sidecar": {**sidecar, "tags": {}}}) + "\n")
    else:
        metadata = pa.struct([("version", pa.int64())])
        fields = pa.schema([f for f in schema if f.name not in ("sidecar", "checkpointMetadata")] +
                           [pa.field("sidecar", SIDECAR), pa.field("checkpointMetadata", metadata)])
        kept = [{"checkpointMetadata": {"version": version}}] + kept + [{"sidecar": s} for s in sidecars]
        name = "checkpoint.parquet" if form == "classic" else f"checkpoint.{uuid}.parquet"
        pq.write_table(pa.Table.from_pylist(kept, fields), log(path, version_name(version, name)))
    if form != "classic":
        os.unlink(log(path, version_name(version, "checkpoint.parquet")))


def check_checkpoints_of_every_form(icecore, folder):
    for form, parts in (("classic", 0), ("classic", 2), ("parquet", 0), ("parquet", 3), ("json", 0), ("json", 2)):
        path = appended(os.path.join(folder, f"{form}{parts}"))
        to_v2(path, 10, form, parts)
        clean_up(path, 10)
        same(icecore.rows(path), ids(range(120)))
        same(icecore.rows(path, ", 10"), ids(range(110)))
        icecore.refused(path, "no longer there", ", 9")
        for sidecar in glob.glob(log(path, "_sidecars/*1.parquet")):
            os.unlink(sidecar)
            icecore.refused(path, "sidecar")


def check_multi_part_checkpoints(icecore, folder):
    path = appended(os.path.join(folder, "t"))
    rows = checkpoint_rows(path, 10)
    os.unlink(log(path, version_name(10, "checkpoint.parquet")))
    for part in range(3):
        begin, end = part * rows.num_rows // 3, (part + 1) * rows.num_rows // 3
        pq.write_table(rows.slice(begin, end - begin),
                       log(path, version_name(10, f"checkpoint.{part + 1:010d}.{3:010d}.parquet")))
    same(icecore.rows(path), ids(range(120)))
    part = log(path, version_name(10, f"checkpoint.{2:010d}.{3:010d}.parquet"))
    os.rename(part, part + ".gone")
    same(icecore.rows(path), ids(range(120)))  # entries from the first one
    os.rename(part + ".gone", part)
    clean_up(path, 10)
    same(icecore.rows(path), ids(range(120)))
    os.unlink(part)
    icecore.refused(path, "missing")


def check_last_checkpoint_is_a_hint(icecore, folder):
    path = appended(os.path.join(folder, "t"))
    hint = log(path, "_last_checkpoint")
    for text in ("", "{", "[]", '{"version":"x"}', '{"version":-3}', '{"version":5}', '{"version":10,"size":1}',
                 '{"version":999}', '{"version":10,"parts":7}', "\0\0\0"):
        with open(hint, "w") as file:
            file.write(text)
        same(icecore.rows(path), ids(range(120)))
        same(icecore.rows(path, ", 3"), ids(range(40)))
    os.unlink(hint)
    same(icecore.rows(path), ids(range(120)))
    with open(log(path, version_name(10, "checkpoint.parquet")), "r+b") as file:
        file.truncate(100)
    same(icecore.rows(path), ids(range(120)))


def check_gaps_are_no_tables(icecore, folder):
    path = appended(os.path.join(folder, "t"), commits=4)
    shutil.rmtree(os.path.join(folder, "u"), ignore_errors=True)
    os.unlink(log(path, version_name(2, "checkpoint.parquet")))
    os.unlink(log(path, version_name(1, "json")))
    icecore.refused(path, "missing")
    same(icecore.rows(path, ", 0"), ids(range(10)))
    icecore.refused(path, "newest is 3", ", 4")
    icecore.refused(os.path.join(folder, "nowhere"), "no such folder")
    assert not os.path.exists(os.path.join(folder, "nowhere"))


def check_partitions_of_every_type(icecore, folder):
    zone = datetime.datetime(2013, 7, 5, 17, 1, 0, 123456, tzinfo=UTC)
    columns = {
        "b": (pa.bool_(), [True, False, None]),
        "i8": (pa.int8(), [-128, 0, None]),
        "i16": (pa.int16(), [-32768, 7, None]),
        "i32": (pa.int32(), [-2**31, 7, None]),
        "i64": (pa.int64(), [-2**63, 2**63 - 1, None]),
        "f": (pa.float32(), [1.5, -0.25, None]),
        "d": (pa.float64(), [1.5e-7, -1.0, None]),
        "dec": (pa.decimal128(12, 5), [decimal.Decimal("2342342.23423"), decimal.Decimal("0.00004"), None]),
        "s": (pa.string(), ["a b/c=d%20é'\"?#:", "ü", None]),
        "date": (pa.date32(), [datetime.date(1969, 12, 31), datetime.date(2200, 1, 1), None]),
        "ts": (pa.timestamp("us", "UTC"), [zone, zone.replace(microsecond=0), None]),
        "ntz": (pa.timestamp("us"), [zone.replace(tzinfo=None), datetime.datetime(1000, 1, 1), None]),
    }
    for name, (kind, values) in columns.items():
        path = os.path.join(folder, name)
        table = pa.table({"id": pa.array([1, 2, 3], pa.int64()), name: pa.array(values, kind)})
        write_deltalake(path, table, partition_by=[name])
        got = icecore.rows(path)
        assert got.schema.field(name).type == kind, (name, got.schema)
        same(got, table)


def check_special_characters(icecore, folder):
    plain, path = os.path.join(folder, "plain"), os.path.join(folder, "a b%20ü'#?&=+;,[x]")
    table = pa.table({"a b": [1, 2], "c.d": ["x", "y"], "e`f\"g": [1.5, None], "_h": ["p q/r", "%41"],
                      "ÄÖ": [True, False]})
    write_deltalake(plain, table, partition_by=["_h"])
    os.rename(plain, path)
    same(icecore.rows(path.replace("'", "''")), table)


def check_paths_inside_and_outside(icecore, folder):
    for name, front in (("absolute", "{path}/"), ("uri", "file://{path}/"), ("short", "file:{path}/"),
                        ("host", "file://localhost{path}/"), ("dots", "./")):
        path = appended(os.path.join(folder, name), commits=2)
        actions = entries(path, 1)
        for action in actions:
            if "add" in action:
                action["add"]["path"] = front.format(path=path) + action["add"]["path"]
        write_entries(path, 1, actions)
        same(icecore.rows(path), ids(range(20)))
    path = appended(os.path.join(folder, "outside"), commits=2)
    for other in ("/elsewhere/x.parquet", "file:///elsewhere/x.parquet", "s3://bucket/x.parquet"):
        actions = entries(path, 1)
        for action in actions:
            if "add" in action:
                action["add"]["path"] = other
        write_entries(path, 1, actions)
        icecore.refused(path, "outside the table")
        same(icecore.rows(path, ", 0"), ids(range(10)))
        # A file that was removed again is no matter, in whichever spelling.
        remove = other.replace("file://", "") if other.startswith("file") else other.replace("/else", "file:///else")
        write_entries(path, 2, [{"remove": {"path": remove, "deletionTimestamp": 1, "dataChange": True}}])
        same(icecore.rows(path), ids(range(10)))
        os.unlink(log(path, version_name(2, "json")))
    for up in ("../x.parquet", "a/../../x.parquet", "%2e%2e/x.parquet"):
        actions = entries(path, 1)
        for action in actions:
            if "add" in action:
                action["add"]["path"] = up
        write_entries(path, 1, actions)
        icecore.refused(path, "outside the table")


def check_time_travel(icecore, folder):
    path = appended(os.path.join(folder, "t"), commits=4)
    start = datetime.datetime(2020, 1, 1, tzinfo=UTC)
    for version, days in enumerate((0, 10, 5, 20)):  # version 2 was copied with an older time
        when = (start + datetime.timedelta(days=days)).timestamp()
        os.utime(log(path, version_name(version, "json")), (when, when))
    for day, version in (("2020-01-01", 0), ("2020-01-10", 0), ("2020-01-12", 2), ("2020-01-20T23:59:59Z", 2),
                         ("2020-01-21", 3), ("2030-01-01 00:00:00+02:00", 3)):
        same(icecore.rows(path, f", '{day}'"), ids(range(10 * version + 10)))
    icecore.refused(path, "younger", ", '2019-12-31'")
    icecore.refused(path, "RFC 3339", ", 'yesterday'")


def check_deletes_and_overwrites(icecore, folder):
    path = os.path.join(folder, "t")
    write_deltalake(path, pa.table({"p": ["a", "b"] * 5, "v": list(range(10))}), partition_by=["p"])
    table = DeltaTable(path)
    table.delete("v < 4")
    write_deltalake(path, pa.table({"p": ["c"], "v": [100]}), mode="append")
    table = DeltaTable(path)
    table.update(predicate="v = 9", updates={"v": "90"})
    table.optimize.compact()
    for version in range(DeltaTable(path).version() + 1):
        same(icecore.rows(path, f", {version}"), DeltaTable(path, version=version).to_pyarrow_table())
    table.restore(1)
    same(icecore.rows(path), DeltaTable(path).to_pyarrow_table())
    write_deltalake(path, pa.table({"q": [1, None]}), mode="overwrite", schema_mode="overwrite",
                    partition_by=[])
    same(icecore.rows(path), DeltaTable(path).to_pyarrow_table())


def check_empty_and_all_null(icecore, folder):
    path = os.path.join(folder, "empty")
    write_deltalake(path, pa.schema([("a", pa.int64()), ("l", pa.list_(pa.string()))]).empty_table())
    got = icecore.rows(path)
    assert got.num_rows == 0 and got.schema.names == ["a", "l"], got
    path = os.path.join(folder, "null")
    table = pa.table({"a": pa.array([None] * 3, pa.int64()), "s": pa.array([None] * 3, pa.struct([("x", pa.int32())])),
                      "m": pa.array([None] * 3, pa.map_(pa.string(), pa.int64()))})
    write_deltalake(path, table)
    same(icecore.rows(path), table)


def check_nested(icecore, folder):
    path = os.path.join(folder, "t")
    table = pa.table({
        "l": pa.array([[1, None], [], None], pa.list_(pa.int32())),
        "ll": pa.array([[["a"], None, []], [[None]], None], pa.list_(pa.list_(pa.string()))),
        "s": pa.array([{"x": 1, "y": {"z": "q"}}, {"x": None, "y": None}, None],
                      pa.struct([("x", pa.int64()), ("y", pa.struct([("z", pa.string())]))])),
        "m": pa.array([[("k", [1.5])], [], None], pa.map_(pa.string(), pa.list_(pa.float64()))),
        "ls": pa.array([[{"d": decimal.Decimal("1.50")}], [None], None],
                       pa.list_(pa.struct([("d", pa.decimal128(10, 2))]))),
    })
    write_deltalake(path, table)
    same(icecore.rows(path), table)


def check_schemas_that_grow(icecore, folder):
    path = os.path.join(folder, "t")
    write_deltalake(path, pa.table({"a": [1]}))
    write_deltalake(path, pa.table({"a": [2], "b": ["x"]}), mode="append", schema_mode="merge")
    same(icecore.rows(path), pa.table({"a": [1, 2], "b": pa.array([None, "x"])}))
    same(icecore.rows(path, ", 0"), pa.table({"a": [1]}))


def feature_table(folder, name, reader, writer=None, metadata=None):
    path = appended(os.path.join(folder, name), commits=1)
    actions = entries(path, 0)
    for action in actions:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": reader,
                                  "writerFeatures": writer or reader}
        if "metaData" in action and metadata:
            metadata(action["metaData"])
    write_entries(path, 0, actions)
    return path


def check_features(icecore, folder):
    for feature in ("variantType", "variantShredding", "catalogManaged", "somethingNew", "geospatial"):
        icecore.refused(feature_table(folder, feature, [feature]), feature)
    for feature in ("timestampNtz", "columnMapping", "deletionVectors", "v2Checkpoint", "vacuumProtocolCheck",
                    "typeWidening", "typeWidening-preview"):
        same(icecore.rows(feature_table(folder, feature, [feature])), ids(range(10)))
    writer_only = ["rowTracking", "domainMetadata", "icebergCompatV1", "icebergCompatV2", "clustering",
                   "checkConstraints", "generatedColumns", "identityColumns", "allowColumnDefaults", "changeDataFeed",
                   "inCommitTimestamp", "anythingElse"]
    same(icecore.rows(feature_table(folder, "writers", [], writer_only)), ids(range(10)))

    def variant(metadata):
        metadata["schemaString"] = metadata["schemaString"].replace('"long"', '"variant"')
    icecore.refused(feature_table(folder, "variant", [], ["x"], variant), "variant")

    def changed(metadata):
        schema = json.loads(metadata["schemaString"])
        schema["fields"][0]["metadata"]["delta.typeChanges"] = [{"fromType": "string", "toType": "long"}]
        metadata["schemaString"] = json.dumps(schema)
    icecore.refused(feature_table(folder, "changed", ["typeWidening"], None, changed), "typeWidening")


def check_types_that_widened(icecore, folder):
    path = appended(os.path.join(folder, "t"), commits=1)
    actions = entries(path, 0)
    add = next(a["add"] for a in actions if "add" in a)
    narrow = {
        "i": ("long", pa.array([1, None, -128], pa.int8()), "byte"),
        "f": ("double", pa.array([0.5, None, -1.0], pa.float32()), "float"),
        "n": ("double", pa.array([1, None, -7], pa.int32()), "integer"),
        "dec": ("decimal(20,4)", pa.array([decimal.Decimal("1.25"), None, decimal.Decimal("-0.01")],
                                          pa.decimal128(5, 2)), "decimal(5,2)"),
        "di": ("decimal(12,1)", pa.array([7, None, -7], pa.int32()), "integer"),
        "t": ("timestamp_ntz", pa.array([datetime.date(1969, 12, 31), None, datetime.date(2020, 2, 29)]), "date"),
    }
    pq.write_table(pa.table({name: values for name, (_, values, _) in narrow.items()}),
                   os.path.join(path, add["path"]))
    fields = [{"name": name, "type": wide, "nullable": True,
               "metadata": {"delta.typeChanges": [{"fromType": before, "toType": wide}]}}
              for name, (wide, _, before) in narrow.items()]
    for action in actions:
        if "metaData" in action:
            action["metaData"]["schemaString"] = json.dumps({"type": "struct", "fields": fields})
        if "protocol" in action:
            features = ["typeWidening", "timestampNtz"]
            action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features,
                                  "writerFeatures": features}
        if "add" in action:
            action["add"].pop("stats", None)
            action["add"]["size"] = os.path.getsize(os.path.join(path, add["path"]))
    write_entries(path, 0, actions)
    wanted = pa.table({
        "i": pa.array([1, None, -128], pa.int64()), "f": pa.array([0.5, None, -1.0]),
        "n": pa.array([1.0, None, -7.0]),
        "dec": pa.array([decimal.Decimal("1.2500"), None, decimal.Decimal("-0.0100")], pa.decimal128(20, 4)),
        "di": pa.array([decimal.Decimal("7.0"), None, decimal.Decimal("-7.0")], pa.decimal128(12, 1)),
        "t": pa.array([datetime.datetime(1969, 12, 31), None, datetime.datetime(2020, 2, 29)], pa.timestamp("us"))})
    got = icecore.rows(path)
    assert got.schema.types == wanted.schema.types, got.schema
    same(got, wanted)


def check_sql_around_it(icecore, folder):
    path = appended(os.path.join(folder, "my table"), commits=2)
    code, said, out = icecore.run(f"""select count(*) as n, '-- delta(''x'')' as c, max(b.id) as m
        from DELTA ( '{path}' , 1 ) a join delta('my table', 0) as b using (id) -- delta('nowhere')""")
    assert code == 0, said
    assert pq.read_table(out).to_pylist() == [{"n": 10, "c": "-- delta('x')", "m": 9}]
    for query in ("select * from delta(id)", "select * from delta('x' || 'y')", "select * from delta('')",
                  "select * from delta('my table', id)", f"select * from read_parquet('{path}/*.parquet')",
                  f"select * from delta_scan('{path}')", f"select * from '{path}/x.parquet', delta('my table')"):
        code, said, _ = icecore.run(query)
        assert code == 2 or code == 1, (query, code, said)


def check_many_files(icecore, folder):
    """100 000 files in a checkpoint and 1 000 commits behind it load in little time."""
    path = appended(os.path.join(folder, "t"), commits=1)
    protocol_and_metadata = [a for a in entries(path, 0) if "add" not in a]
    add = next(a["add"] for a in entries(path, 0) if "add" in a)
    stats = json.dumps({"numRecords": 1, "minValues": {"id": 1}, "maxValues": {"id": 2}, "nullCount": {"id": 0}})
    write_entries(path, 0, protocol_and_metadata + [
        {"add": {**add, "path": f"part-{i:08d}-{'0' * 36}.parquet", "stats": stats}} for i in range(100_000)])
    for version in range(1, 1001):
        write_entries(path, version, [
            {"remove": {"path": f"part-{i:08d}-{'0' * 36}.parquet", "dataChange": True}}
            for i in range(100 * (version - 1), 100 * version)])
    same(icecore.rows(path), ids())


CHECKS = [value for names in (globals(), vars(asked_parts), vars(odd_files), vars(odd_logs)) for name, value in sorted(names.items())
          if name.startswith("check_")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--icecore", default=os.path.join(ROOT, "build/dev/bin/icecore"))
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    passed = failed = 0
    for check in CHECKS:
        name = check.__name__.removeprefix("check_")
        if arguments.names and name not in arguments.names:
            continue
        with tempfile.TemporaryDirectory(prefix="icecore-foreign-") as folder:
            folder = os.path.realpath(folder)
            try:
                check(Icecore(os.path.abspath(arguments.icecore), folder), folder)
                passed += 1
                print(f"ok      {name}", flush=True)
            except Exception:
                failed += 1
                traceback.print_exc(file=sys.stdout)
                print(f"FAILED  {name}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    # deltalake's threads may abort an orderly exit.
    os._exit(code)
