#!/usr/bin/env python3
"""`icecore serve` under random pushes, files, runs and kills: every answer it gave, bit for bit, by the naive reference.

    serve.py --icecore BINARY [--projects N] [--seconds N] [--seed N] [--jobs N] [--keep DIR]

A project has views over an append table and a merge table of pushed rows, over rows of files, and over snapshots in which
rows vanish; known by a column, by arrival, at once. While rows are pushed (late ones, ones of the future, corrections, some
under a key again), files land and `icecore run` works beside, the server is killed with kill -9 and started again, and it is
asked at random moments for now or for a time to come. Then each answer (its time t, its position p per view) must be what
the reference computes for t from the rows up to p, as the lake has them; positions never go back; every acknowledged row is
in the lake once; and `verify` finds no mismatch in what was logged. Last line: `N passed, N failed`.
"""
import argparse
import concurrent.futures
import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from compare import Comparison, as_typed, from_json, rfc3339  # noqa: E402
from generator import AGGREGATES, COLUMNS, FLOATS, INSTANT, SCHEMA, definition_of, single  # noqa: E402
from integration.served import ON_LOOPBACK, Server  # noqa: E402
from project import Failed, Project  # noqa: E402
from reference import HOUR, MINUTE, Feature, Row, View, Window, answer, statuses  # noqa: E402

SECOND = 1_000_000
WINDOWS = {"1s": SECOND, "4s": 4 * SECOND, "15s": 15 * SECOND, "10m": 10 * MINUTE, "1d": 24 * HOUR}
HOPS = {"0s": 0, "1s": SECOND, "7s": 7 * SECOND}
WAIT_S = 120
ENTITIES = 5                            # asked at once
COMPARED = 500                          # entities asked that are compared, of each project
PEOPLE = pa.schema([("id", pa.int64()), ("k1", pa.int64()), ("k2", pa.string()), ("at", INSTANT), *COLUMNS.items()])
TYPES = {"i": "int64", "f": "float64", "g": "float32", "s": "string", "d": "decimal(10,2)"}
PUSHED = {"number": "int64", "id": "int64", "version": "int32", "k1": "int64", "k2": "string", "at": "timestamp", "told": "timestamp", **TYPES}


def now_us() -> int:
    return time.time_ns() // 1000


