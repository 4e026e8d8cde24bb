"""The words in which tests/conformance/own writes cases, and how they become folders."""
import datetime
import json
import os
import re
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from naive import Landed, Naive, time_us

DAY = datetime.date(2024, 3, 1)         # of times that are given without a date
INSTANT = pa.timestamp("us", "UTC")
TYPES = {"int64": pa.int64(), "int32": pa.int32(), "int16": pa.int16(), "float64": pa.float64(), "float32": pa.float32(),
         "string": pa.string(), "bool": pa.bool_(), "timestamp": INSTANT, "date": pa.date32(), "binary": pa.binary(),
         "wall": pa.timestamp("us"), "seconds": pa.timestamp("s", "UTC"), "nanoseconds": pa.timestamp("ns", "UTC")}
USUAL = {"user_id": "int64", "label": "int64", "x": "float64", "n": "int64", "version": "int64"}
APPROXIMATE = 0.01                      # of quantiles
WIDTH = 118


def us(text: str | None) -> int | None:
    """`10:00`, `10:00:00.000001`, `+2 10:00` (two days later), or a date and a time; microseconds since 1970."""
    if text is None:
        return None
    day, hours = DAY, text
    if match := re.fullmatch(r"([+-]\d+) (.+)", text):
        day, hours = DAY + datetime.timedelta(days=int(match.group(1))), match.group(2)
    elif match := re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:[T ](.+?)Z?)?", text):
        day, hours = datetime.date.fromisoformat(match.group(1)), match.group(2) or "00:00"
    moment = datetime.datetime.combine(day, datetime.time.fromisoformat(hours))
    return (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)


def instant(text: str) -> str:
    """A time as commands take it."""
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=us(text))).isoformat() + "Z"


def type_of(name: str, declared: str) -> pa.DataType:
    if declared.startswith("list<"):
        return pa.list_(type_of(name, declared[5:-1]))
    if match := re.fullmatch(r"decimal\((\d+),(\d+)\)", declared):
        return pa.decimal128(int(match.group(1)), int(match.group(2)))
    if declared:
        return TYPES[declared]
    return INSTANT if name.endswith("_at") or name == "event_timestamp" else TYPES[USUAL.get(name, "string")]


