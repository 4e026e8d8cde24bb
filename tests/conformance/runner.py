#!/usr/bin/env python3
"""Runs the conformance cases against an `icecore` binary. Needs Python 3.9+ and pyarrow only.

    runner.py --icecore PATH [--cases DIR] [-k SUBSTRING] [--mode plain|increments|online] [--seed N]
    runner.py --self-check [--cases DIR] [-k SUBSTRING]     proves that the comparison notices
    runner.py --show [--cases DIR] -k SUBSTRING             prints cases as text

The form of a case is described in README.md.
"""
import argparse
import base64
import datetime
import decimal
import fnmatch
import json
import math
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT_LINES = ""                  # more settings of every case's project
LABEL_TIMES = 40                    # --mode online asks at no more moments of a case than these
EARLIEST_NS, LATEST_NS = 0, 9_223_372_036 * 10**9      # and only at moments that a machine's clock can show
NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


# ---------------------------------------------------------------- values

def family(kind):
    """Types that may stand for one another have one family."""
    if pa.types.is_dictionary(kind):
        return family(kind.value_type)
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind):
        return "float"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
            or pa.types.is_fixed_size_binary(kind)):
        return "binary"
    if pa.types.is_decimal(kind):
        return "decimal"
    if pa.types.is_timestamp(kind):
        return "timestamp in UTC" if kind.tz else "timestamp without zone"
    if pa.types.is_date(kind):
        return "date"
    if is_list(kind):
        return f"list of {family(kind.value_type)}"
    return str(kind)


def is_list(kind):
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def values_of(column):
    """Python values; a timestamp is a count of nanoseconds, so that units do not matter."""
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in values_of(chunk)]
    if pa.types.is_dictionary(column.type):
        return values_of(column.dictionary_decode())
    if pa.types.is_timestamp(column.type):
        scale = NS[column.type.unit]
        return [None if count is None else count * scale for count in column.cast(pa.int64()).to_pylist()]
    if is_list(column.type):
        return [values_of(part.values) if part.is_valid else None for part in column]
    return column.to_pylist()


def text_of(value, kind):
    if value is None:
        return "null"
    if family(kind).startswith("timestamp") and isinstance(value, int):
        micros, rest = divmod(value, 1000)
        try:
            moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros)
            return moment.isoformat() + (f" + {rest} ns" if rest else "") + ("Z" if kind.tz else "")
        except OverflowError:
            return f"{micros} us"
    return repr(value)


def bits_of(value):
    return b"nan" if math.isnan(value) else struct.pack(">d", value)


class Rule:
    """How one column is compared."""

    def __init__(self, name, case):
        self.relative = case.get("float_rel_tol", 1e-12)
        self.approximate = case.get("approximate", {}).get(name)
        self.exact = name in case.get("exact", [])

    def same(self, got, expected):
        if got is None or expected is None:
            return got is None and expected is None
        if isinstance(expected, list):
            return (isinstance(got, list) and len(got) == len(expected)
                    and all(self.same(g, e) for g, e in zip(got, expected)))
        if self.approximate is not None:
            return self.close(got, expected, self.approximate)
        if isinstance(expected, float):
            if self.exact or math.isnan(got) or math.isnan(expected):
                return bits_of(got) == bits_of(expected)
            return got == expected or self.within(got, expected, self.relative)
        return type(got) is type(expected) and got == expected

    def close(self, got, expected, relative):
        """Approximate: counts may be off by one from 2 on; 0, 1 and null are exact."""
        if isinstance(expected, int):
            if expected <= 1:
                return got == expected
            return abs(got - expected) <= max(1, relative * expected)
        return got == expected or self.within(got, expected, relative)

    @staticmethod
    def within(got, expected, relative):
        if math.isinf(got) or math.isinf(expected) or math.isnan(got) or math.isnan(expected):
            return False
        return abs(got - expected) <= relative * abs(expected)


# ---------------------------------------------------------------- tables