class Drawn:
    """A project's definitions, and the rows that come to it."""

    def __init__(self, seed: str):
        self.chance = random.Random(f"serve {seed}")
        self.ordered = self.chance.random() < 0.6
        self.keys = [(1, "23"), (12, "3"), (0, ""), (-1, "a|b"), (2**63 - 1, "ä\n"), *((n, self.chance.choice("abc")) for n in range(2, 7))]
        self.views = [self.some_view(number, log) for number, log in enumerate(
            ("processing.clicks", "processing.clicks", "processing.orders", "processing.sheets", "processing.folk"))]
        self.pushed = 0
        self.moments: list[tuple[tuple, int]] = []      # key and time of rows that were there, for corrections
        self.people: dict[int, dict] = {}

    # ---- definitions

    def some_view(self, number: int, log: str) -> View:
        chance, view = self.chance, View(f"v{number}")
        view.log = log
        view.known = chance.choice(["arrival", "event_time"] if log == "processing.folk" else ["arrival", "told", "told", "event_time"])
        view.delay = 0 if view.known == "event_time" else None
        view.exclude_at = chance.random() < 0.2
        view.ttl = chance.choice([None, 3 * SECOND, 20 * SECOND])
        view.where = chance.choice([None, None, ("i", 1)])
        view.versions = {"processing.orders": "ordered" if self.ordered else "by seq", "processing.folk": "by seq"}.get(log, "")
        view.features = [self.some_feature(count) for count in range(5)]
        return view

    def some_feature(self, number: int) -> Feature:
        chance = self.chance
        column = chance.choice(list(COLUMNS))
        if number == 0 or chance.random() < 0.2:
            return Feature(f"f{number}", column, default={"i": -7, "f": 0.5, "s": "none"}.get(column) if chance.random() < 0.3 else None)
        text, hop = chance.choice(list(WINDOWS)), chance.choice([None, *HOPS])
        feature = Feature(f"f{number}_{text}", column, chance.choice(AGGREGATES[column]),
                          Window(text, WINDOWS[text], None if hop is None else HOPS[hop]), hop_text=hop)
        feature.n, feature.q = chance.randrange(1, 4), chance.choice([0.05, 0.5, 0.95])
        if feature.aggregate == "count" and chance.random() < 0.5:
            feature.of = None
        if chance.random() < 0.25:
            feature.where = ("i", chance.choice([0, 2, 4]))
        return feature

    def definitions(self) -> str:
        contract = {"columns": [{"name": name, "type": kind} for name, kind in PUSHED.items()]}
        order = {"order_by": "version"} if self.ordered else {}
        documents = [
            {"source": "clicks", "from": {"push": {}}, "contract": contract},
            {"source": "sheets", "from": {"files": {"path": "sheets/*.parquet", "format": "parquet"}}},
            {"source": "people", "from": {"files": {"path": "people/*.parquet", "format": "parquet", "load": "snapshot"}}, "key": ["id"]},
            {"table": "clicks", "zone": "processing", "sql": "select * from landing.clicks", "mode": "append"},
            {"table": "orders", "zone": "processing", "sql": "select * from landing.clicks where id is not null", "mode": "merge", "key": ["id"],
             "rows": "at_most_one", **order},
            {"table": "sheets", "zone": "processing", "sql": "select * from landing.sheets", "mode": "append"},
            {"table": "folk", "zone": "processing", "sql": "select * from landing.people", "mode": "merge", "key": ["id"]},
            {"entity": "pair", "keys": [{"name": "k1", "type": "int64"}, {"name": "k2", "type": "string"}]},
            *({**definition_of(view), "from": view.log, "known_at": view.known} for view in self.views),
            {"feature_service": "all", "features": [{"view": view.name, "prefix": view.name + "_"} for view in self.views]}]
        return "\n---\n".join(json.dumps(document, ensure_ascii=False, indent=1) for document in documents) + "\n"

    # ---- rows

    def some_values(self) -> dict:
        chance = self.chance
        f = chance.choice(FLOATS) if chance.random() < 0.6 else chance.uniform(-1000, 1000)
        values = {"i": chance.choice([0, 1, 2, 3, 5, -4, 10**12]), "f": f, "g": single(chance.uniform(-100, 100)),
                  "s": chance.choice(["", "a", "ä", "a b", "Z"]),
                  "d": Decimal(chance.randrange(-10**9, 10**9)).scaleb(-2)}
        return {name: None if chance.random() < 0.1 else value for name, value in values.items()}

    def some_row(self) -> dict:
        """Mostly of the last seconds, some of the next; known late or beforehand; some of a moment that was there."""
        chance = self.chance
        key, at = chance.choice(self.keys), now_us() + chance.choice([0, -chance.randrange(3 * SECOND), -chance.randrange(30 * SECOND),
                                                                      chance.randrange(4 * SECOND)])
        late = chance.choice([0, 0, -SECOND, chance.randrange(2 * SECOND), chance.randrange(20 * SECOND)])
        if self.moments and chance.random() < 0.3:
            key, at = chance.choice(self.moments)
            late = now_us() - at
        self.moments.append((key, at))
        self.pushed += 1
        nothing = chance.random()
        return {"number": self.pushed, "id": None if chance.random() < 0.1 else chance.randrange(25), "version": chance.choice([None, 1, 1, 2, 3]),
                "k1": None if nothing < 0.01 else key[0], "k2": key[1], "at": None if 0.01 < nothing < 0.03 else at,
                "told": None if 0.03 < nothing < 0.05 else at + late,
                **self.some_values()}

    def sheet(self) -> pa.Table:
        return pa.Table.from_pylist([self.some_row() for _ in range(self.chance.randrange(1, 12))], SCHEMA)

    def world(self) -> pa.Table:
        """People whole: some are gone, some back as they were, some changed, perhaps of another key."""
        chance = self.chance
        for number in range(8):
            if chance.random() < 0.4 or number not in self.people:
                key = chance.choice(self.keys)
                self.people[number] = {"id": number, "k1": key[0], "k2": key[1], "at": now_us() - chance.randrange(20 * SECOND), **self.some_values()}
        there = [row for row in self.people.values() if chance.random() < 0.7] or [self.people[0]]
        return pa.Table.from_pylist(there, PEOPLE)


