"""What time.md says, as naively as it can be said: no tiles, no states, no sorting tricks; exact sums by fractions.

Times are integers, microseconds since the epoch; None is null.
"""
import math
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
INF = math.inf


@dataclass
class Row:
    key: tuple
    e: int | None
    told: int | None
    seq: int
    values: dict
    id: int | None = None               # of a table with versions: its key ...
    version: int | None = None          # ... and order_by; None is below all
    deleted: bool = False               # a version that ends its id; known at `told`, whatever the view says


@dataclass
class Window:
    text: str
    length: int
    hop: int | None = None

    @property
    def hop_us(self) -> int:
        if self.hop is not None:
            return self.hop
        return 5 * MINUTE if self.length < 12 * HOUR else HOUR if self.length < 12 * DAY else DAY

    def covers(self, e: int, t: int) -> bool:
        if self.hop_us == 0:
            return t - self.length < e <= t
        tail = t - self.length
        return tail - tail % self.hop_us <= e <= t


@dataclass
class Feature:
    name: str                           # as the view gives it, with its window
    of: str | None = None
    aggregate: str | None = None        # None: as of t
    window: Window | None = None
    n: int = 0                          # last_n, top_n
    q: float = 0.0                      # quantile
    where: object = None                # (column, least): column >= least; or a function of the values
    hop_text: str | None = None         # as the definition says it; None: the default
    default: object = None


@dataclass
class View:
    name: str
    delay: int | None = None            # known_at: {delay: …}; None: the column `told`
    ttl: int | None = None
    where: object = None
    exclude_at: bool = False
    versions: str = ""                  # of its table: "" none, "ordered" by version and seq, "by seq"
    features: list[Feature] = field(default_factory=list)

    def known_at(self, row: Row) -> int | None:
        """a := max(a, e); None where either is null."""
        if self.delay is not None and row.e is not None and not row.deleted:
            return row.e + self.delay
        return None if row.told is None or row.e is None else max(row.told, row.e)

    def visible(self, row: Row, t: int, cut: float) -> bool:
        known = self.known_at(row)
        happened = known is not None and (row.e < t if self.exclude_at else row.e <= t)
        return happened and known <= cut


def usable(value) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def rounded(exact: Fraction) -> float:
    """The float nearest to it, ties to even; a zero is +0.0."""
    try:
        return exact.numerator / exact.denominator
    except OverflowError:
        return INF if exact > 0 else -INF


def sum_of(numbers: list[float]) -> float | Fraction:
    """The exact sum, or the IEEE answer where infinities are among them."""
    infinite = [x for x in numbers if math.isinf(x)]
    if infinite:
        return sum(infinite)
    return sum((Fraction(x) for x in numbers), Fraction(0))


def variance_of(numbers: list[float]) -> float | None:
    n = len(numbers)
    if n < 2:
        return None
    if any(math.isinf(x) for x in numbers):
        return math.nan
    total = sum_of(numbers)
    squares = sum((Fraction(x) ** 2 for x in numbers), Fraction(0))
    return rounded((n * squares - total * total) / (n * (n - 1)))


def order_of_float(x) -> tuple:
    """-0.0 below 0.0."""
    return (x, math.copysign(1, x)) if isinstance(x, float) else (x,)


def aggregate(feature: Feature, rows: list[Row]):
    """rows: those in the window, by (e, a, seq)."""
    if feature.of is None:
        return len(rows)
    values = [row.values[feature.of] for row in rows if usable(row.values[feature.of])]
    kind = feature.aggregate
    if kind == "count":
        return len(values)
    if kind == "count_distinct":
        return len({0.0 if x == 0 else x for x in values})
    if kind == "variance":
        return variance_of(values)
    if kind == "stddev":
        variance = variance_of(values)
        return None if variance is None else math.sqrt(variance)
    if not values:
        return None
    if kind in ("sum", "mean"):
        total = sum_of(values)
        if kind == "mean":
            return total if isinstance(total, float) else rounded(total / len(values))
        if all(isinstance(x, int) for x in values):
            return int(total)
        if all(isinstance(x, Decimal) for x in values):
            return sum(values)
        return total if isinstance(total, float) else rounded(total)
    if kind in ("min", "max"):
        return (min if kind == "min" else max)(values, key=order_of_float)
    if kind == "first":
        return values[0]
    if kind == "last":
        return values[-1]
    if kind == "last_n":
        return values[-feature.n:]
    if kind == "quantile":
        return float(sorted(values)[max(1, math.ceil(Fraction(str(feature.q)) * len(values))) - 1])
    if kind == "top_n":
        return sorted(values, key=order_of_float, reverse=True)[:feature.n]
    raise ValueError(kind)


def passes(where, row: Row) -> bool:
    if where is None:
        return True
    if callable(where):
        return where(row.values)
    column, least = where
    value = row.values[column]
    return usable(value) and value >= least


def chosen_versions(rows: list[Row], ordered: bool) -> list[Row]:
    """Of each id the greatest by (version, seq), or by seq alone."""
    greatest: dict[int, Row] = {}

    def rank(row: Row) -> tuple:
        return (ordered and row.version is not None, row.version or 0 if ordered else 0, row.seq)
    for row in rows:
        if row.id not in greatest or rank(greatest[row.id]) < rank(row):
            greatest[row.id] = row
    return list(greatest.values())


def visible_rows(view: View, rows: list[Row], key: tuple, t: int, cut: float) -> list[Row]:
    """Those that count, by (e, a, seq).

    rows: those of the key; of a table with versions all versions of every id that the key ever had."""
    visible = [row for row in rows if None not in key and view.visible(row, t, cut)]
    if view.versions:
        visible = [row for row in chosen_versions(visible, view.versions == "ordered") if row.key == key and not row.deleted]
    visible = [row for row in visible if passes(view.where, row)]
    return sorted(visible, key=lambda row: (row.e, view.known_at(row), row.seq))


def valued(view: View, feature: Feature, visible: list[Row], t: int) -> tuple[object, str]:
    """The feature's value before its default, and its status."""
    counted = [row for row in visible if passes(feature.where, row)]
    if feature.aggregate is not None:
        value = aggregate(feature, [row for row in counted if feature.window.covers(row.e, t)])
    elif not counted:
        return None, "not_found"
    elif view.ttl is not None and t - counted[-1].e > view.ttl:
        return None, "expired"
    else:
        value = counted[-1].values[feature.of]
    return value, "null" if value is None else "present"


def answer(view: View, rows: list[Row], key: tuple, t: int | None, cut: float) -> dict:
    """The view's features for one spine row; cut: the greatest a that counts (t for label, INF for latest)."""
    if t is None:
        return {feature.name: None for feature in view.features}
    visible, out = visible_rows(view, rows, key, t, cut), {}
    for feature in view.features:
        value, _ = valued(view, feature, visible, t)
        out[feature.name] = feature.default if value is None else value
    return out


def statuses(view: View, rows: list[Row], key: tuple, t: int) -> dict:
    """What an online answer says of each value; a default changes the value, not the status."""
    visible = visible_rows(view, rows, key, t, t)
    return {feature.name: valued(view, feature, visible, t)[1] for feature in view.features}
