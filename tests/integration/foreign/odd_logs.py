"""Logs that the protocol allows and few writers make, and logs that are broken: read right, or refused with the reason."""
import datetime
import glob
import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

from foreign_table import appended, clean_up, entries, ids, log, same, version_name, write_entries

UTC = datetime.timezone.utc


def changed(path, version, change):
    """`change` gets each action of the entry and gives it back, or another, or nothing."""
    write_entries(path, version, [after for after in map(change, entries(path, version)) if after])


def write_bytes(path, version, content):
    with open(log(path, version_name(version, "json")), "wb") as file:
        file.write(content)


def check_files_beside_the_log(icecore, folder):
    """Log compactions, checksums, staged commits, copies by hand: readers need none of them."""
    path = appended(os.path.join(folder, "t"), commits=6)
    os.unlink(log(path, version_name(4, "checkpoint.parquet")))
    os.unlink(log(path, "_last_checkpoint"))
    actions = [a for v in range(1, 4) for a in entries(path, v) if "add" in a]
    compacted = log(path, f"{1:020d}.{3:020d}.compacted.json")
    for wrong in (False, True):  # a log compaction that nobody can read is passed over as well
        with open(compacted, "w") as file:
            file.writelines("{\n" if wrong else json.dumps(a) + "\n" for a in actions)
        same(icecore.rows(path), ids(range(60)))
        same(icecore.rows(path, ", 2"), ids(range(30)))
    for name, content in ((version_name(5, "crc"), '{"tableSizeBytes":1,"numFiles":6}'), (version_name(7, "crc"), "{"),
                          (f".{version_name(5, 'json')}.crc", "crc\0"), (version_name(9, "json.tmp"), "{"),
                          (version_name(9, "json.uuid.tmp"), "{"), ("5.json", "{"), ("00000000000000000009.json~", "{"),
                          (version_name(8, "checkpoint.parquet.tmp"), "PAR1")):
        with open(log(path, name), "w") as file:
            file.write(content)
    for name in ("_staged_commits", "_commits", "_tmp_path_dir"):
        os.makedirs(log(path, name))
        shutil.copy(log(path, version_name(5, "json")), log(path, f"{name}/{version_name(6, 'json')}"))
    for name in ("_metadata", "_SUCCESS", ".part.parquet.crc", "part-of-nobody.parquet"):
        with open(os.path.join(path, name), "w") as file:
            file.write("nothing")
    same(icecore.rows(path), ids(range(60)))
    same(icecore.rows(path, ", 5"), ids(range(60)))


def check_only_a_checkpoint(icecore, folder):
    """All entries were cleaned up; without the hint too."""
    path = appended(os.path.join(folder, "t"), commits=5)
    DeltaTable(path).create_checkpoint()
    clean_up(path, 5)
    same(icecore.rows(path), ids(range(50)))
    os.unlink(log(path, "_last_checkpoint"))
    same(icecore.rows(path), ids(range(50)))
    same(icecore.rows(path, ", 4"), ids(range(50)))
    icecore.refused(path, "", ", 5")


def check_checkpoints_and_statistics(icecore, folder):
    """Statistics as text, as columns, as both, or none: the rows and what filters leave are the same."""
    for text, columns in (("true", "false"), ("false", "true"), ("true", "true"), ("false", "false")):
        path = os.path.join(folder, text + columns)
        for v in range(4):
            write_deltalake(path, ids(range(10 * v, 10 * v + 10)), mode="append",
                            configuration={"delta.checkpoint.writeStatsAsJson": text,
                                           "delta.checkpoint.writeStatsAsStruct": columns} if v == 0 else None)
        DeltaTable(path).create_checkpoint()
        file = log(path, version_name(3, "checkpoint.parquet"))
        rows = pq.read_table(file)
        if text == "false":
            add = rows.schema.field("add").type
            kept = pa.struct([f for f in add if f.name != "stats"])
            adds = [row and {k: v for k, v in row.items() if k != "stats"} for row in rows.column("add").to_pylist()]
            rows = rows.set_column(rows.schema.get_field_index("add"), "add", pa.array(adds, kept))
            pq.write_table(rows, file)
            os.unlink(log(path, "_last_checkpoint"))
        clean_up(path, 4)
        same(icecore.rows(path), ids(range(40)))
        code, said, out = icecore.run(f"select * from delta('{path}') where id between 15 and 22")
        assert code == 0, said
        same(pq.read_table(out), ids(range(15, 23)))