def as_json(row: dict) -> dict:
    """A pushed row as text: times in RFC 3339, decimals as text."""
    return {name: rfc3339(value) if name in ("at", "told") and value is not None else str(value) if isinstance(value, Decimal) else value
            for name, value in row.items() if value is not None}


class Asked(threading.Thread):
    """Asks whatever server there is, at random moments."""

    def __init__(self, case: "ServeCase", seed: str):
        super().__init__()
        self.case, self.chance = case, random.Random(seed)
        self.answers: list[tuple[list, dict]] = []
        self.wrong: str | None = None
        self.stop = threading.Event()

    def run(self) -> None:
        try:
            while not self.stop.is_set() and self.wrong is None:
                self.ask()
                time.sleep(self.chance.choice([0, 0.002, 0.02, 0.1]))
        except Exception as error:  # a thread that ended is a failure, not silence
            self.wrong = f"{type(error).__name__}: {error}"

    def ask(self) -> None:
        keys = self.chance.choices([*self.case.drawn.keys, (99, "a"), (None, "b")], k=ENTITIES)
        document = {"service": "all", "entities": {"k1": [key[0] for key in keys], "k2": [key[1] for key in keys]}}
        if self.chance.random() < 0.2:
            document["at"] = rfc3339(now_us() + self.chance.randrange(30 * MINUTE))
        server = self.case.server
        try:
            status, text = server.send("POST", "/v1/features", document)
        except (OSError, http.client.HTTPException):
            if server.killed or server is not self.case.server:
                return
            raise
        if status != 200:
            self.wrong = f"{document}: status {status}: {text[:300]}"
            return
        self.answers.append((keys, json.loads(text)))


