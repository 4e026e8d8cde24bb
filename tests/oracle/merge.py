"""Random streams of versions in random batches, held against a naive present and history.

One project has a merge table over a stream, a table computed whole with a key over the same stream, a source of snapshots
with a key, and a merge over that source. After each run every table is compared whole.
"""
import datetime
import math
import random

import pyarrow as pa
import pyarrow.parquet as pq

from project import Failed, Project

START = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
STREAM = pa.schema([("a", pa.string()), ("b", pa.int64()), ("version", pa.float64()),
                    ("told_at", pa.timestamp("us", "UTC")), ("x", pa.int64())])
SNAPSHOT = pa.schema([("id", pa.int64()), ("x", pa.int64()), ("t", pa.string())])
DEFINITIONS = """\
source: stream
from:
  files: {path: "stream/*.parquet", format: parquet}
---
source: world
from:
  files: {path: "world/*.parquet", format: parquet, load: snapshot}
key: [id]
---
table: newest
zone: processing
sql: select * from landing.stream
mode: merge
key: [a, b]
known_at: told_at
ORDER
---
table: sums
zone: curated
sql: select b, count(*) as n, sum(x) as total from landing.stream group by b
mode: replace
key: [b]
---
table: follows
zone: processing
sql: select id + 1000 as id, x, upper(t) as t from landing.world
mode: merge
key: [id]
"""


def order_of(version):
    """Null is below every number, NaN above; -0.0 is 0.0."""
    if version is None:
        return (0, 0.0)
    return (2, 0.0) if math.isnan(version) else (1, version + 0.0)


def bits(row: dict) -> tuple:
    return tuple(sorted((name, plain(value)) for name, value in row.items()))


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).isoformat()
    return "nan" if isinstance(value, float) and math.isnan(value) else value


