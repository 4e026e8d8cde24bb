"""A conformance case as a question to any feature store, for adapters in Python. Needs PyYAML and pyarrow.

An adapter calls serve(answer) with a function that gets a Question and returns an Answer. It raises NotExpressible
where the store has no way to say what the case asks; any other exception is a failure of the store.
"""
import json
import os
import re
import sys
import traceback
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import yaml

sys.path.insert(1, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from naive import AGGREGATE, suffix  # noqa: E402

ROW = "__row"
TYPES = {"string": pa.string(), "int64": pa.int64(), "int32": pa.int32(), "float64": pa.float64(), "float32": pa.float32(),
         "bool": pa.bool_(), "timestamp": pa.timestamp("us", "UTC"), "date": pa.date32()}


class NotExpressible(Exception):
    """Why, as a few words."""


@dataclass
class Feature:
    name: str                 # the final name
    column: str               # of the view's rows
    reason: str | None = None  # why it is no plain as-of feature; None: it is one


@dataclass
class View:
    """A use of a view by the service: rows, how they are keyed and timed, and the features wanted."""
    name: str
    rows: pa.Table
    keys: dict[str, str]      # spine column -> column of the rows
    event_time: str
    known_at: str | None      # column; None: known when it happens
    ttl_us: int | None
    features: list[Feature] = field(default_factory=list)


@dataclass
class Question:
    name: str
    spine: pa.Table           # with __row, which numbers the rows
    known_at: str             # label, latest or a time
    views: list[View]
    left_out: dict[str, str]  # final name of a feature -> why no store is asked for it


@dataclass
class Answer:
    table: pa.Table           # __row, the spine's columns, the features; rows in any order
    left_out: dict[str, str]


def documents(folder):
    for name in sorted(os.listdir(os.path.join(folder, "definitions"))):
        with open(os.path.join(folder, "definitions", name), encoding="utf-8") as file:
            yield from (one for one in yaml.safe_load_all(file) if one)


def duration_us(text):
    units = {"ms": 10**3, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86400 * 10**6}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)(ms|s|m|h|d)", str(text)))


def utc(column):
    """A column of instants: naive timestamps are UTC."""
    return column.cast(pa.timestamp(column.type.unit, "UTC")) if pa.types.is_timestamp(column.type) and not column.type.tz else column