class ServeCase:
    def __init__(self, icecore: str, folder: str, seed: str, seconds: float, comparison: Comparison):
        self.seed, self.seconds, self.comparison = seed, seconds, comparison
        self.drawn, self.chance = Drawn(seed), random.Random(f"work {seed}")
        self.project = Project(icecore, folder)
        self.project.write("icecore.yaml",
                           "language: 1\nproject: served\nserved_log: {fraction: 1}\n" + ("feature_log_rows: 0\n" if self.chance.random() < 0.5 else ""))
        self.project.write("definitions/all.yaml", self.drawn.definitions())
        self.files = self.kills = self.duplicates = 0
        self.pushes: list[tuple[str, list[dict]]] = []          # acknowledged: key and rows
        self.landed: list[int] = []                             # numbers of the rows in sheets
        self.beside = None                                      # `icecore run`
        self.ran_again = 0

    # ---- what happens

    def run(self) -> None:
        self.add_file("sheets", self.drawn.sheet())
        self.add_file("people", self.drawn.world())
        self.project.must("apply")
        self.project.must("run")
        self.start()
        asked = Asked(self, f"ask {self.seed}")
        try:
            asked.start()
            until = time.monotonic() + self.seconds
            while time.monotonic() < until and asked.wrong is None:
                self.act()
            self.settle(asked)
        finally:
            asked.stop.set()
            asked.join()
            self.server.__exit__()
            if self.beside:
                self.beside.kill()
                self.project.end(self.beside)
        if asked.wrong:
            raise Failed(asked.wrong)
        self.audit()
        self.compare(asked.answers)
        self.verify()

    def start(self) -> None:
        self.server = Server(self.project, *ON_LOOPBACK)
        self.server.killed = False

    def act(self) -> None:
        draw = self.chance.random()
        if draw < 0.55:
            self.push(f"push-{len(self.pushes)}", [self.drawn.some_row() for _ in range(self.chance.choice([1, 1, 3, 10]))])
        elif draw < 0.62 and self.pushes:
            self.push(*self.chance.choice(self.pushes), known=True)
        elif draw < 0.72:
            self.add_file(*(("sheets", self.drawn.sheet()) if self.chance.random() < 0.7 else ("people", self.drawn.world())))
        elif draw < 0.80:
            self.run_beside()
        elif draw < 0.84:
            self.kill_in_a_moment()
        time.sleep(self.chance.choice([0, 0.005, 0.03]))

    def push(self, key: str, rows: list[dict], known: bool = False) -> None:
        """Until it is acknowledged, under one key, whatever servers die meanwhile."""
        document, deadline = {"source": "clicks", "rows": [as_json(row) for row in rows]}, time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if self.server.killed:
                self.restart()
            try:
                status, text = self.server.send("POST", "/push", document, {"Idempotency-Key": key})
            except (OSError, http.client.HTTPException) as error:
                if self.server.process.poll() is None and not self.server.killed:
                    raise Failed(f"push {key}: {type(error).__name__}: {error}") from None
                continue
            if status == 503:
                continue
            if status != 200:
                raise Failed(f"push {key}: status {status}: {text[:300]}")
            if known and not json.loads(text)["duplicate"]:
                raise Failed(f"push {key} was acknowledged before and is taken again")
            self.duplicates += json.loads(text)["duplicate"]
            if not known:
                self.pushes.append((key, rows))
            return
        raise Failed(f"push {key} is not acknowledged after {WAIT_S} s")

    def add_file(self, source: str, table: pa.Table) -> None:
        """Whole at once, as a careful writer does."""
        self.files += 1
        if source == "sheets":
            numbers = range(len(self.landed), len(self.landed) + table.num_rows)
            table = table.append_column("line", pa.array(numbers, pa.int64()))
            self.landed += numbers
        os.makedirs(self.project.path(source), exist_ok=True)
        pq.write_table(table, self.project.path(f"{source}.new"))
        os.replace(self.project.path(f"{source}.new"), self.project.path(f"{source}/{self.files:04d}.parquet"))

    def run_beside(self) -> None:
        if self.beside is not None and self.beside.poll() is None:
            if self.chance.random() < 0.2:
                self.beside.kill()
            return
        self.end_beside()
        self.beside = self.project.start("run")

    def end_beside(self) -> None:
        if self.beside is None:
            return
        ended = self.project.end(self.beside)
        self.beside = None
        if ended.code not in (0, -9):
            raise Failed(f"run beside serve: exit code {ended.code}\n{ended.says}")

    def kill_in_a_moment(self) -> None:
        """While the next pushes and reads are under way."""
        server = self.server

        def kill() -> None:
            server.killed = True
            server.process.kill()
        threading.Timer(self.chance.uniform(0, 0.15), kill).start()
        self.kills += 1

    def restart(self) -> None:
        self.server.__exit__()
        self.start()

    def settle(self, asked: Asked) -> None:
        """All has landed and is loaded: the last answers know every row."""
        time.sleep(0.2)                                          # a kill may still be due
        if self.server.killed:
            self.restart()
        self.end_beside()
        self.push("last", [self.drawn.some_row()])
        self.project.must("run")
        want = {view.name: self.project.value(f"select max(_seq) from {log_of(view)}") for view in self.drawn.views}
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline and asked.wrong is None:
            views = asked.answers[-1][1]["views"] if asked.answers else {}
            if views and all(views[name]["seq"] >= (seq or 0) for name, seq in want.items()):
                return
            time.sleep(0.05)
        if asked.wrong is None:
            raise Failed(f"the server does not come to the end of {want}: {asked.answers[-1][1]['views'] if asked.answers else 'no answer'}")

    # ---- what must hold

    def audit(self) -> None:
        """Every acknowledged row once, in the order of its push; every row of the files once."""
        numbers = [row["number"] for row in self.project.rows("select number from landing.clicks order by _seq")]
        want = [row["number"] for _, rows in self.pushes for row in rows]
        if numbers != want:
            raise Failed(f"landing.clicks: {len(numbers)} rows, {len(want)} were acknowledged; missing {sorted(set(want) - set(numbers))[:5]}, "
                         f"too many {sorted(set(numbers) - set(want))[:5]}")
        lines = [row["line"] for row in self.project.rows("select line from processing.sheets order by _seq")]
        if lines != self.landed:
            raise Failed(f"processing.sheets: {len(lines)} rows, {len(self.landed)} lay in files")
        self.comparison.passed += 2

    def rows_of(self, view: View) -> list[Row]:
        """The view's log as the lake has it."""
        versions = ", _deleted" if view.versions else ""
        out = []
        for values in columns_of(self.project.sql(f"select *, _seq, _arrived_at{versions} from {log_of(view)} order by _seq")):
            told = values["told"] if view.known == "told" and not values.get("_deleted") else values["_arrived_at"]
            out.append(Row((values["k1"], values["k2"]), values["at"], told, values["_seq"], values, values.get("id") if view.versions else None,
                           values.get("version") if view.versions == "ordered" else None, bool(values.get("_deleted"))))
        return out

    def compare(self, answers: list[tuple[list, dict]]) -> None:
        self.positions_grow(answers)
        logs = {view.name: self.rows_of(view) for view in self.drawn.views}
        sampled = sorted(self.chance.sample(range(len(answers) * ENTITIES), min(COMPARED, len(answers) * ENTITIES)))
        for number in sampled:
            keys, document = answers[number // ENTITIES]
            at = number % ENTITIES
            for view in self.drawn.views:
                self.compare_one(view, logs[view.name], keys[at], document, at)

    def positions_grow(self, answers: list[tuple[list, dict]]) -> None:
        last = {view.name: 0 for view in self.drawn.views}
        for _, document in answers:
            for name, seq in last.items():
                got = document["views"][name]
                if got["seq"] < seq or got["stale"]:
                    raise Failed(f"{name} stands at {got} after an answer up to _seq {seq}")
                last[name] = got["seq"]
        self.comparison.passed += 1

    def compare_one(self, view: View, log: list[Row], key: tuple, document: dict, at: int) -> None:
        t, p = time_of(document["at"]), document["views"][view.name]["seq"]
        rows = [row for row in log if row.seq <= p and (view.versions or row.key == key)]
        where = f"{key} at {t}, position {p}"
        got = {name: from_json(one["values"][at]) for name, one in document["features"].items()}
        want = answer(view, rows, key, t, t)
        self.comparison.compare(view, want, as_typed(view, want, got), where)
        expected = statuses(view, rows, key, t)
        told = {feature.name: document["features"][f"{view.name}_{feature.name}"]["statuses"][at] for feature in view.features}
        if told != expected:
            self.comparison.failed += 1
            print(f"seed {self.seed}: {where}: {view.name}: statuses {told}, expected {expected}")

    def verify(self) -> None:
        report = self.project.json("verify", "all", "--limit", "300")
        if not report["passed"] or not report["equal"]:
            raise Failed(f"verify: {report}"[:600])
        self.comparison.passed += 1


def log_of(view: View) -> str:
    return view.log.replace("processing.", "history.") if view.versions else view.log


def columns_of(table: pa.Table) -> list[dict]:
    """Rows with times as microseconds."""
    plain = {field.name: table.column(field.name).cast(INSTANT).cast(pa.int64()).to_pylist() if pa.types.is_timestamp(field.type)
             else table.column(field.name).to_pylist() for field in table.schema}
    return [dict(zip(plain, row)) for row in zip(*plain.values())]


def time_of(text: str) -> int:
    return pa.scalar(text.rstrip("Z")).cast(pa.timestamp("us")).cast(pa.int64()).as_py()


def tried(icecore: str, number: int, seed: str, seconds: float, keep: str | None) -> tuple[int, int, str]:
    """(passed, failed, what happened) of one project."""
    comparison = Comparison(seed)
    with tempfile.TemporaryDirectory(prefix="oracle-serve-") as temporary:
        told = ""
        try:
            case = ServeCase(icecore, os.path.join(keep or temporary, f"project-{number}"), seed, seconds, comparison)
            case.run()
            told = f"{sum(len(rows) for _, rows in case.pushes)} rows pushed, {case.duplicates} pushes twice, {case.files} files, {case.kills} kills"
        except Failed as wrong:
            comparison.failed += 1
            print(f"seed {seed}: {wrong}", flush=True)
        except Exception as error:  # a test that could not run has failed
            comparison.failed += 1
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
    return comparison.passed, comparison.failed, told


def main() -> int:
    parser = argparse.ArgumentParser(description="Holds the answers of `icecore serve` to a naive reference.")
    parser.add_argument("--icecore", required=True)
    parser.add_argument("--projects", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8, help="of pushes, reads and kills to a project")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="keep the projects in this folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    passed = failed = 0
    with concurrent.futures.ProcessPoolExecutor(given.jobs) as pool:
        waiting = [pool.submit(tried, given.icecore, number, f"{given.seed}/{number}", given.seconds, given.keep) for number in range(given.projects)]
        for number, outcome in enumerate(waiting):
            one_passed, one_failed, told = outcome.result()
            passed, failed = passed + one_passed, failed + one_failed
            print(f"project {number}: {told or 'failed'}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