class MergeCase:
    def __init__(self, icecore: str, folder: str, seed: str, comparison):
        self.chance, self.comparison = random.Random(f"merge {seed}"), comparison
        self.ordered = self.chance.random() < 0.7
        self.project = Project(icecore, folder)
        self.project.write("icecore.yaml", "language: 1\nproject: merge\n")
        order = "order_by: [version]" if self.ordered else ""
        self.project.write("definitions/all.yaml", DEFINITIONS.replace("ORDER", order))
        self.stream: list[dict] = []
        self.files = self.worlds = 0
        self.world: dict[int, dict] = {}
        self.world_log: list[tuple[str, dict]] = []     # the source's versions: op, row
        self.project.write("stream/.keep", "")
        self.project.write("world/.keep", "")

    def run(self) -> None:
        self.add_stream()
        self.add_world()
        self.project.must("apply")
        for _ in range(self.chance.randrange(2, 5)):
            self.project.must("run", *(["--full"] if self.chance.random() < 0.2 else []))
            self.compare_newest()
            self.compare_sums()
            self.compare_world()
            for _ in range(self.chance.randrange(3)):
                self.add_stream()
            for _ in range(self.chance.randrange(3)):
                self.add_world()

    def add_stream(self) -> None:
        chance, rows = self.chance, []
        for _ in range(chance.randrange(1, 40)):
            told = None if chance.random() < 0.03 else START + datetime.timedelta(minutes=chance.randrange(600))
            rows.append({"a": chance.choice(["p", "q", "pq", "", None]), "b": chance.choice([-1, 0, 1, 2, None]),
                         "version": chance.choice([None, math.nan, -0.0, 0.0, 1.0, 2.0, 2.5, math.inf]),
                         "told_at": told, "x": chance.randrange(100)})
        pq.write_table(pa.Table.from_pylist(rows, STREAM), self.project.path(f"stream/{self.files:04d}.parquet"))
        self.files += 1
        self.stream += rows

    def add_world(self) -> None:
        chance = self.chance
        rows = {key: {"id": key, "x": chance.randrange(3), "t": chance.choice(["u", "v", None])}
                for key in range(12) if chance.random() < 0.6} or {0: {"id": 0, "x": 0, "t": None}}
        shuffled = list(rows.values())
        chance.shuffle(shuffled)
        pq.write_table(pa.Table.from_pylist(shuffled, SNAPSHOT), self.project.path(f"world/{self.worlds:04d}.parquet"))
        self.worlds += 1
        for key in sorted(set(rows) | set(self.world)):
            if key not in rows:
                self.world_log.append(("delete", self.world[key]))
            elif rows[key] != self.world.get(key):
                self.world_log.append(("update" if key in self.world else "insert", rows[key]))
        self.world = rows

    def expect(self, what: str, got: list[dict], want: list[dict]) -> None:
        have, should = sorted(map(repr, map(bits, got))), sorted(map(repr, map(bits, want)))
        if have == should:
            self.comparison.passed += 1
            return
        more, missing = [r for r in have if r not in should], [r for r in should if r not in have]
        raise Failed(f"{what}: {len(have)} rows, expected {len(should)}; too many {more[:2]}, missing {missing[:2]}")

    def compare_newest(self) -> None:
        history, best = [], {}
        for seq, row in enumerate(self.stream, 1):
            if row["a"] is None or row["b"] is None:
                continue
            key = (row["a"], row["b"])
            rank = (order_of(row["version"]) if self.ordered else (), seq)
            history.append({"key": key, "rank": rank, "row": row, "op": "update" if key in best else "insert", "seq": seq})
            if key not in best or rank > best[key]["rank"]:
                best[key] = history[-1]
        self.expect("processing.newest", self.project.rows("select *, _seq, _op from processing.newest"),
                    [{**one["row"], "_seq": one["seq"], "_op": one["op"]} for one in best.values()])
        want = []
        for one in history:
            known = one["row"]["told_at"]
            later = [other["row"]["told_at"] for other in history
                     if other["key"] == one["key"] and other["rank"] > one["rank"] and other["row"]["told_at"]]
            until = None if known is None or not later else max(min(later), known)
            want.append({**one["row"], "_seq": one["seq"], "_op": one["op"], "_known_at": known, "_valid_from": known,
                         "_valid_to": until, "_deleted": False})
        self.expect("history.newest", self.project.rows(
            "select *, _seq, _op, _known_at, _valid_from, _valid_to, _deleted from history.newest"), want)
        keyless = sum(row["a"] is None or row["b"] is None for row in self.stream)
        if keyless and self.project.value("select count(*) from quarantine.newest") != keyless:
            raise Failed("quarantine.newest: not every row without a key is there")

    def compare_sums(self) -> None:
        sums: dict[int, list[int]] = {}
        for row in self.stream:
            if row["b"] is not None:
                sums.setdefault(row["b"], []).append(row["x"])
        want = [{"b": b, "n": len(xs), "total": sum(xs)} for b, xs in sums.items()]
        self.expect("curated.sums", self.project.rows("select * from curated.sums"), want)
        folded: dict[int, dict] = {}
        for row in self.project.rows("select *, _op from history.sums order by _seq"):
            op = row.pop("_op")
            if (row["b"] in folded) != (op != "insert") or folded.get(row["b"]) == row and op == "update":
                raise Failed(f"history.sums: {op} of {row} after {folded.get(row['b'])}")
            folded.pop(row["b"], None) if op == "delete" else folded.update({row["b"]: row})
        self.expect("history.sums", list(folded.values()), want)

    def compare_world(self) -> None:
        self.expect("landing.world", self.project.rows("select * from landing.world"), list(self.world.values()))
        got = [(row.pop("_op"), row) for row in self.project.rows("select *, _op from history.world order by _seq")]
        if got != self.world_log:
            raise Failed(f"history.world: {len(got)} versions, expected {len(self.world_log)}; first difference "
                         f"{next((pair for pair in zip(got, self.world_log) if pair[0] != pair[1]), 'at the end')}")

        def made(row: dict) -> dict:
            return {"id": row["id"] + 1000, "x": row["x"], "t": row["t"].upper() if row["t"] else row["t"]}
        self.expect("processing.follows", self.project.rows("select * from processing.follows"),
                    [made(row) for row in self.world.values()])
        got = [(row.pop("_op"), row) for row in self.project.rows("select *, _op from history.follows order by _seq")]
        if got != [(op, made(row)) for op, row in self.world_log]:
            raise Failed("history.follows is not what its driver's history is")
