"""The project that the fault tests work on, what its rows must become, and the audit of laws 2, 3 and 5."""
import datetime
import json
import os
import random
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from project import Failed, Project

DEFINITIONS = """\
source: events
from:
  files: {path: "data/*.csv", format: csv}
contract:
  columns:
    - {name: id, type: int64, required: true}
    - {name: user_id, type: int64}
    - {name: happened_at, type: timestamp}
    - {name: x, type: float64, between: [0, 900]}
---
table: events
zone: processing
sql: select * from landing.events
mode: append
drop: [{name: tiny, when: "x < 50"}]
checks: [{expect: "x < 700 or x > 750", name: gap}]
---
table: doubled
zone: curated
sql: select id, user_id, happened_at, 2 * x as x from processing.events
mode: append
---
table: greatest
zone: processing
sql: select user_id, id, x from landing.events
mode: merge
key: [user_id]
order_by: x
---
table: counted
zone: curated
sql: select user_id, count(*) as n from landing.events group by user_id
mode: replace
key: [user_id]
---
entity: user
keys: [{name: user_id, type: int64}]
---
feature_view: recent
entity: user
from: curated.doubled
event_time: happened_at
online: true
features: [x, {name: n, aggregate: count, windows: [1d]}, {of: x, aggregates: [sum, mean, stddev], windows: [7d]}]
---
feature_service: all
features: [recent]
"""
NOW = "2024-03-01T00:00:00Z"
USERS = 20
START = datetime.datetime(2024, 2, 1)


