"""Small projects drawn from a seed: rows with late news, corrections, nulls and odd numbers; views; a spine that asks at
the moments where implementations go wrong."""
import copy
import json
import math
import random
import struct
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

from reference import DAY, HOUR, INF, MINUTE, Feature, Row, View, Window

START = 1_704_067_200_000_000       # 2024-01-01
WINDOWS = {"7m": 7 * MINUTE, "1h": HOUR, "11h": 11 * HOUR, "12h": 12 * HOUR, "1d": DAY, "11d": 11 * DAY, "12d": 12 * DAY,
           "30d": 30 * DAY}
HOPS = {"0s": 0, "1m": MINUTE, "1h": HOUR, "1d": DAY}
INSTANT = pa.timestamp("us", "UTC")
COLUMNS = {"i": pa.int64(), "f": pa.float64(), "g": pa.float32(), "s": pa.string(), "d": pa.decimal128(10, 2)}
SCHEMA = pa.schema([("id", pa.int64()), ("version", pa.int32()), ("k1", pa.int64()), ("k2", pa.string()), ("at", INSTANT),
                    ("told", INSTANT), *COLUMNS.items()])
AGGREGATES = {
    "i": ["count", "count_distinct", "sum", "mean", "min", "max", "stddev", "variance", "first", "last", "last_n", "top_n",
          "quantile"],
    "s": ["count", "count_distinct", "min", "max", "first", "last", "last_n"]}
AGGREGATES["d"] = ["count", "count_distinct", "sum", "mean", "min", "max", "stddev", "variance", "first", "last", "last_n"]
AGGREGATES["f"] = AGGREGATES["g"] = AGGREGATES["i"]
FLOATS = [0.0, -0.0, 0.1, 0.2, 0.3, -0.1, 1e16, 1.0, -1e16, 1e300, -1e300, 5e-324, 1e-300, 123456.789, 1e9 + 5, 1e9 - 5]


def single(value: float) -> float:
    return struct.unpack("f", struct.pack("f", value))[0]