class Case:
    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "case.json"), encoding="utf-8") as file:
            self.case = json.load(file)
        self.documents = list(documents(folder))

    def of(self, kind):
        return {one[kind]: one for one in self.documents if next(iter(one)) == kind}

    def spine(self):
        path = os.path.join(self.folder, self.case.get("spine", "spine.parquet"))
        if not path.endswith(".parquet"):
            raise NotExpressible("a spine in a CSV file")
        table = pq.read_table(path)
        return table.append_column(ROW, pa.array(range(table.num_rows), pa.int64()))

    def source_rows(self, source):
        """The source's rows in their order. A contract gives types; columns that it does not name stay as they are."""
        files = source["from"]["files"]
        pattern = re.compile(re.escape(os.path.basename(files["path"])).replace(r"\*", ".*") + "$")
        folder = os.path.join(self.folder, os.path.dirname(files["path"]))
        paths = [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if pattern.match(name)]
        columns = {one["name"]: one for one in source.get("contract", {}).get("columns", [])}
        if any("zone" in one for one in columns.values()):
            raise NotExpressible("conversion of wall times: rows are taken as they are")
        if files["format"] == "csv":
            options = pa.csv.ConvertOptions(column_types={name: TYPES[one["type"]] for name, one in columns.items()},
                                            null_values=files.get("null_values", [""]), strings_can_be_null=True)
            return pa.concat_tables([pa.csv.read_csv(path, convert_options=options) for path in paths])
        table = pa.concat_tables([pq.read_table(path) for path in paths], promote_options="permissive")
        for name, one in columns.items():
            if one.get("type") == "timestamp" and name in table.column_names:
                table = table.set_column(table.column_names.index(name), name, utc(table.column(name)))
        return table

    def rows_of(self, name):
        """The rows of a table, where the table is a source's rows as they are."""
        short = name.split(".")[1]
        if not name.startswith("landing."):
            table = self.of("table")[short]
            plain = re.fullmatch(r"\s*select \* from landing\.(\w+)\s*", str(table["sql"]))
            if not plain or table.get("mode", "append") != "append":
                raise NotExpressible("tables made by SQL, or kept by key: another tool's part")
            if table.get("key"):
                raise NotExpressible("first row of a key: another tool's part")
            short = plain.group(1)
        return self.source_rows(self.of("source")[short])

    # ---- views

    def features_of(self, view):
        """{name in the view: (column, reason)} in declared order."""
        out = {}
        for one in view["features"]:
            one = {"name": one} if isinstance(one, str) else one
            if "expression" in one:
                out[one["name"]] = ("", "features computed when asked: expressions are not translated")
                continue
            for name in names_of(one, view):
                reason = ("windows at label times" if "aggregate" in one or "aggregates" in one
                          else "filters of a feature" if "where" in one or "where" in view
                          else "rows exactly at t left out" if view.get("exclude_at")
                          else "defaults" if "default" in one else None)
                out[name] = (one.get("of", name), reason)
        return out

    def uses(self, views):
        """(view, {final name: name in the view}, key renames) of each entry of the service, in order."""
        service = self.of("feature_service")[self.case["service"]]
        for entry in service["features"]:
            entry = {"view": entry} if isinstance(entry, str) else entry
            name, _, single = entry["view"].partition(".")
            names = list(self.features_of(views[name]))
            wanted = [single] if single else entry.get("only", names)
            renames, prefix = entry.get("as", {}), entry.get("prefix", "")
            yield views[name], {renames.get(one, prefix + one): one for one in wanted}, entry.get("keys", {})

    def question(self):
        views = {name: view for name, view in self.of("feature_view").items() if "{" not in name}
        if len(views) < len(self.of("feature_view")):
            raise NotExpressible("templates of views: written out by hand")
        question = Question(os.path.basename(self.folder), self.spine(), self.case.get("known_at", "label"), [], {})
        for view, wanted, renames in self.uses(views):
            features = self.features_of(view)
            plain = [Feature(final, features[name][0]) for final, name in wanted.items() if features[name][1] is None]
            question.left_out.update({final: features[name][1] for final, name in wanted.items() if features[name][1]})
            if plain:
                question.views.append(self.view(view, plain, renames))
        if not question.views:
            raise NotExpressible("; ".join(sorted(set(question.left_out.values()))))
        return question

    def view(self, view, features, renames):
        entity = self.of("entity")[view["entity"]]
        entity_keys = entity.get("keys", [{"name": view["entity"]}])
        event_time, known_at, rows = view["event_time"], view.get("known_at"), self.rows_of(view["from"])
        if event_time == "always":
            raise NotExpressible("facts without a time")
        if known_at == "arrival":
            raise NotExpressible("known times by arrival: no store keeps when rows came")
        if isinstance(known_at, dict):
            if set(known_at) != {"delay"}:
                raise NotExpressible("known times of that kind")
            rows = rows.append_column("__known", pc.add(utc(rows.column(event_time)), pa.scalar(duration_us(known_at["delay"]), pa.duration("us"))))
            known_at = "__known"
        if known_at == "event_time":
            known_at = None
        keys = {renames.get(one["name"], one["name"]): view.get("keys", {}).get(one["name"], one["name"]) for one in entity_keys}
        missing = [column for column in keys.values() if column not in rows.column_names]
        if missing:
            keys = {spine: column for spine, column in keys.items() if column not in missing}
        ttl = duration_us(view["ttl"]) if "ttl" in view else None
        return View(view["feature_view"], rows, keys, event_time, known_at, ttl, features)


def names_of(feature, view):
    """The names that one entry of `features` makes: one, or one per aggregate and window."""
    if "aggregate" not in feature and "aggregates" not in feature:
        return [feature["name"]]
    windows = feature.get("windows", view.get("windows", []))
    stems = [feature["name"]] if "aggregate" in feature else [
        f"{feature.get('name', feature.get('of'))}_{suffix(*re.fullmatch(AGGREGATE, one).groups())}" for one in feature["aggregates"]]
    return [f"{stem}_{window}" for stem in stems for window in windows]


def answer_of(case_folder, out, answer, asked):
    result = answer(asked(Case(case_folder)))
    pq.write_table(result.table, out)
    return {"outcome": "answered", "left_out": result.left_out}


def serve(answer, asked=Case.question):
    """The adapter's loop: questions from stdin, outcomes to stdout. asked: what of a Case the answer is given."""
    for line in sys.stdin:
        one = json.loads(line)
        try:
            outcome = answer_of(one["case"], one["out"], answer, asked)
        except NotExpressible as reason:
            outcome = {"outcome": "not_expressible", "why": str(reason)}
        except Exception as error:                              # of the store, whatever its kind
            traceback.print_exc(file=sys.stderr)
            text = (str(error).strip().splitlines() or [""])[0]
            outcome = {"outcome": "failed", "why": f"{type(error).__name__}: {text}"[:300]}
        print("\n" + json.dumps(outcome), flush=True)
