"""Data files as other writers make them: encodings, codecs, old forms of types, partition values, deletion vectors."""
import datetime
import decimal
import json
import os
import struct
import uuid
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from foreign_table import appended, entries, ids, same, write_entries

UTC = datetime.timezone.utc
BASE85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
D = decimal.Decimal


def file_of(path, version=0):
    (file,) = [os.path.join(path, a["add"]["path"]) for a in entries(path, version) if "add" in a]
    return file


def set_add(path, version, **changes):
    write_entries(path, version, [{"add": a["add"] | changes} if "add" in a else a for a in entries(path, version)])


def written_as(path, table, **options):
    """A table whose one file holds the rows, written with these options of pyarrow."""
    write_deltalake(path, table)
    pq.write_table(table, file_of(path), **options)
    set_add(path, 0, size=os.path.getsize(file_of(path)))
    return path


EVERYTHING = pa.table({
    "i8": pa.array([1, None, -128], pa.int8()), "i16": pa.array([1, None, -32768], pa.int16()),
    "i32": pa.array([1, None, -2**31], pa.int32()), "i64": pa.array([1, None, -2**63], pa.int64()),
    "f": pa.array([1.5, None, -0.0], pa.float32()), "d": pa.array([0.1, None, 1e300]), "b": pa.array([True, None, False]),
    "s": pa.array(["ü🛫", None, ""]), "bin": pa.array([b"\0\xff", None, b""]),
    "day": pa.array([datetime.date(1, 1, 1), None, datetime.date(9999, 12, 31)]),
    "ts": pa.array([datetime.datetime(1900, 1, 1, 0, 0, 0, 1, UTC), None, datetime.datetime(2262, 1, 1, tzinfo=UTC)],
                   pa.timestamp("us", "UTC")),
    "d5": pa.array([D("1.25"), None, D("-999.99")], pa.decimal128(5, 2)),
    "d18": pa.array([D("1.2500"), None, D("-99999999999999.9999")], pa.decimal128(18, 4)),
    "d38": pa.array([D("1"), None, D("-9" * 1 + "9" * 37)], pa.decimal128(38, 0)),
    "l": pa.array([[1, None], None, []], pa.list_(pa.int32())),
    "m": pa.array([[("k", 1), ("l", None)], None, []], pa.map_(pa.string(), pa.int64())),
    "st": pa.array([{"a": 1, "b": ["x"]}, None, {"a": None, "b": None}], pa.struct([("a", pa.int64()), ("b", pa.list_(pa.string()))])),
})


def check_forms_of_parquet(icecore, folder):
    for number, options in enumerate((
            {"version": "1.0"}, {"version": "2.6"}, {"data_page_version": "2.0"}, {"use_dictionary": False}, {"compression": "gzip"},
            {"compression": "brotli"}, {"compression": "lz4"}, {"compression": "none"}, {"compression": "snappy"},
            {"use_compliant_nested_type": False}, {"store_decimal_as_integer": True}, {"row_group_size": 1}, {"data_page_size": 1},
            {"write_statistics": False, "store_schema": False}, {"write_page_index": True, "write_page_checksum": True},
            {"use_dictionary": False, "column_encoding": {"i64": "DELTA_BINARY_PACKED", "s": "DELTA_BYTE_ARRAY", "d": "BYTE_STREAM_SPLIT",
                                                          "bin": "DELTA_LENGTH_BYTE_ARRAY"}})):
        same(icecore.rows(written_as(os.path.join(folder, str(number)), EVERYTHING, **options)), EVERYTHING)


def check_old_timestamps(icecore, folder):
    times = pa.table({"ts": pa.array([datetime.datetime(1900, 1, 1, 0, 0, 0, 1, UTC), None, datetime.datetime(9999, 12, 31, tzinfo=UTC),
                                      datetime.datetime(1, 1, 1, tzinfo=UTC)], pa.timestamp("us", "UTC"))})
    same(icecore.rows(written_as(os.path.join(folder, "int96"), times, use_deprecated_int96_timestamps=True)), times)
    whole = pa.table({"ts": pa.array([datetime.datetime(1900, 1, 1, tzinfo=UTC), None], pa.timestamp("us", "UTC"))})
    for unit in ("ms", "us"):
        same(icecore.rows(written_as(os.path.join(folder, unit), whole, coerce_timestamps=unit)), whole)
    path = os.path.join(folder, "ns")
    write_deltalake(path, whole)
    nanos = pa.table({"ts": pa.array([-2208988800000000000, None], pa.timestamp("ns", "UTC"))})
    pq.write_table(nanos, file_of(path))
    set_add(path, 0, size=os.path.getsize(file_of(path)))
    same(icecore.rows(path), whole)


