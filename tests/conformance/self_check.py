"""That the comparison notices: every expected answer against itself, and against changed ones."""
import base64
import datetime
import decimal
import json
import math
import os

import pyarrow as pa
import pyarrow.parquet as pq

from case_project import Failed, check_error
from case_reader import load_case
from comparison import Rule, difference, row_difference, rows_difference, vector_difference
from values import NS, family, is_list, rfc3339, values_of


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