def check_lines_of_an_entry(icecore, folder):
    """Unknown actions and keys, empty lines, CRLF, no line's end at the end, escapes, keys in any order."""
    path = appended(os.path.join(folder, "t"), commits=3)
    actions = entries(path, 2)
    add = next(a["add"] for a in actions if "add" in a)
    lines = [{"somethingNew": {"add": {"path": "no.parquet"}}}, {"cdc": {"path": "_change_data/x.parquet", "partitionValues": {},
             "size": 1, "dataChange": False}}, {"txn": {"appId": "a", "version": 3, "lastUpdated": 5}},
             {"add": dict(reversed(add.items())) | {"tags": {"k": "add"}, "futureKey": [1, {"path": "x"}], "clusteringProvider": None,
                                                    "baseRowId": 7, "defaultRowCommitVersion": 1}}]
    text = "\r\n\n".join(json.dumps(line, ensure_ascii=True).replace("part", "\\u0070art") for line in lines)
    for end in (b"", b"\n", b"\r\n"):
        write_bytes(path, 2, text.encode() + end)
        same(icecore.rows(path), ids(range(30)))


def check_actions_that_are_null(icecore, folder):
    """A line may name every kind of action and have one."""
    path = appended(os.path.join(folder, "t"), commits=3)
    kinds = ("add", "cdc", "commitInfo", "domainMetadata", "metaData", "protocol", "remove", "txn")
    for version in range(3):
        changed(path, version, lambda action: {kind: None for kind in kinds} | action)
    for name in (version_name(1, "checkpoint.parquet"), "_last_checkpoint"):
        os.unlink(log(path, name))
    same(icecore.rows(path), ids(range(30)))