class Generated:
    """Everything about one project: rows in their order, views, spine."""

    def __init__(self, seed: str, keys: int, asked_per_key: int):
        self.seed, self.chance = seed, random.Random(seed)
        self.versions = self.chance.choice(["", "ordered", "by seq"])
        self.keys = self.some_keys(keys)
        self.rows = self.some_rows()
        self.views = [self.some_view(number) for number in range(4)]
        self.edits, self.gone = 0, {}
        self.spine = self.some_spine(asked_per_key)

    def some_keys(self, count: int) -> list[tuple]:
        keys = [(1, "23"), (12, "3"), (1, "2"), (None, "x"), (7, None), (0, ""), (-1, "a|b"), (2**63 - 1, "ä\n")]
        texts = ["a", "b", "c", "ab"]
        while len(keys) < count:
            keys.append((self.chance.randrange(-3, 1_000_000), self.chance.choice(texts)))
        return list(dict.fromkeys(keys))

    def some_time(self) -> int:
        """Often on a hop's edge or a microsecond beside it."""
        at = START + self.chance.randrange(40 * DAY)
        edge = self.chance.choice([None, 5 * MINUTE, HOUR, DAY])
        if edge:
            at = at - at % edge + self.chance.choice([-1, 0, 0, 1])
        return at

    def some_values(self) -> dict:
        chance = self.chance
        number = chance.choice(FLOATS) if chance.random() < 0.6 else chance.uniform(-1000, 1000)
        odd = chance.choice([None, math.nan, INF, -INF])
        f = odd if chance.random() < 0.12 else number
        g = odd if chance.random() < 0.12 else single(chance.uniform(-100, 100))
        return {"i": None if chance.random() < 0.1 else chance.choice([0, 1, 2, 3, 5, -4, 10**12]), "f": f, "g": g,
                "s": None if chance.random() < 0.1 else chance.choice(["", "a", "b", "ä", "a b", "Z"]),
                "d": None if chance.random() < 0.1 else Decimal(chance.randrange(-10**9, 10**9)).scaleb(-2)}

    def some_rows(self) -> list[Row]:
        chance, rows = self.chance, []
        for key in self.keys[:-3]:                  # the last keys are known to the spine alone
            for _ in range(chance.choice([0, 1, 2, 5, 12])):
                e = None if chance.random() < 0.03 else self.some_time()
                if rows and rows[-1].key == key and chance.random() < 0.25:
                    e = rows[-1].e                  # the same moment again, perhaps as a correction
                late = chance.choice([0, 0, 0, 1, 5 * MINUTE, HOUR, 2 * DAY, -HOUR])
                told = None if e is None or chance.random() < 0.03 else e + late
                rows.append(Row(key, e, told, 0, self.some_values()))
        chance.shuffle(rows)
        for number, row in enumerate(rows, 1):
            row.seq = number
        if self.versions:
            self.make_versions(rows)
        return rows

    def make_versions(self, rows: list[Row]) -> None:
        """Half of the rows become further versions of earlier ones, mostly of the same moment and key."""
        chance = self.chance
        for number, row in enumerate(rows):
            row.id, row.version = number, chance.choice([None, 1, 1, 2, 3])
            if number and chance.random() < 0.5:
                before = rows[chance.randrange(number)]
                row.id = before.id
                if chance.random() < 0.7:
                    row.key = before.key
                if chance.random() < 0.7 and before.e is not None:
                    late = chance.choice([0, 1, 5 * MINUTE, HOUR, 2 * DAY])
                    row.e, row.told = before.e, before.e + late

    def edit_views(self, chance: random.Random) -> None:
        """What a person does to definitions between two runs: some edits need no new state, some do."""
        for view in self.views:
            for _ in range(chance.choice([0, 1, 1, 2])):
                self.edit_view(view, chance)

    def edit_view(self, view: View, chance: random.Random) -> None:
        self.edits += 1
        features, number = view.features, 100 + self.edits
        gone = self.gone.setdefault(view.name, [])
        kind = chance.choice(["order", "remove", "remove", "again", "again", "add", "sibling", "sibling", "rename", "ttl",
                              "default", "rows"])
        feature = chance.choice(features)
        if kind == "order":
            chance.shuffle(features)
        elif kind == "remove" and len(features) > 1:
            features.remove(feature)
            gone.append(feature)
        elif kind == "again" and gone:
            features.insert(chance.randrange(len(features) + 1), gone.pop(chance.randrange(len(gone))))
        elif kind == "add":
            features.append(self.some_feature(number, chance))
        elif kind == "sibling":
            other = copy.copy(feature)
            other.name = renamed(feature, number)
            if other.aggregate in ("sum", "mean"):
                other.aggregate = chance.choice(["sum", "mean", "stddev"])
            features.append(other)
        elif kind == "rename":
            feature.name = renamed(feature, number)
        elif kind == "ttl":
            view.ttl = chance.choice([None, HOUR, 3 * DAY])
        elif kind == "default" and not feature.aggregate:
            feature.default = {"i": 4, "f": 1.5, "g": 1.5, "s": "gone", "d": None}[feature.of]
        elif kind == "rows":
            view.where = chance.choice([None, ("i", 1), ("i", 2)])

    def some_feature(self, number: int, chance: random.Random | None = None) -> Feature:
        chance = chance or self.chance
        column = chance.choice(list(COLUMNS))
        if chance.random() < 0.25:
            default = {"i": -7, "f": 0.5, "g": 0.5, "s": "none", "d": None}[column] if chance.random() < 0.3 else None
            return Feature(f"f{number}", column, default=default)
        text = chance.choice(list(WINDOWS))
        hop = chance.choice([None, None, *HOPS])
        feature = Feature(f"f{number}_{text}", column, chance.choice(AGGREGATES[column]),
                          Window(text, WINDOWS[text], None if hop is None else HOPS[hop]))
        feature.hop_text = hop
        feature.n, feature.q = chance.randrange(1, 4), chance.choice([0.05, 0.5, 0.95])
        if feature.aggregate == "count" and chance.random() < 0.5:
            feature.of = None
        if chance.random() < 0.25:
            feature.where = ("i", chance.choice([0, 2, 4]))
        return feature

    def some_view(self, number: int) -> View:
        chance = self.chance
        view = View(f"v{number}", exclude_at=chance.random() < 0.3)
        view.delay = chance.choice([None, None, HOUR, 0])
        view.ttl = chance.choice([None, HOUR, 3 * DAY])
        view.where = chance.choice([None, None, ("i", 1)])
        view.versions = self.versions
        view.features = [self.some_feature(count) for count in range(6)]
        return view

    def some_spine(self, asked_per_key: int) -> list[tuple]:
        """(key, t) in any order, some of them twice, some without a time."""
        chance, spine = self.chance, []
        for key in self.keys:
            times = [t for row in self.rows if row.key == key and row.e is not None
                     for t in (row.e, row.told or row.e, row.e + HOUR, row.e + 3 * DAY, row.e + 30 * DAY)]
            for _ in range(asked_per_key):
                t = chance.choice(times) + chance.choice([-1, 0, 0, 1]) if times and chance.random() < 0.7 else self.some_time()
                spine.append((key, None if chance.random() < 0.02 else t))
        spine += chance.sample(spine, len(spine) // 20)
        chance.shuffle(spine)
        return spine

    # ---- as files

    def definitions(self) -> str:
        documents = [
            {"source": "events", "from": {"files": {"path": "data/*.parquet", "format": "parquet"}}},
            {"table": "events", "zone": "processing", "sql": "select * from landing.events",
             **({"mode": "merge", "key": ["id"]} if self.versions else {"mode": "append"}),
             **({"order_by": "version"} if self.versions == "ordered" else {})},
            {"entity": "pair", "keys": [{"name": "k1", "type": "int64"}, {"name": "k2", "type": "string"}]},
            *map(definition_of, self.views),
            {"feature_service": "all", "features": [{"view": view.name, "prefix": view.name + "_"} for view in self.views]}]
        return "\n---\n".join(json.dumps(document, ensure_ascii=False, indent=1) for document in documents) + "\n"

    def write_rows(self, first: int, last: int, path: str) -> None:
        rows = self.rows[first:last]
        pq.write_table(pa.Table.from_pylist(
            [{"id": row.id, "version": row.version, "k1": row.key[0], "k2": row.key[1], "at": row.e, "told": row.told,
              **row.values} for row in rows], SCHEMA), path)

    def write_spine(self, path: str) -> None:
        pq.write_table(pa.table({"k1": pa.array([key[0] for key, _ in self.spine], pa.int64()),
                                 "k2": pa.array([key[1] for key, _ in self.spine], pa.string()),
                                 "event_timestamp": pa.array([t for _, t in self.spine], INSTANT)}), path)


def definition_of(view: View) -> dict:
    document = {"feature_view": view.name, "entity": "pair", "from": "processing.events", "event_time": "at",
                "known_at": "told" if view.delay is None else {"delay": duration(view.delay)}, "online": True,
                "exclude_at": view.exclude_at}
    if view.ttl is not None:
        document["ttl"] = duration(view.ttl)
    if view.where:
        document["where"] = condition(view.where)
    document["features"] = [feature_definition(feature) for feature in view.features]
    return document


def feature_definition(feature: Feature) -> dict:
    out = {"name": feature.name.split("_")[0]}
    if feature.of:
        out["of"] = feature.of
    if feature.aggregate:
        argument = {"last_n": f"({feature.n})", "top_n": f"({feature.n})", "quantile": f"({feature.q})"}
        out["aggregate"] = feature.aggregate + argument.get(feature.aggregate, "")
        out["windows"] = [feature.window.text]
        if feature.hop_text is not None:
            out["hop"] = feature.hop_text
    if feature.where:
        out["where"] = condition(feature.where)
    if feature.default is not None:
        out["default"] = feature.default
    return out


def renamed(feature: Feature, number: int) -> str:
    return "_".join([f"f{number}", *feature.name.split("_")[1:]])


def condition(where: tuple) -> str:
    return f"{where[0]} >= {where[1]}"


def duration(micros: int) -> str:
    return f"{micros // 1_000_000}s"