def difference(got, expected, case):
    """None when the tables agree, else one line that names the first difference."""
    if got.column_names != expected.column_names:
        return f"columns: got {got.column_names}, expected {expected.column_names}"
    approximate = case.get("approximate", {})
    for name in expected.column_names:
        have, want = got.schema.field(name).type, expected.schema.field(name).type
        if family(have) != family(want) and not (name in approximate and {family(have), family(want)}
                                                 <= {"integer", "float", "decimal"}):
            return f"column {name}: got type {have}, expected {want}"
    if got.num_rows != expected.num_rows:
        return f"rows: got {got.num_rows}, expected {expected.num_rows}"
    names = expected.column_names
    names = [name for name in names if name not in case.get("ignore", [])]
    rules = [Rule(name, case) for name in names]
    have = [values_of(got.column(name)) for name in names]
    want = [values_of(expected.column(name)) for name in names]
    for row in range(expected.num_rows):
        for rule, name, g, e in zip(rules, names, have, want):
            if isinstance(g[row], decimal.Decimal) and isinstance(e[row], (int, float)) and name in approximate:
                g[row] = float(g[row])
            if not rule.same(g[row], e[row]):
                return (f"row {row}, column {name}: got {text_of(g[row], got.schema.field(name).type)}, "
                        f"expected {text_of(e[row], expected.schema.field(name).type)}")
    for name, groups in case.get("same_bits", {}).items():
        values = have[names.index(name)]
        for group in groups:
            for row in group[1:]:
                if bits_of(values[row]) != bits_of(values[group[0]]):
                    return (f"row {row}, column {name}: got {values[row]!r}, expected the very bits of "
                            f"row {group[0]}: {values[group[0]]!r}")
    return None


# ---------------------------------------------------------------- values in JSON

def from_json(got, kind):
    """The JSON of a value -> what values_of gives for a column of this Arrow type; ValueError if it is no such JSON."""
    if got is None:
        return None
    what = family(kind)
    if is_list(kind):
        if not isinstance(got, list):
            raise ValueError(f"{got!r} is no list")
        return [from_json(one, kind.value_type) for one in got]
    if what == "float":
        if isinstance(got, str):
            got = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(got)
        if isinstance(got, bool) or not isinstance(got, (int, float)):
            raise ValueError(f"{got!r} is no float")
        number = float(got)
        return struct.unpack("f", struct.pack("f", number))[0] if kind.bit_width == 32 and math.isfinite(number) else number
    if what == "integer" and isinstance(got, int) and not isinstance(got, bool):
        return got
    if what == "bool" and isinstance(got, bool):
        return got
    if isinstance(got, str):
        if what == "string":
            return got
        if what == "binary":
            return base64.b64decode(got, validate=True)
        if what == "decimal":
            return decimal.Decimal(got)
        if what == "date":
            return datetime.date.fromisoformat(got)
        if what.startswith("timestamp"):
            return time_ns(got)
    raise ValueError(f"{got!r} is no {what}")


def time_ns(text):
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)", text)
    if not match:
        raise ValueError(f"{text!r} is no time in UTC")
    seconds = (datetime.datetime.fromisoformat(match.group(1)) - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
    return seconds * 10**9 + int((match.group(2) or "").ljust(9, "0"))


def rfc3339(nanoseconds):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=nanoseconds // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def same_json(got, expected, case, name):
    """Values written as JSON on both sides; the types are those of the expected value."""
    if isinstance(expected, list):
        return isinstance(got, list) and len(got) == len(expected) and all(same_json(g, e, case, name) for g, e in zip(got, expected))
    if isinstance(expected, float) and isinstance(got, int) and not isinstance(got, bool):
        got = float(got)
    if isinstance(expected, float) and not isinstance(got, float):
        return False
    return type(got) is type(expected) and Rule(name, case).same(got, expected)


def features_of(output):
    """The features of what `get --json` printed: {name: {"value": …, "status": …}}."""
    document = json.loads(output)
    features = document["features"]
    if not isinstance(features, dict) or not all(isinstance(one, dict) and "value" in one for one in features.values()):
        raise ValueError("`features` is no object of {value, status}")
    return features


# ---------------------------------------------------------------- cases

class Failed(Exception):
    """What is wrong, in one line."""


class Skipped(Exception):
    """Why a case has nothing to say in this mode."""


def find_cases(folder, substring):
    names = sorted(name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name, "case.json")))
    return [(name, os.path.join(folder, name)) for name in names if substring in name]


def load_case(folder):
    with open(os.path.join(folder, "case.json"), encoding="utf-8") as text:
        case = json.load(text)
    plain = "error_at" not in case and "steps" not in case
    return case, pq.read_table(os.path.join(folder, "expected.parquet")) if plain else None


def last_line(output):
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "(no output)"