def check_days_of_the_julian_calendar(icecore, folder):
    """Old Spark, and new Spark that was told to, counts days before 1582 otherwise: refused, never another day."""
    day, time = datetime.date(1500, 1, 1), datetime.datetime(1850, 1, 1, tzinfo=UTC)
    new = {"org.apache.spark.version": "4.0.0"}
    old = {"day": (day, datetime.date(1582, 10, 15)), "time": (time, datetime.datetime(1900, 1, 1, tzinfo=UTC))}
    for number, (column, notes, refused) in enumerate((
            ("day", {}, False), ("day", new, False), ("day", new | {"org.apache.spark.legacyINT96": ""}, False),
            ("day", new | {"org.apache.spark.legacyDateTime": ""}, True), ("day", {"org.apache.spark.version": "2.4.8"}, True),
            ("time", new, False), ("time", new | {"org.apache.spark.legacyDateTime": ""}, True),
            ("time", new | {"org.apache.spark.legacyINT96": "", "org.apache.spark.timeZone": "Europe/Paris"}, True),
            ("time", new | {"org.apache.spark.legacyDateTime": "", "org.apache.spark.timeZone": "UTC"}, False))):
        kind = pa.date32() if column == "day" else pa.timestamp("us", "UTC")
        for nested in (False, True):
            values = [[{"x": value}] for value in old[column]] if nested else list(old[column])
            table = pa.table({"v": pa.array(values, pa.list_(pa.struct([("x", kind)])) if nested else kind)})
            path = written_as(os.path.join(folder, f"{number}{nested}"), table.replace_schema_metadata(notes))
            if refused:
                icecore.refused(path, "Julian")
            else:
                same(icecore.rows(path), table)
            late = written_as(os.path.join(folder, f"{number}{nested}late"), table.slice(1).replace_schema_metadata(notes))
            same(icecore.rows(late), table.slice(1))