def rows(header: str, *lines: tuple) -> pa.Table:
    """Columns as `name` or `name:type`; times of every unit as text."""
    columns = {}
    for index, text in enumerate(header.split()):
        name, _, declared = text.partition(":")
        kind, values = type_of(name, declared), [line[index] for line in lines]
        if pa.types.is_timestamp(kind):
            scale = {"s": 1_000_000, "us": 1, "ns": 1}[kind.unit]
            counts = [us(one) if isinstance(one, (str, type(None))) else one for one in values]
            values = pa.array([None if one is None else one * 1000 if kind.unit == "ns" else one // scale for one in counts], pa.int64())
            columns[name] = values.cast(kind)
        else:
            columns[name] = pa.array(values, kind)
    return pa.table(columns)


def spine(keys: str, *lines: tuple) -> pa.Table:
    """Key columns and event_timestamp of each line, and a label that counts."""
    return rows(f"{keys} event_timestamp label", *((*line, number) for number, line in enumerate(lines)))


def asked_at(key, *times: str) -> list[tuple]:
    return [(key, time) for time in times]


# ---- definitions

def source(name: str, *, pattern: str | None = None, **more) -> dict:
    files = {"path": pattern or f"data/{name}*.parquet", "format": "parquet", **more.pop("files", {})}
    return {"source": name, "from": {"files": files}, **more}


def table(name: str, mode: str = "append", **more) -> dict:
    return {"table": name, "zone": "processing", "sql": more.pop("sql", f"select * from landing.{name}"), "mode": mode, **more}


def entity(name: str = "user", **keys: str) -> dict:
    return {"entity": name, "keys": [{"name": key, "type": kind} for key, kind in (keys or {"user_id": "int64"}).items()]}


def view(name: str, features: list, *, of: str = "user", table: str = "processing.events", event_time: str = "happened_at", **more) -> dict:
    return {"feature_view": name, "entity": of, "from": table, "event_time": event_time, **more, "features": features}


def service(*features, name: str = "training") -> dict:
    return {"feature_service": name, "features": list(features)}


def flow(value) -> str:
    """YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*(\([0-9.]+\))?|\d+(ms|s|m|h|d)", value):
        return json.dumps(value, ensure_ascii=False)
    return repr(value) if isinstance(value, float) else str(value)


def document(definition: dict) -> str:
    lines = []
    for key, value in definition.items():
        line = f"{key}: {flow(value)}"
        if isinstance(value, list) and len(line) > WIDTH:
            line = f"{key}:" + "".join(f"\n  - {flow(one)}" for one in value)
        elif isinstance(value, dict) and key == "from":
            line = f"{key}:\n  files: {flow(value['files'])}"
        elif isinstance(value, dict) and key == "contract":
            line = f"{key}:\n  columns:" + "".join(f"\n    - {flow(one)}" for one in value["columns"])
        lines.append(line)
    return "\n".join(lines) + "\n"


# ---- cases

@dataclass
class Case:
    name: str
    about: str
    definitions: list[dict]
    data: dict[str, pa.Table]                       # file -> rows; a source's files are those that begin with its name
    spine: pa.Table | None = None
    known_at: str = "label"
    request: list[str] = field(default_factory=list)
    modes: list[str] | None = None                  # None: what suits known_at
    filters: dict = field(default_factory=dict)     # as of Naive
    computed: dict = field(default_factory=dict)
    approximate: dict = field(default_factory=dict)
    landed: dict | None = None                      # {source: rows as its contract takes them}, where that is not as they are
    later: dict[str, pa.Table | list] = field(default_factory=dict)    # file -> rows; `x.yaml` -> definitions
    steps: list = field(default_factory=list)
    error_at: list[str] = field(default_factory=list)
    error_names: list[str] = field(default_factory=list)
    settings: str = ""                              # more lines of icecore.yaml
    now: str | None = None                          # when the first run is; for `arrival`
    service: str = "training"

    def keys(self) -> list[str]:
        """Spine columns by which the service's views are looked up."""
        views = {one["feature_view"]: one for one in self.definitions if "feature_view" in one}
        entities = {one["entity"]: [key["name"] for key in one["keys"]] for one in self.definitions if next(iter(one)) == "entity"}
        found = {}
        (asked,) = [one for one in self.definitions if one.get("feature_service") == self.service]
        for entry in asked["features"]:
            entry = {"view": entry} if isinstance(entry, str) else entry
            read = views[entry["view"].split(".")[0]]
            inputs = read.get("inputs", [])
            for one in [read] if "from" in read else [views[full.split(".")[0]] for full in (inputs.values() if isinstance(inputs,
                                                                                                                           dict) else inputs)]:
                found.update({entry.get("keys", {}).get(key, key): 1 for key in entities[one["entity"]]})
        return list(found)

    def naive(self, landed: dict[str, list[Landed]], definitions: list[dict] | None = None) -> Naive:
        return Naive(definitions or self.definitions, landed, self.filters, self.computed)

    def landed_at_first(self) -> dict[str, list[Landed]]:
        arrived = None if self.now is None else us(self.now)
        if self.landed is not None:
            return {name: [Landed(one, arrived)] for name, one in self.landed.items()}
        sources = [one["source"] for one in self.definitions if next(iter(one)) == "source"]
        out = {name: [] for name in sources}
        for file, one in sorted(self.data.items()):
            out[source_of(file, sources)].append(Landed(one, arrived))
        return out


def source_of(file: str, sources: list[str]) -> str:
    return max((name for name in sources if file.startswith(name)), key=len)


@dataclass
class Ask:
    """A training set: the naive reference's, or `expected` where a step says it by hand."""
    known_at: str = "label"
    expected: pa.Table | None = None
    spine: str | None = "spine.parquet"
    of: str | None = None               # a training set; None: the case's service
    more: dict = field(default_factory=dict)


def run(now: str | None = None, **more) -> dict:
    return {"run": {**({} if now is None else {"now": instant(now)}), **more}}


def add(*files: str) -> dict:
    return {"add": {"files": {f"data/{file}.parquet": f"later/{file}.parquet" for file in files}}}


def get(now: str, expected: dict, *, keys: dict, request: dict | None = None) -> dict:
    """expected: {feature: value} or {feature: (value, status)}."""
    wanted = {name: {"value": one[0], "status": one[1]} if isinstance(one, tuple) else {"value": one} for name, one in expected.items()}
    return {"get": {"service": "training", "keys": keys, **({"request": request} if request else {}), "now": instant(now), "expected": wanted}}


def sql(query: str, *expected: dict) -> dict:
    return {"sql": {"query": query, "expected": list(expected)}}


def command(*arguments: str) -> dict:
    return {"command": {"arguments": list(arguments)}}


def rules_of(case: Case, answers: list[pa.Table]) -> dict:
    approximate = dict(case.approximate)
    for one in case.definitions:
        for feature in one.get("features", []) if "feature_view" in one else []:
            if isinstance(feature, dict) and any("quantile" in kind for kind in feature.get("aggregates", [feature.get("aggregate", "")])):
                for name in dict.fromkeys(name for answer in answers for name in answer.column_names):
                    if "aggregate" in feature and re.fullmatch(rf"\w*{feature['name']}_\d+\w", name) or re.search(r"_p\d+(_\d+)?_\d+[a-z]$", name):
                        approximate.setdefault(name, APPROXIMATE)
    floats = {field.name: 1 for answer in answers for field in answer.schema
              if pa.types.is_floating(getattr(field.type, "value_type", field.type)) and field.name not in approximate}
    return {"approximate": approximate, "exact": list(floats), "float_rel_tol": 1e-12}


class Writer:
    """One case as a folder."""

    def __init__(self, case: Case, folder: str):
        self.case, self.folder = case, folder
        self.landed, self.definitions = case.landed_at_first(), case.definitions
        self.now = case.now
        self.answers: list[pa.Table] = []

    def text(self, name: str, content: str) -> None:
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(content)

    def rows(self, name: str, content: pa.Table) -> None:
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        pq.write_table(content, path, compression="NONE" if content.num_rows < 50 else "ZSTD")

    def write(self) -> None:
        case = self.case
        self.text("icecore.yaml", f"language: 1\nproject: {re.sub(r'[^a-z0-9]', '_', 'case_' + case.name)}\n{case.settings}")
        self.write_definitions("definitions", case.definitions)
        for file, one in case.data.items():
            self.rows(f"data/{file}.parquet", one)
        for file, one in case.later.items():
            if isinstance(one, pa.Table):
                self.rows(f"later/{file}.parquet", one)
            else:
                self.write_definitions("later", one)
        if case.spine is not None:
            self.rows("spine.parquet", case.spine)
        document = {"about": case.about}
        if case.error_at:
            document.update({"service": case.service, "known_at": case.known_at, "error_at": case.error_at, "error_names": case.error_names})
        elif case.steps:
            steps = self.steps()
            document.update({**rules_of(case, self.answers), "steps": steps})
        else:
            self.answers.append(case.naive(self.landed).answer(case.service, case.spine, case.known_at))
            self.rows("expected.parquet", self.answers[0])
            modes = case.modes if case.modes is not None else ["increments", "online"] if case.known_at == "label" else ["increments"]
            document.update({"service": case.service, "known_at": case.known_at, **rules_of(case, self.answers), "keys": case.keys(),
                             "request": case.request, "modes": modes})
        self.text("case.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")

    def write_definitions(self, folder: str, definitions: list[dict]) -> None:
        for file, kinds in (("tables", ("source", "table")), ("features", ("entity", "feature_view", "feature_service", "training_set"))):
            parts = [document(one) for one in definitions if next(iter(one)) in kinds]
            if parts:
                self.text(f"{folder}/{file}.yaml", "---\n".join(parts))

    def steps(self) -> list[dict]:
        out, waiting = [], {name: list(batches) for name, batches in self.landed.items()}
        self.landed = {name: [] for name in waiting}
        for number, step in enumerate(self.case.steps, 1):
            if isinstance(step, Ask):
                step = self.ask(step, number)
            elif "add" in step:
                for file in step["add"]["files"]:
                    name = os.path.basename(file).removesuffix(".parquet")
                    waiting[source_of(name, list(waiting))].append(Landed(self.case.later[name]))
            elif "run" in step:
                arrived = time_us(step["run"]["now"]) if "now" in step["run"] else None
                for name, batches in waiting.items():
                    self.landed[name] += [Landed(batch.table, arrived) for batch in batches]
                    waiting[name] = []
            elif "apply" in step:
                self.definitions = self.case.later["definitions"]
            out.append(step)
        return out

    def ask(self, step: Ask, number: int) -> dict:
        answer = step.expected
        if answer is None:
            answer = self.case.naive(self.landed, self.definitions).answer(self.case.service, self.case.spine, step.known_at)
        name = f"expected-{number:02d}.parquet"
        self.rows(name, answer)
        self.answers.append(answer)
        return {"training_set": {"service": step.of or self.case.service, "spine": step.spine, "known_at": step.known_at, "expected": name,
                                 **step.more}}