class Project:
    """The copy of a case that one binary works on."""

    def __init__(self, icecore, folder, case, temporary, timeout_s):
        self.icecore, self.case_folder, self.case, self.temporary, self.timeout_s = icecore, folder, case, temporary, timeout_s
        self.folder = os.path.join(temporary, "project")
        self.outputs = 0
        kept = shutil.ignore_patterns("case.json", "expected*.parquet", "later")
        shutil.copytree(folder, self.folder, ignore=kept)
        if PROJECT_LINES:
            with open(os.path.join(self.folder, "icecore.yaml"), "a", encoding="utf-8") as file:
                file.write("\n" + PROJECT_LINES)

    def call(self, *arguments):
        """(exit code, stdout, stderr)."""
        try:
            done = subprocess.run([self.icecore, "-C", self.folder, *arguments], cwd=self.temporary, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=self.timeout_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{arguments[0]}: no end after {self.timeout_s} s") from None
        except (OSError, ValueError) as error:
            raise Failed(f"{arguments[0]}: {error}") from None
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def must(self, *arguments):
        """stdout of a command that has to succeed."""
        code, out, err = self.call(*arguments)
        if code != 0:
            raise Failed(f"{arguments[0]}: exit code {code}: {last_line(err or out)}")
        return out

    def out(self):
        self.outputs += 1
        return f"got-{self.outputs:02d}.parquet"              # relative to -C, as in git

    def table(self, path):
        try:
            return pq.read_table(os.path.join(self.folder, path))
        except (OSError, pa.ArrowException) as error:
            raise Failed(f"{path}: {error}".splitlines()[0]) from None

    def training_set_arguments(self, what, out):
        arguments = ["training-set", what["service"], "--out", out]
        spine = what.get("spine", "spine.parquet")
        arguments += ["--spine", spine] if spine else []
        arguments += ["--at-version", what["at_version"]] if "at_version" in what else []
        return arguments + (["--known-at", what["known_at"]] if what.get("known_at", "label") != "label" else [])


def check_error(command, code, output, names):
    if code not in (1, 2):
        raise Failed(f"{command}: exit code {code}, expected an error (1 or 2)")
    if names and not any(name in output for name in names):
        raise Failed(f"{command}: the error names none of {names}: {last_line(output)}")


def asked(project, case, service_arguments):
    """Runs apply, run and training-set; returns the table, or None after an error that the case expects."""
    out = project.out()
    commands = [("apply", ["apply"])] + [("run", run) for run in service_arguments] + [("training-set", project.training_set_arguments(case, out))]
    for step, arguments in commands:
        if callable(arguments):
            arguments = arguments()
        code, stdout, stderr = project.call(*arguments)
        if code != 0:
            if step not in case.get("error_at", []):
                raise Failed(f"{step}: exit code {code}: {last_line(stderr or stdout)}")
            check_error(step, code, stdout + stderr, case.get("error_names"))
            return None
    if "error_at" in case:
        raise Failed(f"no error, expected one at {' or '.join(case['error_at'])}")
    return project.table(out)


def run_plain(project, case, expected):
    if "steps" in case:
        return run_steps(project, case)
    got = asked(project, case, [["run"]])
    if got is not None:
        agree(difference(got, expected, case))


def agree(wrong, where=""):
    if wrong:
        raise Failed(where + wrong)


# ---------------------------------------------------------------- steps

def run_steps(project, case):
    steps = case["steps"]
    if "apply" not in steps[0]:
        project.must("apply")
    for number, step in enumerate(steps, 1):
        (kind, what), = [(key, value) for key, value in step.items() if key != "error"]
        try:
            globals()["step_" + kind](project, case, what, step.get("error"))
        except Failed as failed:
            raise Failed(f"step {number}: {failed}") from None


def step_add(project, case, what, error):
    for destination, source in what["files"].items():
        path = os.path.join(project.folder, destination)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copyfile(os.path.join(project.case_folder, source), path)


def finished(project, arguments, error):
    """stdout, or None after the error that was to come."""
    code, stdout, stderr = project.call(*arguments)
    if error is not None:
        check_error(arguments[0], code, stdout + stderr, error.get("names"))
        return None
    if code != 0:
        raise Failed(f"{arguments[0]}: exit code {code}: {last_line(stderr or stdout)}")
    return stdout


def step_apply(project, case, what, error):
    for destination, source in what.get("definitions", {}).items():
        shutil.copyfile(os.path.join(project.case_folder, source), os.path.join(project.folder, "definitions", destination))
    finished(project, ["apply"], error)


def now_of(what):
    return ["--now", what["now"]] if "now" in what else []


def step_run(project, case, what, error):
    finished(project, ["run"] + (["--full"] if what.get("full") else []) + now_of(what), error)


def step_training_set(project, case, what, error):
    out = project.out()
    if finished(project, project.training_set_arguments(what, out) + now_of(what), error) is not None:
        agree(difference(project.table(out), pq.read_table(os.path.join(project.case_folder, what["expected"])), case), "training-set: ")


def step_command(project, case, what, error):
    finished(project, what["arguments"], error)


def step_sql(project, case, what, error):
    out = project.out()
    if finished(project, ["sql", what["query"], "--out", out], error) is not None:
        agree(rows_difference(project.table(out), what["expected"]), "sql: ")


def rows_difference(got, expected):
    """expected: rows as JSON objects; column names come in the query's order."""
    if got.num_rows != len(expected):
        return f"rows: got {got.num_rows}, expected {len(expected)}"
    for row, wanted in enumerate(expected):
        if got.column_names != list(wanted):
            return f"columns: got {got.column_names}, expected {list(wanted)}"
        for name, value in wanted.items():
            have = values_of(got.column(name))[row]
            try:
                value = from_json(value, got.schema.field(name).type)
            except ValueError as error:
                return f"row {row}, column {name}: got {have!r}: {error}"
            if not Rule(name, {}).same(have, value):
                return f"row {row}, column {name}: got {have!r}, expected {value!r}"
    return None


def get_arguments(service, keys, request, now):
    arguments = ["get", service] + [f"{name}={value}" for name, value in keys.items()]
    for name, value in request.items():
        arguments += ["--request", f"{name}={value}"]
    return arguments + ["--now", now, "--json"]


def step_get(project, case, what, error):
    output = finished(project, get_arguments(what["service"], what["keys"], what.get("request", {}), what["now"]), error)
    if output is not None:
        agree(vector_difference(output, what["expected"], case), "get: ")


def vector_difference(output, expected, case):
    try:
        features = features_of(output)
    except (ValueError, KeyError, TypeError) as error:
        return f"not the JSON of a vector: {error}: {last_line(output)[:200]}"
    if list(features) != list(expected):
        return f"features: got {list(features)}, expected {list(expected)}"
    for name, want in expected.items():
        if not same_json(features[name]["value"], want["value"], case, name):
            return f"{name}: got {features[name]['value']!r}, expected {want['value']!r}"
        if "status" in want and features[name].get("status") != want["status"]:
            return f"{name}: got status {features[name].get('status')!r}, expected {want['status']!r}"
    return None


# ---------------------------------------------------------------- other ways to ask the same

PATH = re.compile(r'path: "?([^",}]+)"?, format: (parquet|csv)')


def definitions_of(project):
    for base, _, files in os.walk(os.path.join(project.folder, "definitions")):
        for file in files:
            if file.endswith(".yaml"):
                path = os.path.join(base, file)
                with open(path, encoding="utf-8", newline="") as text:
                    yield path, text.read()


def write_text(path, text):
    with open(path, "w", encoding="utf-8", newline="") as out:
        out.write(text)


def rows_of_source(folder, pattern, form):
    """(rows, writer): all rows of a source in order, and what writes some of them."""
    paths = sorted(os.path.join(folder, "data", name) for name in os.listdir(os.path.join(folder, "data"))
                   if fnmatch.fnmatchcase(f"data/{name}", pattern))
    if form == "parquet":
        table = pa.concat_tables([pq.read_table(path) for path in paths])
        return table.num_rows, lambda first, last, out: pq.write_table(table.slice(first, last - first), out)
    lines, header = [], ""
    for path in paths:
        with open(path, encoding="utf-8", newline="") as text:
            header, *some = text.readlines()
        lines += some
    if any(line.count('"') % 2 for line in lines):
        raise Skipped("a CSV record of several lines")

    def write(first, last, out):
        write_text(out, header + "".join(lines[first:last]))
    return len(lines), write


def run_increments(project, case, expected, seed):
    """The sources' rows in random consecutive pieces, one file each, a run after each file; the same answer."""
    if "increments" not in case.get("modes", []):
        raise Skipped("increments would mean something else")
    chance = random.Random(seed)
    pieces = []                                   # per source: what writes its files, one after the other
    for path, text in list(definitions_of(project)):
        changed = text
        for match in PATH.finditer(text):
            pattern, form = match.groups()
            count, write = rows_of_source(project.folder, pattern, form)
            folder = os.path.join("pieces", str(len(pieces)))
            os.makedirs(os.path.join(project.folder, folder))
            cuts = sorted(chance.randrange(count + 1) for _ in range(chance.randrange(1, 5)))
            pieces.append([(write, first, last, os.path.join(project.folder, folder, f"piece-{number:03d}.{form}"))
                           for number, (first, last) in enumerate(zip([0] + cuts, cuts + [count]))])
            changed = changed.replace(match.group(0), f'path: "{folder}/*.{form}", format: {form}')
        write_text(path, changed)
    todo = [[lambda job=job: job[0](*job[1:]) for job in source] for source in pieces]
    for source in todo:
        source.pop(0)()                           # every source has a file from the start
    runs = [["run"]]
    while any(todo):
        source = chance.choice([source for source in todo if source])

        def added(write=source.pop(0)):
            write()
            return ["run"]
        runs.append(added)
    got = asked(project, case, runs)
    if got is not None:
        agree(difference(got, expected, case), f"after {len(runs)} runs (seed {seed}): ")


def usable(value, kind):
    """Whether a value can be given on a command line."""
    if value is None or value == "" or family(kind) not in ("string", "integer", "float", "bool"):
        return False
    return not (isinstance(value, str) and "\0" in value)


def argument(value):
    return ("true" if value else "false") if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)