class Flow:
    """Source files come one after the other; `rows` is what has been given so far."""

    def __init__(self, icecore: str, folder: str, seed: str, lake: str = "lake"):
        self.chance, self.project = random.Random(seed), Project(icecore, folder)
        self.rows: list[tuple[str, float]] = []
        self.users: list[int] = []          # of each row
        self.files = 0
        self.in_folder = lake == "lake"
        self.project.write("icecore.yaml", f"language: 1\nproject: fault\nlake: {lake}\nnow: {NOW}\n")
        self.project.write("definitions/all.yaml", DEFINITIONS)
        self.project.must("apply")

    def add_file(self, count: int) -> None:
        lines = ["id,user_id,happened_at,x"]
        for _ in range(count):
            name = str(len(self.rows)) if self.chance.random() < 0.98 else f"bad{len(self.rows)}"
            x = round(self.chance.uniform(0, 1000), 3)
            at = START + datetime.timedelta(seconds=self.chance.randrange(28 * 86400))
            self.rows.append((name, x))
            self.users.append(self.chance.randrange(USERS))
            lines.append(f"{name},{self.users[-1]},{at.isoformat()}Z,{x}")
        self.project.write(f"data/{self.files:04d}.csv", "\n".join(lines) + "\n")
        self.files += 1

    def audit(self) -> None:
        """Raises Failed where a row is missing, there twice, or in the wrong place."""
        good = [(name, x) for name, x in self.rows if not name.startswith("bad") and x <= 900]
        kept = [name for name, x in good if x >= 50 and not 700 <= x <= 750]
        self.expect_ids("landing.events_raw", [name for name, _ in self.rows])
        self.expect_ids("landing.events", [name for name, _ in good])
        self.expect_ids("processing.events", kept)
        self.expect_ids("curated.doubled", kept)
        bad = [name for name, x in self.rows if name.startswith("bad") or x > 900]
        gap = [name for name, x in good if 700 <= x <= 750]
        self.expect_quarantine({("landing.events", name) for name in bad} | {("processing.events", name) for name in gap})
        for table in ("landing.events", "processing.events", "curated.doubled", "history.greatest", "history.counted"):
            self.expect_balance(table)
        self.expect_versions()
        self.expect_parity()
        if not self.in_folder:  # who keeps it elsewhere reads it there by others
            return
        others = self.read_by_others()
        for table, names in (("landing.events_raw", [name for name, _ in self.rows]), ("landing.events", [name for name, _ in good]),
                             ("processing.events", kept), ("curated.doubled", kept), ("history.greatest", [name for name, _ in good])):
            got = Counter(map(str, others[table].column("id").to_pylist()))
            if got != Counter(names):
                raise Failed(f"{table}: deltalake reads {sum(got.values())} rows, expected {len(names)}")

    def read_by_others(self) -> dict[str, pa.Table]:
        """Every table as deltalake reads it: as many rows as its log says, no _seq twice. Commits may go on meanwhile."""
        read = {}
        for folder, below, _ in sorted(os.walk(self.project.path("lake"))):
            if "_delta_log" not in below or not self.has_entries(folder):
                continue
            name = os.path.relpath(folder, self.project.path("lake")).replace(os.sep, ".")
            table = DeltaTable(folder)
            read[name] = table.to_pyarrow_table()
            counted = sum(pa.table(table.get_add_actions()).column("num_records").to_pylist())
            seqs = read[name].column("_seq").to_pylist() if not name.startswith("quarantine.") else []
            if read[name].num_rows != counted or len(set(seqs)) != len(seqs):
                raise Failed(f"{name}: deltalake reads {read[name].num_rows} rows with {len(set(seqs))} _seq, the log says {counted}")
        return read

    @staticmethod
    def has_entries(folder: str) -> bool:
        return any(name.endswith(".json") for name in os.listdir(os.path.join(folder, "_delta_log")))

    def expect_versions(self) -> None:
        """Each version once, and the presents are what the logs say."""
        good = [(user, x, name) for (name, x), user in zip(self.rows, self.users) if not name.startswith("bad") and x <= 900]
        self.expect_ids("history.greatest", [name for _, _, name in good])
        greatest: dict[int, tuple] = {}
        for place, (user, x, name) in enumerate(good):
            greatest[user] = max(greatest.get(user, (-1.0, 0, "")), (x, place, name))
        got = {row["user_id"]: str(row["id"]) for row in self.project.rows("select * from processing.greatest")}
        if got != {user: name for user, (_, _, name) in greatest.items()}:
            raise Failed("processing.greatest is not the greatest of each user")
        counts = dict(Counter(user for user, _, _ in good))
        folded = {}
        for row in self.project.rows("select *, _op from history.counted order by _seq"):
            if (row["user_id"] in folded) != (row["_op"] != "insert"):
                raise Failed(f"history.counted: {row} comes twice or out of place")
            folded[row["user_id"]] = row["n"]
        present = self.project.rows("select * from curated.counted")
        if folded != counts or {row["user_id"]: row["n"] for row in present} != counts or len(present) != len(counts):
            raise Failed("curated.counted is not what its versions and its rows say")

    def expect_ids(self, table: str, expected: list[str]) -> None:
        got = self.project.sql(f"select id::varchar as id, _seq from {table}")
        ids, seqs = got.column("id").to_pylist(), got.column("_seq").to_pylist()
        if Counter(ids) != Counter(expected):
            missing, more = Counter(expected) - Counter(ids), Counter(ids) - Counter(expected)
            raise Failed(f"{table}: {len(ids)} rows, expected {len(expected)}; missing {sorted(missing)[:5]}, "
                         f"too many {sorted(more)[:5]}")
        if len(set(seqs)) != len(seqs):
            raise Failed(f"{table}: a _seq stands on two rows")

    def expect_quarantine(self, expected: set[tuple[str, str]]) -> None:
        rows = self.project.rows("select _origin, row from quarantine.events")
        got = Counter((row["_origin"], str(json.loads(row["row"])["id"])) for row in rows)
        if got != Counter(expected):
            raise Failed(f"quarantine.events: {sum(got.values())} rows, expected {len(expected)}; "
                         f"first differences {list((got - Counter(expected)) | (Counter(expected) - got))[:5]}")

    def expect_balance(self, table: str) -> None:
        """Law 3 over the whole history, from the counts in the commits."""
        total = Counter()
        for commit in self.project.json("history", table, "--limit", "100000")["history"]:
            total.update(commit["counts"])
        out = sum(total[name] for name in ("written", "quarantined", "dropped", "duplicates", "superseded", "filtered"))
        if total["read"] + total["expanded"] != out:
            raise Failed(f"{table}: its commits do not balance: {dict(total)}")

    def expect_parity(self) -> None:
        """Served = offline, bit for bit."""
        moment = datetime.datetime.fromisoformat(NOW[:-1])
        spine = pa.table({"user_id": pa.array(range(USERS), pa.int64()),
                          "event_timestamp": pa.array([moment] * USERS, pa.timestamp("us", "UTC"))})
        pq.write_table(spine, self.project.path("spine.parquet"))
        self.project.must("training-set", "all", "--spine", "spine.parquet", "--out", "offline.parquet")
        for row in pq.read_table(self.project.path("offline.parquet")).to_pylist():
            features = self.project.json("get", "all", f"user_id={row['user_id']}")["features"]
            for name, one in features.items():
                offline = row[name]
                if isinstance(offline, datetime.datetime):  # JSON has its text
                    offline = offline.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
                if offline != one["value"]:
                    raise Failed(f"user {row['user_id']}, {name}: served {one['value']!r}, offline {offline!r}")

    def log_files(self, table: str) -> list[str]:
        """Of the Delta log, oldest first; relative to the project."""
        folder = os.path.join("lake", *table.split("."), "_delta_log")
        return [os.path.join(folder, name) for name in sorted(os.listdir(self.project.path(folder))) if name.endswith(".json")]