def check_files_that_are_wrong(icecore, folder):
    """Not what the log says: an error that names the file, never other rows."""
    good = ids(range(10))
    for name, table in (("text", pa.table({"id": ["a"] * 10})), ("fewer", good.slice(1)), ("double", pa.table({"id": [0.5] * 10}))):
        path = appended(os.path.join(folder, name), commits=1)
        pq.write_table(table, file_of(path))
        icecore.refused(path, os.path.basename(file_of(path)))
    for name, cut in (("empty", lambda b: b""), ("no footer", lambda b: b[:-8]), ("half", lambda b: b[:len(b) // 2]),
                      ("not parquet", lambda b: b"id\n1\n")):
        path = appended(os.path.join(folder, name), commits=1)
        with open(file_of(path), "rb") as file:
            content = file.read()
        with open(file_of(path), "wb") as file:
            file.write(cut(content))
        icecore.refused(path, os.path.basename(file_of(path)))


def partitioned_by_hand(path, kind, text):
    """One row with the partition value as the log has it."""
    schema = {"type": "struct", "fields": [{"name": "id", "type": "long", "nullable": True, "metadata": {}},
                                           {"name": "p", "type": kind, "nullable": True, "metadata": {}}]}
    os.makedirs(path)
    pq.write_table(ids(range(1)), os.path.join(path, "x.parquet"))
    features = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["timestampNtz"], "writerFeatures": ["timestampNtz"]}
    write_entries(path, 0, [
        {"protocol": features}, {"metaData": {"id": "m", "format": {"provider": "parquet", "options": {}}, "partitionColumns": ["p"],
                                              "schemaString": json.dumps(schema), "configuration": {}}},
        {"add": {"path": "x.parquet", "partitionValues": {"p": text}, "size": os.path.getsize(os.path.join(path, "x.parquet")),
                 "modificationTime": 1, "dataChange": True}}])


def check_spellings_of_partition_values(icecore, folder):
    when = datetime.datetime(2024, 3, 10, 2, 30, 0, 120000)
    inf = float("inf")
    for number, (kind, text, value) in enumerate((
            ("timestamp", "2024-03-10 02:30:00.12", when.replace(tzinfo=UTC)), ("timestamp", "2024-03-10T02:30:00.120000Z", when.replace(tzinfo=UTC)),
            ("timestamp", "2024-03-10 02:30:00", when.replace(tzinfo=UTC, microsecond=0)), ("timestamp_ntz", "2024-03-10 02:30:00.12", when),
            ("timestamp_ntz", "1900-01-01 00:00:00", datetime.datetime(1900, 1, 1)), ("timestamp", None, None), ("timestamp", "", None),
            ("double", "NaN", float("nan")), ("double", "Infinity", inf), ("double", "-Infinity", -inf), ("double", "1.0E10", 1e10),
            ("double", "4.9E-324", 5e-324), ("float", "1.5", 1.5), ("boolean", "true", True), ("boolean", "false", False), ("byte", "-128", -128),
            ("decimal(10,2)", "1.50", D("1.50")), ("decimal(10,2)", "-0.01", D("-0.01")), ("decimal(10,2)", "7", D("7.00")),
            ("date", "2024-02-29", datetime.date(2024, 2, 29)), ("date", "0001-01-01", datetime.date(1, 1, 1)), ("string", "null", "null"),
            ("string", "__HIVE_DEFAULT_PARTITION__", "__HIVE_DEFAULT_PARTITION__"), ("string", " a/b=c ", " a/b=c "), ("binary", "ab", b"ab"))):
        path = os.path.join(folder, str(number))
        partitioned_by_hand(path, kind, text)
        (row,) = icecore.rows(path).to_pylist()
        assert repr(row["p"]).replace("<UTC>", "datetime.timezone.utc") == repr(value) or row["p"] == value, (kind, text, row, value)
    for number, (kind, text) in enumerate((("date", "2023-02-29"), ("integer", "1.5"), ("long", "x"), ("boolean", "yes"), ("byte", "128"),
                                           ("timestamp", "yesterday"), ("decimal(4,2)", "100.00"))):
        path = os.path.join(folder, f"wrong{number}")
        partitioned_by_hand(path, kind, text)
        icecore.refused(path, "'p'")


def check_partition_column_in_the_file(icecore, folder):
    """The log's value counts, whatever the file says."""
    path = os.path.join(folder, "t")
    partitioned_by_hand(path, "integer", "7")
    pq.write_table(pa.table({"p": pa.array([99], pa.int32()), "id": pa.array([0], pa.int64())}), os.path.join(path, "x.parquet"))
    set_add(path, 0, size=os.path.getsize(os.path.join(path, "x.parquet")))
    same(icecore.rows(path), pa.table({"id": pa.array([0], pa.int64()), "p": pa.array([7], pa.int32())}))


def bitmap(rows):
    """Rows below 65536 as the protocol's array of one 32-bit Roaring bitmap with one array container."""
    values = struct.pack(f"<{len(rows)}H", *sorted(rows))
    roaring = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + values
    return struct.pack("<IQI", 1681511377, 1, 0) + roaring


def base85(content):
    content += b"\0" * (-len(content) % 4)
    text = ""
    for (word,) in struct.iter_unpack(">I", content):
        text += "".join(BASE85[word // 85**i % 85] for i in (4, 3, 2, 1, 0))
    return text


def check_deletion_vectors(icecore, folder):
    """In the log, in a file below the table, in one named by its absolute path; and such that are wrong."""
    rows = [0, 3, 9]
    content = bitmap(rows)
    stored = b"\x01" + struct.pack(">I", len(content)) + content + struct.pack(">I", zlib.crc32(content))
    name = uuid.UUID("0123abcd-0000-4000-8000-00000000ffff")
    wanted = ids([i for i in range(10) if i not in rows], range(10, 20))
    sizes = {"sizeInBytes": len(content), "cardinality": len(rows)}
    forms = {
        "inline": {"storageType": "i", "pathOrInlineDv": base85(content), **sizes},
        "file": {"storageType": "u", "pathOrInlineDv": base85(name.bytes), "offset": 1, **sizes},
        "prefix": {"storageType": "u", "pathOrInlineDv": "ab" + base85(name.bytes), "offset": 1, **sizes},
        "absolute": {"storageType": "p", "pathOrInlineDv": "file://{path}/vectors/dv.bin", "offset": 1, **sizes},
    }
    for form, vector in forms.items():
        path = appended(os.path.join(folder, form), commits=2)
        features = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"],
                    "writerFeatures": ["deletionVectors"]}
        add = next(a["add"] for a in entries(path, 0) if "add" in a)
        place = {"file": f"deletion_vector_{name}.bin", "prefix": f"ab/deletion_vector_{name}.bin", "absolute": "vectors/dv.bin"}.get(form)
        if place:
            os.makedirs(os.path.dirname(os.path.join(path, place)), exist_ok=True)
            with open(os.path.join(path, place), "wb") as file:
                file.write(stored)
        vector = vector | {"pathOrInlineDv": vector["pathOrInlineDv"].format(path=path) if form == "absolute" else vector["pathOrInlineDv"]}
        def commit(changed):
            write_entries(path, 2, [{"protocol": features}, {"remove": {"path": add["path"], "deletionTimestamp": 1, "dataChange": True}},
                                    {"add": add | {"deletionVector": vector | changed}}])
        commit({})
        same(icecore.rows(path), wanted)
        same(icecore.rows(path, ", 1"), ids(range(20)))
        for changed in ({"cardinality": 2}, {"sizeInBytes": len(content) - 1}, {"storageType": "z"}):
            commit(changed)
            icecore.refused(path, "deletion vector")
        if place:
            commit({})
            with open(os.path.join(path, place), "r+b") as file:
                file.seek(30)
                file.write(b"\x07")
            icecore.refused(path, "deletion vector")
            os.unlink(os.path.join(path, place))
            icecore.refused(path, "deletion vector")


def check_column_mapping(icecore, folder):
    """By name and by id, nested, with a partition column; the columns of the file are in another order and have more."""
    for mode in ("name", "id"):
        path = os.path.join(folder, mode)
        os.makedirs(path)
        note = lambda number: {"delta.columnMapping.id": number, "delta.columnMapping.physicalName": f"col-{number}"}  # noqa: E731
        field = lambda name, kind, number: {"name": name, "type": kind, "nullable": True, "metadata": note(number)}  # noqa: E731
        inner = {"type": "struct", "fields": [field("x y", "integer", 5), field("new", "string", 6)]}
        listed = {"type": "array", "elementType": {"type": "struct", "fields": [field("e", "long", 8)]}, "containsNull": True}
        schema = {"type": "struct", "fields": [field("a b;c", "long", 1), field("p", "date", 2), field("n", inner, 4), field("l", listed, 7),
                                               field("later", "double", 9)]}
        def fid(name, kind, number):
            return pa.field(name, kind, metadata={"PARQUET:field_id": str(number)})
        physical = (lambda n: f"col-{n}") if mode == "name" else (lambda n: f"other-{n}")
        file_schema = pa.schema([
            fid(physical(7), pa.list_(pa.field("element", pa.struct([fid(physical(8), pa.int64(), 8)]))), 7), fid("dropped", pa.string(), 3),
            fid(physical(4), pa.struct([fid(physical(5), pa.int32(), 5)]), 4), fid(physical(1), pa.int64(), 1)])
        rows = [{physical(7): [{physical(8): 5}, None], "dropped": "gone", physical(4): {physical(5): 1}, physical(1): 10},
                {physical(7): None, "dropped": "gone", physical(4): None, physical(1): None}]
        file = os.path.join(path, "f.parquet")
        pq.write_table(pa.Table.from_pylist(rows, file_schema), file)
        write_entries(path, 0, [
            {"protocol": {"minReaderVersion": 2, "minWriterVersion": 5}},
            {"metaData": {"id": "m", "format": {"provider": "parquet", "options": {}}, "partitionColumns": ["p"],
                          "schemaString": json.dumps(schema),
                          "configuration": {"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "9"}}},
            {"add": {"path": "f.parquet", "partitionValues": {"col-2": "2024-02-29"}, "size": os.path.getsize(file), "modificationTime": 1,
                     "dataChange": True}}])
        day = datetime.date(2024, 2, 29)
        same(icecore.rows(path), pa.Table.from_pylist(
            [{"a b;c": 10, "p": day, "n": {"x y": 1, "new": None}, "l": [{"e": 5}, None], "later": None},
             {"a b;c": None, "p": day, "n": None, "l": None, "later": None}],
            pa.schema([("a b;c", pa.int64()), ("p", pa.date32()), ("n", pa.struct([("x y", pa.int32()), ("new", pa.string())])),
                       ("l", pa.list_(pa.struct([("e", pa.int64())]))), ("later", pa.float64())])))
        code, said, out = icecore.run(f"""select "a b;c" as a from delta('{path}') where "a b;c" = 10 and p = date '2024-02-29'""")
        assert code == 0, said
        assert pq.read_table(out).column("a").to_pylist() == [10]
