"""Tables of deltalake and logs put together by hand, and how `icecore sql` reads them."""
import json
import os
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake


class Icecore:
    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = folder

    def run(self, query):
        out = os.path.join(self.folder, "out.parquet")
        if os.path.exists(out):
            os.unlink(out)
        done = subprocess.run([self.binary, "-C", self.folder, "--json", "sql", query, "--out", out],
                              capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr, out

    def rows(self, table, argument=""):
        code, said, out = self.run(f"select * from delta('{table}'{argument})")
        assert code == 0, said
        return pq.read_table(out)

    def refused(self, table, reason, argument=""):
        code, said, _ = self.run(f"select * from delta('{table}'{argument})")
        assert code in (1, 2), (code, said)
        assert reason in said, (reason, said)


def same(got, want):
    """Rows in any order."""
    assert got.schema.names == want.schema.names, (got.schema.names, want.schema.names)
    rows = [sorted(json.dumps(r, default=repr, sort_keys=True) for r in t.to_pylist()) for t in (got, want)]
    assert rows[0] == rows[1], rows


def ids(*ranges):
    return pa.table({"id": pa.array([i for r in ranges for i in r], pa.int64())})


def appended(path, commits=12):
    """Version v has the ids 0 … 10 v + 9; checkpoint of the last but one."""
    for v in range(commits):
        write_deltalake(path, ids(range(10 * v, 10 * v + 10)), mode="append")
        if v == commits - 2:
            DeltaTable(path).create_checkpoint()
    return path


def log(path, name=""):
    return os.path.join(path, "_delta_log", name)


def version_name(version, rest):
    return f"{version:020d}.{rest}"


def entries(path, version):
    with open(log(path, version_name(version, "json"))) as file:
        return [json.loads(line) for line in file]


def write_entries(path, version, actions):
    os.makedirs(log(path), exist_ok=True)
    with open(log(path, version_name(version, "json")), "w") as file:
        file.writelines(json.dumps(action) + "\n" for action in actions)


def clean_up(path, before):
    for version in range(before):
        os.unlink(log(path, version_name(version, "json")))