def check_broken_entries(icecore, folder):
    path = appended(os.path.join(folder, "t"), commits=3)
    with open(log(path, version_name(2, "json")), "rb") as file:
        whole = file.read()
    add = next(a for a in entries(path, 2) if "add" in a)
    without_path = {"add": {k: v for k, v in add["add"].items() if k != "path"}}
    for content in (whole[:len(whole) // 2], whole[:-5], b"\0" * 100, b"{", b"[]\n", b"null\n", b'"text"\n', whole + b"{\n",
                    json.dumps(without_path).encode(), b'{"add":3}\n', b'{"add":{"path":7}}\n', b"\xff\xfe" + whole,
                    b'{"protocol":{"minReaderVersion":"1","minWriterVersion":2}}\n', b'{"protocol":{}}\n'):
        write_bytes(path, 2, content)
        icecore.refused(path, version_name(2, "json"))
        same(icecore.rows(path, ", 1"), ids(range(20)))
    write_bytes(path, 2, b'{"metaData":{"id":"x"}}\n')
    icecore.refused(path, "schemaString")
    write_bytes(path, 2, whole)
    same(icecore.rows(path), ids(range(30)))


def check_versions_of_the_protocol(icecore, folder):
    for body, reason in (({"minReaderVersion": 99, "minWriterVersion": 7}, "99"), ({"minReaderVersion": 4, "minWriterVersion": 7}, "4"),
                         ({"minReaderVersion": 3, "minWriterVersion": 7}, "readerFeatures"),
                         ({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors", "fromTheFuture"],
                           "writerFeatures": ["deletionVectors", "fromTheFuture"]}, "fromTheFuture")):
        path = appended(os.path.join(folder, f"refused {reason}"), commits=2)
        write_entries(path, 1, [{"protocol": body}] + entries(path, 1))
        icecore.refused(path, reason)
        same(icecore.rows(path, ", 0"), ids(range(10)))  # the upgrade came later
    for body in ({"minReaderVersion": 1, "minWriterVersion": 99}, {"minReaderVersion": 2, "minWriterVersion": 5},
                 {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["fromTheFuture", "appendOnly"]}):
        path = appended(os.path.join(folder, f"read {body['minWriterVersion']}"), commits=2)
        write_entries(path, 1, [{"protocol": body}] + entries(path, 1))
        same(icecore.rows(path), ids(range(20)))


def check_no_table(icecore, folder):
    path = appended(os.path.join(folder, "t"), commits=1)
    for missing in ("protocol", "metaData"):
        broken = shutil.copytree(path, os.path.join(folder, missing))
        changed(broken, 0, lambda action: None if missing in action else action)
        icecore.refused(broken, "no protocol" if missing == "protocol" else "no metaData")
    os.makedirs(os.path.join(folder, "empty", "_delta_log"))
    icecore.refused(os.path.join(folder, "empty"), "no table")
    os.makedirs(os.path.join(folder, "nothing"))
    icecore.refused(os.path.join(folder, "nothing"), "no table")
    with open(os.path.join(folder, "file"), "w") as file:
        file.write("x")
    icecore.refused(os.path.join(folder, "file"), "file")


def check_files_that_come_twice(icecore, folder):
    """Added again (new statistics), removed and added again in one entry and in several, removed twice."""
    path = appended(os.path.join(folder, "t"), commits=3)
    adds = [next(a["add"] for a in entries(path, v) if "add" in a) for v in range(3)]
    remove = {"path": adds[1]["path"], "deletionTimestamp": 1, "dataChange": True}
    write_entries(path, 3, [{"add": adds[0] | {"dataChange": False, "stats": None}}])
    same(icecore.rows(path), ids(range(30)))
    write_entries(path, 4, [{"remove": remove}, {"remove": remove}])
    write_entries(path, 5, [{"remove": remove}])
    same(icecore.rows(path), ids(range(10), range(20, 30)))
    write_entries(path, 6, [{"add": adds[1]}])
    same(icecore.rows(path), ids(range(30)))
    spelled = adds[2]["path"].replace("p", "%70", 1)
    write_entries(path, 7, [{"remove": remove | {"path": spelled}}])  # the same file in another spelling
    same(icecore.rows(path), ids(range(20)))


def check_time_in_commits(icecore, folder):
    """inCommitTimestamp decides from the version on in which it was enabled; before it, when entries were written."""
    path = appended(os.path.join(folder, "t"), commits=5)
    os.unlink(log(path, version_name(3, "checkpoint.parquet")))
    start = datetime.datetime(2020, 1, 1, tzinfo=UTC)
    day = lambda days: int((start + datetime.timedelta(days=days)).timestamp())  # noqa: E731
    for version in range(5):
        actions = entries(path, version)
        if version == 2:
            metadata = next(a["metaData"] for a in entries(path, 0) if "metaData" in a)
            metadata["configuration"] |= {"delta.enableInCommitTimestamps": "true",
                                          "delta.inCommitTimestampEnablementVersion": "2",
                                          "delta.inCommitTimestampEnablementTimestamp": str(1000 * day(20))}
            actions = [{"protocol": {"minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": ["inCommitTimestamp"]}},
                       {"metaData": metadata}] + actions
        if version >= 2:
            actions = [a for a in actions if "commitInfo" not in a]
            actions.insert(0, {"commitInfo": {"inCommitTimestamp": 1000 * day(10 * version), "timestamp": 1}})
        write_entries(path, version, actions)
        os.utime(log(path, version_name(version, "json")), (day(version), day(version)))
    for when, version in (("2020-01-01", 0), ("2020-01-02T12:00:00Z", 1), ("2020-01-20", 1), ("2020-01-21", 2), ("2020-02-01", 3),
                          ("2020-02-09", 3), ("2020-02-10", 4), ("2030-01-01", 4)):
        same(icecore.rows(path, f", '{when}'"), ids(range(10 * version + 10)))


def check_columns_that_changed(icecore, folder):
    """Overwritten with other columns, types and partitions; older versions as they were."""
    path = os.path.join(folder, "t")
    versions = [pa.table({"a": [1, 2], "b": ["x", None]}), pa.table({"B": pa.array([1.5, 2.5]), "c": pa.array([1, 2], pa.int8())}),
                pa.table({"a": ["now text"], "p": pa.array([3], pa.int32())})]
    for table, partitions in zip(versions, ([], ["c"], ["p"])):
        write_deltalake(path, table, mode="overwrite", schema_mode="overwrite", partition_by=partitions)
    for version, table in enumerate(versions):
        same(icecore.rows(path, f", {version}"), table)


def check_names_in_other_cases(icecore, folder):
    """Columns of a file that differ from the table's in case alone are the table's."""
    path = appended(os.path.join(folder, "t"), commits=2)
    (file,) = [os.path.join(path, a["add"]["path"]) for a in entries(path, 1) if "add" in a]
    pq.write_table(pa.table({"ID": pa.array(range(10, 20), pa.int64())}), file)
    changed(path, 1, lambda a: {"add": a["add"] | {"size": os.path.getsize(file)}} if "add" in a else a)
    same(icecore.rows(path), ids(range(20)))


def check_places(icecore, folder):
    path = appended(os.path.join(folder, "t"), commits=1)
    for place in (path + "/", path + "//", "t", "./t", f"file://{path}", f"file://{path}/"):
        same(icecore.rows(place), ids(range(10)))
    link = os.path.join(folder, "link")
    os.symlink(path, link)
    same(icecore.rows(link), ids(range(10)))
    os.unlink(glob.glob(os.path.join(path, "*.parquet"))[0])
    icecore.refused(path, ".parquet")