def run_online(project, case, expected, seed):
    """At each label's time, one after the other: run, then read the row's vector from the online store."""
    if "online" not in case.get("modes", []):
        raise Skipped("the online store would answer something else")
    spine_columns = case["keys"] + case["request"]
    values = {name: values_of(expected.column(name)) for name in expected.column_names}
    kinds = {name: expected.schema.field(name).type for name in expected.column_names}
    spine = pq.read_schema(os.path.join(project.folder, case.get("spine", "spine.parquet"))).names \
        if case.get("spine", "spine.parquet").endswith(".parquet") else None
    features = [name for name in expected.column_names if name not in (spine or spine_names(project, case))]
    rows = [row for row in range(expected.num_rows)
            if values["event_timestamp"][row] is not None and EARLIEST_NS <= values["event_timestamp"][row] < LATEST_NS
            and all(usable(values[name][row], kinds[name]) for name in spine_columns)]
    times = sorted({values["event_timestamp"][row] // 1000 * 1000 for row in rows})
    if not times:
        raise Skipped("no row that can be asked for")
    chance = random.Random(seed)
    times = sorted(chance.sample(times, min(len(times), LABEL_TIMES)))
    for path, text in list(definitions_of(project)):
        parts = []
        for part in re.split(r"(?m)^(---\n)", text):
            if re.search(r"(?m)^from: ", part) and re.search(r"(?m)^feature_view: ", part) and not re.search(r"(?m)^online: ", part):
                part = re.sub(r"(?m)^from: ", "online: true\nfrom: ", part, count=1)
            parts.append(part)
        write_text(path, "".join(parts))
    project.must("apply")
    for t in times:
        now = rfc3339(t)
        project.must("run", "--now", now)
        for row in rows:
            if values["event_timestamp"][row] // 1000 * 1000 != t:
                continue
            keys = {name: argument(values[name][row]) for name in case["keys"]}
            request = {name: argument(values[name][row]) for name in case["request"]}
            output = project.must(*get_arguments(case["service"], keys, request, now))
            wrong = row_difference(output, features, kinds, {name: values[name][row] for name in features}, case)
            agree(wrong, f"row {row} at {now}: ")


def spine_names(project, case):
    path = os.path.join(project.folder, case["spine"])
    if path.endswith(".arrow"):
        with pa.ipc.open_file(path) as reader:
            return reader.schema.names
    with open(path, encoding="utf-8") as text:
        return text.readline().strip().split(",")


def row_difference(output, features, kinds, expected, case):
    try:
        got = features_of(output)
    except (ValueError, KeyError, TypeError) as error:
        return f"not the JSON of a vector: {error}: {last_line(output)[:200]}"
    if list(got) != features:
        return f"features: got {list(got)}, expected {features}"
    for name in features:
        try:
            value = from_json(got[name]["value"], kinds[name])
        except ValueError as error:
            return f"{name}: {error}, expected {text_of(expected[name], kinds[name])}"
        if not Rule(name, case).same(value, expected[name]):
            return f"{name}: got {text_of(value, kinds[name])}, expected {text_of(expected[name], kinds[name])}"
    return None


def run_case(icecore, folder, timeout_s, mode, seed):
    """None when the case passes, else what was wrong with it; Skipped when it is not for this mode."""
    case, expected = load_case(folder)
    if mode != "plain" and expected is None:
        raise Skipped("a case of steps or errors")
    with tempfile.TemporaryDirectory(prefix="conformance-") as temporary:
        project = Project(icecore, folder, case, temporary, timeout_s)
        try:
            if mode == "plain":
                run_plain(project, case, expected)
            elif mode == "increments":
                run_increments(project, case, expected, f"{seed}/{os.path.basename(folder)}")
            else:
                run_online(project, case, expected, f"{seed}/{os.path.basename(folder)}")
        except Failed as failed:
            return str(failed)
    return None


# ---------------------------------------------------------------- self-check

def replaced(table, index, values, kind=None):
    field = table.schema.field(index)
    kind = kind or field.type
    if pa.types.is_timestamp(kind):
        column = pa.array([None if v is None else v // NS[kind.unit] for v in values], pa.int64()).cast(kind)
    else:
        column = pa.array(values, kind)
    return table.set_column(index, pa.field(field.name, kind), column)


def other_value(value, kind, rule):
    """A value near `value` that the rule must tell from it."""
    if is_list(kind):
        if not value:
            return [None]
        return value[:-1] + [other_value(value[-1], kind.value_type, rule)]
    if value is None:
        return {"integer": 0, "float": 0.0, "string": "", "binary": b"", "decimal": decimal.Decimal(0),
                "date": datetime.date(1970, 1, 1), "bool": False}.get(family(kind), 0)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        if rule.approximate is not None:
            step = max(2, int(2 * rule.approximate * value) + 1)
        else:
            step = NS[kind.unit] if pa.types.is_timestamp(kind) else 1
        if pa.types.is_timestamp(kind) or kind.bit_width == 64:
            return value - step if value > 0 else value + step
        return value - 1 if value > 0 else value + 1
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            return 1.0
        if value == 0.0:
            return -value if rule.exact else 1e-300
        if abs(value) < 1e-30:
            return 0.0
        tolerance = rule.approximate if rule.approximate is not None else rule.relative
        if rule.exact:
            tolerance = 2.0 ** -51
        if kind.bit_width == 32:
            tolerance = max(tolerance, 2.0 ** -22)
        return value * (1 - 3 * tolerance)
    if isinstance(value, str):
        return value + "\0"
    if isinstance(value, bytes):
        return value + b"\0"
    if isinstance(value, decimal.Decimal):
        step = decimal.Decimal(1).scaleb(-kind.scale)
        with decimal.localcontext() as context:
            context.prec = 60
            return value - step if value > 0 else value + step
    if isinstance(value, datetime.date):
        return value - datetime.timedelta(days=1)
    raise TypeError(f"no other value for {value!r}")


def mutants(table, case):
    """(what was done, table) for each change that must be noticed."""
    names = table.column_names
    yield "last column dropped", table.select(names[:-1])
    yield "column added", table.append_column("one_more", pa.nulls(table.num_rows, pa.int64()))
    yield "last column renamed", table.rename_columns(names[:-1] + [names[-1] + "_"])
    if len(names) > 1:
        yield "last two columns swapped", table.select(names[:-2] + [names[-1], names[-2]])
    for index, name in enumerate(names):
        kind = table.schema.field(name).type
        other = pa.string() if family(kind) != "string" else pa.int64()
        yield f"{name}: type {other}", table.set_column(index, name, pa.nulls(table.num_rows, other))
        if pa.types.is_timestamp(kind):
            yield f"{name}: zone lost", table.set_column(index, name, table.column(name).cast(pa.timestamp(kind.unit)))
    if table.num_rows == 0:
        yield "row added", pa.table([pa.nulls(1, field.type) for field in table.schema], schema=table.schema)
        return
    yield "last row dropped", table.slice(0, table.num_rows - 1)
    yield "first row twice", pa.concat_tables([table.slice(0, 1), table])
    yield "no row", table.slice(0, 0)
    backwards = table.take(list(range(table.num_rows - 1, -1, -1)))
    if not backwards.equals(table) and difference(table.slice(0, 1), table.slice(table.num_rows - 1), {}):
        yield "rows backwards", backwards
    for index, name in enumerate(names):
        kind = table.schema.field(name).type
        rule = Rule(name, case)
        values = values_of(table.column(name))
        if name in case.get("ignore", []):
            continue
        for row in {0, table.num_rows // 2, table.num_rows - 1}:
            changed = list(values)
            changed[row] = other_value(values[row], kind, rule)
            yield f"{name}: row {row} changed", replaced(table, index, changed)
            if values[row] is not None:
                changed = list(values)
                changed[row] = None
                yield f"{name}: row {row} null", replaced(table, index, changed)
    for name, groups in case.get("same_bits", {}).items():
        values = values_of(table.column(name))
        row = groups[0][1]
        values[row] = math.nextafter(values[row], 0.0) if hasattr(math, "nextafter") else values[row] * (1 - 2.0 ** -52)
        yield f"{name}: row {row} other in its last bit", replaced(table, names.index(name), values)


def changed_json(value):
    """A JSON value near `value`."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * (1 + 1e-9) if value else 1e-300
    if isinstance(value, str):
        return value + " "
    if isinstance(value, list):
        return value + [None]
    return 0


def vector_mutants(expected):
    """(what was done, output) for each change of a vector that must be noticed."""
    def text(features):
        return json.dumps({"features": features})

    yield "no JSON", "hello"
    yield "no features", json.dumps({"vector": expected})
    yield "values alone", text({name: want["value"] for name, want in expected.items()})
    names = list(expected)
    yield "last feature dropped", text({name: expected[name] for name in names[:-1]})
    if len(names) > 1:
        yield "features backwards", text({name: expected[name] for name in names[::-1]})
    for name, want in expected.items():
        yield f"{name}: changed", text({**expected, name: {**want, "value": changed_json(want["value"])}})
        if want["value"] is not None:
            yield f"{name}: null", text({**expected, name: {**want, "value": None}})
        if "status" in want:
            yield f"{name}: other status", text({**expected, name: {**want, "status": "present" if want["status"] != "present" else "null"}})


def self_check_steps(folder, case):
    count = 0
    for number, step in enumerate(case["steps"], 1):
        for kind, what in step.items():
            if kind == "training_set" and "expected" in what:
                expected = pq.read_table(os.path.join(folder, what["expected"]))
                wrong = difference(expected, expected, case)
                if wrong:
                    return count, f"step {number} differs from itself: {wrong}"
                for done, table in mutants(expected, case):
                    count += 1
                    if difference(table, expected, case) is None:
                        return count, f"step {number} unnoticed: {done}"
            elif kind == "get" and "expected" in what:
                wrong = vector_difference(json.dumps({"features": what["expected"]}), what["expected"], case)
                if wrong:
                    return count, f"step {number} differs from itself: {wrong}"
                for done, output in vector_mutants(what["expected"]):
                    count += 1
                    if vector_difference(output, what["expected"], case) is None:
                        return count, f"step {number} unnoticed: {done}"
            elif kind == "sql" and "expected" in what:
                rows = what["expected"]
                table = pa.Table.from_pylist(rows)
                wrong = rows_difference(table, rows)
                if wrong:
                    return count, f"step {number} differs from itself: {wrong}"
                changes = [rows + rows[:1], rows[1:], [{**rows[0], "one_more": 1}] + rows[1:]] if rows else []
                for row in range(len(rows)):
                    for name, value in rows[row].items():
                        changes.append(rows[:row] + [{**rows[row], name: changed_json(value)}] + rows[row + 1:])
                for other in changes:
                    count += 1
                    if rows_difference(table, other) is None:
                        return count, f"step {number} unnoticed: {other}"
            elif kind == "error":
                for code, output in ((0, ""), (3, ""), (139, ""), *([(2, "error")] if what.get("names") else [])):
                    count += 1
                    try:
                        check_error("step", code, output, what.get("names"))
                    except Failed:
                        continue
                    return count, f"step {number} unnoticed: exit code {code}"
    return count, None


def row_as_json(value, kind):
    """What a binary prints for a value."""
    if value is None:
        return None
    if is_list(kind):
        return [row_as_json(one, kind.value_type) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if family(kind).startswith("timestamp"):
        return rfc3339(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (decimal.Decimal, datetime.date)):
        return str(value)
    return value


def self_check_online(folder, expected, case):
    """Every feature of the first and the last row, as the online store would print it, and changed."""
    if "online" not in case.get("modes", []) or expected.num_rows == 0:
        return 0, None
    spine = os.path.join(folder, case.get("spine", "spine.parquet"))
    asked = pq.read_schema(spine).names if spine.endswith(".parquet") else case["keys"] + case["request"] + ["event_timestamp"]
    features = [name for name in expected.column_names if name not in asked]
    kinds = {name: expected.schema.field(name).type for name in features}
    values = {name: values_of(expected.column(name)) for name in features}
    count = 0
    for row in {0, expected.num_rows - 1}:
        wanted = {name: values[name][row] for name in features}
        printed = {name: {"value": row_as_json(wanted[name], kinds[name])} for name in features}
        wrong = row_difference(json.dumps({"features": printed}), features, kinds, wanted, case)
        if wrong:
            return count, f"row {row} differs from itself online: {wrong}"
        for name in features:
            other = other_value(wanted[name], kinds[name], Rule(name, case))
            output = json.dumps({"features": {**printed, name: {"value": row_as_json(other, kinds[name])}}})
            count += 1
            if row_difference(output, features, kinds, wanted, case) is None:
                return count, f"row {row} unnoticed online: {name}"
    return count, None


def self_check(folder):
    """(number of mutants, None or what went unnoticed)."""
    case, expected = load_case(folder)
    if "steps" in case:
        return self_check_steps(folder, case)
    if expected is None:
        return 0, None
    wrong = difference(expected, expected, case)
    if wrong:
        return 0, f"differs from itself: {wrong}"
    count = 0
    for what, table in mutants(expected, case):
        count += 1
        if difference(table, expected, case) is None:
            return count, f"unnoticed: {what}"
    online, wrong = self_check_online(folder, expected, case)
    return count + online, wrong


# ---------------------------------------------------------------- text

def table_text(table):
    cells = [table.column_names]
    columns = [[text_of(v, field.type) for v in values_of(table.column(field.name))] for field in table.schema]
    cells += [list(row) for row in zip(*columns)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.column_names))]
    return "\n".join("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in cells)


def read_any(path):
    if path.endswith(".parquet"):
        return table_text(pq.read_table(path))
    with open(path, encoding="utf-8") as text:
        return "".join("  " + line for line in text).rstrip()


def show(name, folder):
    print(f"==== {name}")
    print(read_any(os.path.join(folder, "case.json")))
    for part in ("definitions", "data", "later"):
        for base, _, files in sorted(os.walk(os.path.join(folder, part))):
            for file in sorted(files):
                path = os.path.join(base, file)
                print(f"-- {os.path.relpath(path, folder)}\n{read_any(path)}")
    for file in sorted(os.listdir(folder)):
        if file.startswith(("spine.", "spine-", "expected.", "expected-")) and not file.endswith(".arrow"):
            print(f"-- {file}\n{read_any(os.path.join(folder, file))}")


def main():
    parser = argparse.ArgumentParser(description="Runs the conformance cases against an icecore binary.")
    parser.add_argument("--icecore", help="path of the binary")
    parser.add_argument("--cases", default=os.path.join(HERE, "cases"), help="folder of the case folders")
    parser.add_argument("-k", default="", metavar="SUBSTRING", help="only cases whose name contains this")
    parser.add_argument("--timeout", type=int, default=300, metavar="SECONDS", help="for one command")
    parser.add_argument("--mode", choices=["plain", "increments", "online"], default="plain",
                        help="plain: the case as it is; increments: its data in random pieces, a run after each; "
                             "online: each label read from the online store at its time")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices of a mode")
    parser.add_argument("--self-check", action="store_true", help="prove that the comparison notices")
    parser.add_argument("--show", action="store_true", help="print the cases as text")
    given = parser.parse_args()
    cases = find_cases(given.cases, given.k)
    if not cases:
        parser.error(f"no case in {given.cases} has {given.k!r} in its name")
    if given.show:
        for name, folder in cases:
            show(name, folder)
        return 0
    icecore = None
    if not given.self_check:
        if not given.icecore:
            parser.error("--icecore is needed")
        icecore = shutil.which(given.icecore)
        if icecore is None:
            parser.error(f"{given.icecore} is no program")
        icecore = os.path.abspath(icecore)
    passed = failed = skipped = total = 0
    for name, folder in cases:
        try:
            if given.self_check:
                count, wrong = self_check(folder)
                total += count
            else:
                wrong = run_case(icecore, folder, given.timeout, given.mode, given.seed)
        except Skipped:
            skipped += 1
            continue
        if wrong is None:
            passed += 1
        else:
            failed += 1
            print(f"FAIL {name}: {wrong}", flush=True)
    if given.self_check:
        print(f"{total} changed tables compared")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
