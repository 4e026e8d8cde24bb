"""What differs between an answer and the one that a case expects: None, or one line that names the first difference."""
import decimal
import json
import math

from values import bits_of, family, from_json, is_list, text_of, values_of


def last_line(output):
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "(no output)"


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
