"""What a conformance case must answer, by the naive reference of tests/oracle: definitions as Python values, rows as lists.

Nothing of Icecore's binary is used. SQL of filters and of tables computed whole is DuckDB's; where a filter meets NaN,
which DuckDB orders and Icecore's language does not, a case brings a Python function for it.
"""
import datetime
import decimal
import os
import re
import sys
from dataclasses import dataclass, field

import pyarrow as pa

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "oracle")]
import reference  # noqa: E402
from values import NS, is_list, values_of  # noqa: E402

decimal.getcontext().prec = 80
UNITS = {"ms": 1_000, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86_400 * 10**6}
AGGREGATE = r"(\w+?)(?:\(([\d.]+)\))?"     # name and argument
SPINE_TIME = "event_timestamp"


def duration_us(text: str) -> int:
    count, unit = re.fullmatch(r"(\d+)(ms|s|m|h|d)", text).groups()
    return int(count) * UNITS[unit]


def time_us(text: str) -> int:
    return (datetime.datetime.fromisoformat(text) - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) // datetime.timedelta(microseconds=1)


def rounded_up(nanoseconds):
    return None if nanoseconds is None else -(-nanoseconds // 1000)


def rounded_down(nanoseconds):
    return None if nanoseconds is None else nanoseconds // 1000


class Unsaid(Exception):
    """What the naive reference cannot be asked."""


@dataclass
class Landed:
    """Rows that one run took in."""
    table: pa.Table
    arrived: int | None = None


@dataclass
class Logged:
    """A version in a table's log."""
    values: dict
    seq: int
    arrived: int | None
    id: object = None
    deleted: bool = False


@dataclass
class Log:
    schema: pa.Schema
    rows: list[Logged]
    versions: str = ""                  # as of reference.View
    order_by: list[str] = field(default_factory=list)


def rows_of(table: pa.Table) -> list[dict]:
    columns = [values_of(table.column(index)) for index in range(table.num_columns)]
    return [dict(zip(table.column_names, row)) for row in zip(*columns)]


def names(value) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def order_of(value) -> tuple:
    """Of order_by: null below all, NaN above all numbers."""
    if value is None:
        return (0,)
    return (2,) if value != value else (1, value)


class Naive:
    def __init__(self, documents: list[dict], landed: dict[str, list[Landed]], filters: dict | None = None,
                 computed: dict | None = None):
        """filters: {expression: f(row) -> bool | None}; computed: {view.feature: (type, f(inputs))} of views computed when asked."""
        self.documents, self.landed = documents, landed
        self.filters, self.computed = filters or {}, computed or {}
        self.views = {one["feature_view"]: one for one in documents if "feature_view" in one}

    def of(self, kind: str, name: str) -> dict:
        (found,) = [one for one in self.documents if next(iter(one)) == kind and one[kind] == name]
        return found

    # ---- tables

    def log_of(self, name: str) -> Log:
        zone, short = name.split(".")
        if zone == "landing":
            return self.landed_log(short)
        table = self.of("table", short)
        if table["mode"] == "replace":
            return self.replaced_log(table)
        plain = re.fullmatch(r"select \* from landing\.(\w+)", table["sql"])
        if not plain:
            raise Unsaid(f"{name}: tables made by SQL other than `select * from landing.x`")
        log = self.landed_log(plain.group(1))
        key = names(table.get("key"))
        rows = [row for row in log.rows if all(row.values[part] is not None for part in key)]
        for row in rows:
            row.id = tuple(row.values[part] for part in key) if key else None
        if table["mode"] == "merge":
            order = names(table.get("order_by"))
            return Log(log.schema, rows, "ordered" if order else "by seq", order)
        if key:
            first = {}
            for row in rows:
                first.setdefault(row.id, row)
            rows = list(first.values())
        return Log(log.schema, rows)

    def landed_log(self, source: str) -> Log:
        batches = self.landed[source]
        if self.of("source", source)["from"]["files"].get("load") == "snapshot":
            return self.compared(names(self.of("source", source)["key"]), [(batch.table, batch.arrived) for batch in batches])
        rows = [(row, batch.arrived) for batch in batches for row in rows_of(batch.table)]
        return Log(batches[0].table.schema, [Logged(row, seq, arrived) for seq, (row, arrived) in enumerate(rows, 1)])

    def replaced_log(self, table: dict) -> Log:
        """SQL computed whole at each run, over all that had landed by then."""
        (source,) = set(re.findall(r"landing\.(\w+)", table["sql"]))
        batches, results = self.landed[source], []
        for count in range(1, len(batches) + 1):
            whole = pa.concat_tables([batch.table for batch in batches[:count]])
            results.append((queried(table["sql"].replace(f"landing.{source}", "landed"), landed=whole), batches[count - 1].arrived))
        return self.compared(names(table["key"]), results)

    @staticmethod
    def compared(key: list[str], states: list[tuple[pa.Table, int | None]]) -> Log:
        """Each state whole; what differs from its predecessor is a version, what is gone a delete."""
        log, present, seq = [], {}, 0
        for table, arrived in states:
            now = {tuple(row[part] for part in key): row for row in rows_of(table)}
            for id in [*now, *(id for id in present if id not in now)]:
                if id not in now or now[id] != present.get(id):
                    seq += 1
                    log.append(Logged(now.get(id, present.get(id)), seq, arrived, id, id not in now))
            present = now
        return Log(states[0][0].schema, log, "by seq")

    # ---- views

    def filter_of(self, expression: str | None, log: Log):
        """A function of a row's values; null is not true."""
        if expression is None:
            return None
        if expression in self.filters:
            given = self.filters[expression]
            return lambda values: given(values) is True
        table = self.table_of(log)
        for row in log.rows:
            if any(value != value and name in expression for name, value in row.values.items()):
                raise Unsaid(f"{expression}: a filter that meets NaN")
        flags = queried(f"select ({expression}) as passes from rows order by __row", rows=table).column(0).to_pylist()
        passing = {id(row.values) for row, flag in zip(log.rows, flags) if flag}
        return lambda values: id(values) in passing

    @staticmethod
    def table_of(log: Log) -> pa.Table:
        columns = {one.name: column_of([row.values[one.name] for row in log.rows], one.type) for one in log.schema}
        return pa.table({**columns, "__row": pa.array(range(len(log.rows)), pa.int64())})

    def features_of(self, view: dict, log: Log) -> list[tuple[reference.Feature, pa.DataType]]:
        out = []
        for one in view["features"]:
            one = {"name": one} if isinstance(one, str) else one
            where = self.filter_of(one.get("where"), log)
            if "aggregate" not in one and "aggregates" not in one:
                column = one.get("of", one["name"])
                out.append((reference.Feature(one["name"], column, where=where, default=one.get("default")), log.schema.field(column).type))
                continue
            for kind in one.get("aggregates", [one.get("aggregate")]):
                aggregate, argument = re.fullmatch(AGGREGATE, kind).groups()
                stem = one["name"] if "aggregate" in one else f"{one.get('name', one['of'])}_{suffix(aggregate, argument)}"
                for text in names(one.get("windows", view.get("windows"))):
                    hop = one.get("hop", view.get("hop"))
                    window = reference.Window(text, duration_us(text), None if hop is None else duration_us(hop))
                    feature = reference.Feature(f"{stem}_{text}", one.get("of"), aggregate, window, where=where, default=one.get("default"))
                    if argument:
                        feature.n, feature.q = int(float(argument)), float(argument)
                    out.append((feature, aggregate_type(aggregate, log.schema.field(one["of"]).type if "of" in one else None)))
        return out

    def view_of(self, view: dict, log: Log) -> tuple[reference.View, dict[str, pa.DataType]]:
        made = reference.View(view["feature_view"], ttl=duration_us(view["ttl"]) if "ttl" in view else None,
                              where=self.filter_of(view.get("where"), log), exclude_at=view.get("exclude_at", False),
                              versions=log.versions)
        known_at = view.get("known_at", "event_time")
        if isinstance(known_at, dict) and "delay" in known_at:
            made.delay = duration_us(known_at["delay"])
        elif known_at == "event_time":
            made.delay = 0
        features = self.features_of(view, log)
        made.features = [feature for feature, _ in features]
        return made, {feature.name: kind for feature, kind in features}

    def reference_rows(self, view: dict, log: Log) -> list[reference.Row]:
        known_at, keys = view.get("known_at"), self.keys_of(view)
        ranks = {}
        if log.order_by:
            ordered = sorted({tuple(order_of(row.values[name]) for name in log.order_by) for row in log.rows})
            ranks = {key: number for number, key in enumerate(ordered, 1)}
        out = []
        for row in log.rows:
            told = row.arrived
            if isinstance(known_at, str) and known_at not in ("event_time", "arrival") and not row.deleted:
                told = rounded_up(row.values[known_at])
            elif isinstance(known_at, dict) and "snapshot" in known_at and not row.deleted:
                column = rounded_up(row.values[known_at["snapshot"]])
                told = row.arrived if column is None else column
            version = ranks.get(tuple(order_of(row.values[name]) for name in log.order_by))
            out.append(reference.Row(tuple(row.values[column] for column in keys.values()), rounded_up(row.values[view["event_time"]]),
                                     told, row.seq, row.values, row.id, version, row.deleted))
        return out

    def keys_of(self, view: dict) -> dict[str, str]:
        """{entity key: column of the table}."""
        entity = self.of("entity", view["entity"])
        return {one["name"]: view.get("keys", {}).get(one["name"], one["name"]) for one in entity["keys"]}

    def asked(self, name: str, spine: list[dict], renames: dict, known_at: str) -> dict[str, tuple[pa.DataType, list]]:
        """{feature of the view: (type, a value for each spine row)}."""
        view = self.views[name]
        log = self.log_of(view["from"])
        made, types = self.view_of(view, log)
        rows, keys = self.reference_rows(view, log), [renames.get(key, key) for key in self.keys_of(view)]
        values = {feature: [] for feature in types}
        for asked in spine:
            key, t = tuple(asked[column] for column in keys), rounded_down(asked[SPINE_TIME])
            cut = t if known_at == "label" else reference.INF if known_at == "latest" else time_us(known_at)
            of_key = rows if log.versions else [row for row in rows if row.key == key]
            for feature, value in reference.answer(made, of_key, key, t, cut).items():
                values[feature].append(value)
        return {feature: (kind, values[feature]) for feature, kind in types.items()}

    def computed_when_asked(self, view: dict, spine: list[dict], known_at: str) -> dict[str, tuple[pa.DataType, list]]:
        inputs = view.get("inputs", {})
        inputs = {one.split(".")[1]: one for one in inputs} if isinstance(inputs, list) else inputs
        columns = {}
        for name, full in inputs.items():
            of_view, feature = full.split(".")
            columns[name] = self.asked(of_view, spine, {}, known_at)[feature][1]
        out = {}
        for one in view["features"]:
            kind, function = self.computed[f"{view['feature_view']}.{one['name']}"]
            values = []
            for row, asked in enumerate(spine):
                value = function({**asked, **{name: column[row] for name, column in columns.items()}}) if asked[SPINE_TIME] is not None else None
                values.append(one.get("default") if value is None and asked[SPINE_TIME] is not None else value)
            out[one["name"]] = (kind, values)
        return out

    def answer(self, service: str, spine: pa.Table, known_at: str) -> pa.Table:
        asked, out = rows_of(spine), spine
        for entry in self.of("feature_service", service)["features"]:
            entry = {"view": entry} if isinstance(entry, str) else entry
            name, _, single = entry["view"].partition(".")
            view = self.views[name]
            got = (self.asked(name, asked, entry.get("keys", {}), known_at) if "from" in view
                   else self.computed_when_asked(view, asked, known_at))
            renames, prefix = entry.get("as", {}), entry.get("prefix", "")
            for feature in [single] if single else entry.get("only", list(got)):
                kind, values = got[feature]
                out = out.append_column(renames.get(feature, prefix + feature), column_of(values, kind))
        return out


def queried(query: str, **tables: pa.Table) -> pa.Table:
    import duckdb
    database = duckdb.connect()
    database.execute("set timezone = 'UTC'")
    for name, table in tables.items():
        database.register(name, table)
    return database.sql(query).to_arrow_table()


def column_of(values: list, kind: pa.DataType) -> pa.Array:
    """What values_of was given."""
    if pa.types.is_timestamp(kind):
        scale = NS[kind.unit]
        return pa.array([None if value is None else value // scale for value in values], pa.int64()).cast(kind)
    if is_list(kind) and pa.types.is_timestamp(kind.value_type):
        scale = NS[kind.value_type.unit]
        counts = [None if value is None else [None if one is None else one // scale for one in value] for value in values]
        return pa.array(counts, pa.list_(pa.int64())).cast(kind)
    return pa.array(values, kind)


def suffix(aggregate: str, argument: str | None) -> str:
    if aggregate == "quantile":
        return "p" + f"{decimal.Decimal(argument) * 100:f}".rstrip("0").rstrip(".").replace(".", "_")
    return f"{aggregate.removesuffix('_n')}_{argument}" if argument else aggregate


def aggregate_type(aggregate: str, column: pa.DataType | None) -> pa.DataType:
    if aggregate in ("count", "count_distinct"):
        return pa.int64()
    if aggregate in ("mean", "stddev", "variance", "quantile"):
        return pa.float64()
    if aggregate in ("last_n", "top_n"):
        return pa.list_(column)
    if aggregate == "sum":
        return pa.int64() if pa.types.is_integer(column) else pa.decimal128(38, column.scale) if pa.types.is_decimal(column) else pa.float64()
    return column
