"""What is behind values: the answers of Project.verify, explain, compare and test.

Each holds ``document``, the JSON of the command of that name with ``--json``, and offers what is in it: numbers and
texts as attributes, tables as lists of dicts and by ``to_pandas()``. Notebooks show them as tables.
"""
from __future__ import annotations

import abc
import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from .results import rows_html

if TYPE_CHECKING:
    import pandas

Documents = list[dict[str, Any]]


class Evidence(abc.ABC):
    """An answer with ``document``, all of it as the engine told it."""

    #: The columns of to_pandas(), and which of them are times.
    _columns: Sequence[str] = ()
    _times: Sequence[str] = ()

    def __init__(self, document: dict[str, Any]):
        self.document = document

    @abc.abstractmethod
    def _rows(self) -> Documents:
        """What to_pandas() holds."""

    @abc.abstractmethod
    def _headline(self) -> str:
        """The answer in a line."""

    def to_pandas(self) -> "pandas.DataFrame":
        """The rows as a pandas.DataFrame, with the same columns whether there are rows or not; times are UTC."""
        import pandas
        frame = pandas.DataFrame(self._rows(), columns=list(self._columns))
        for name in self._times:
            frame[name] = pandas.to_datetime(frame[name], utc=True)
        return frame

    def __repr__(self) -> str:
        return f"<icecore.{type(self).__name__}: {self._headline()}>"

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self._headline())}</p>" + self._tables_html()

    def _tables_html(self) -> str:
        return table_of(self._columns, self._rows())


def table_of(names: Sequence[str], rows: Iterable[dict[str, Any]]) -> str:
    """Rows as an HTML table; "" without any."""
    cells = [[row.get(name) for name in names] for row in rows]
    return rows_html(names, cells) if cells else ""


class Verification(Evidence):
    """Served vectors held against what the lake gives for their times and positions, bit for bit.

    ``to_pandas()``: a row per mismatch (the first 20), with feature, view, key ("carrier=UA"), t (the vector's time),
    served and recomputed (as text) and cause: position, expired or bug.
    """

    _columns = ("feature", "view", "key", "t", "served", "recomputed", "cause")
    _times = ("t",)

    @property
    def service(self) -> str:
        return self.document["service"]

    @property
    def passed(self) -> bool:
        """Every value was compared and is equal, and no record of the log is damaged."""
        return self.document["passed"]

    @property
    def source(self) -> str:
        """"log" (what was served) or "spine" (what was answered now)."""
        return self.document["source"]

    @property
    def vectors(self) -> int:
        return self.document["vectors"]

    @property
    def values(self) -> int:
        """Values of those vectors: equal + mismatched + unverified."""
        return self.document["values"]

    @property
    def equal(self) -> int:
        return self.document["equal"]

    @property
    def mismatched(self) -> int:
        return self.document["mismatched"]

    @property
    def unverified(self) -> int:
        """Values that could not be compared; ``document["unverified_because"]`` says why."""
        return self.document["unverified"]

    @property
    def mismatches(self) -> Documents:
        return self.document["mismatches"]

    @property
    def freshness(self) -> Documents:
        """By view: ``rows`` visible when vectors were served that the store did not hold yet, ``vectors`` that lacked one,
        ``greatest_age_us``. No mismatch."""
        return self.document["freshness"]

    def _rows(self) -> Documents:
        return self.mismatches

    def _headline(self) -> str:
        told = (f"{self.service}: {self.vectors:,} vectors {'asked now' if self.source == 'spine' else 'served'}, "
                f"{self.values:,} values: {self.equal:,} equal, {self.mismatched:,} mismatched, {self.unverified:,} not to be "
                "verified")
        reasons = self.document["unverified_because"]
        return f"{told} ({'; '.join(reasons)})" if reasons else told


class Explanation(Evidence):
    """The rows, table versions and definitions behind one value, which is that of a training set.

    ``to_pandas()``: a row per listed row of the key, with view and feature that it was looked at for, event_time,
    known_at, seq, value (as text) and verdict: why it counts or does not (docs/verify.md).
    """

    _columns = ("view", "feature", "event_time", "known_at", "seq", "value", "verdict")
    _times = ("event_time", "known_at")

    @property
    def service(self) -> str:
        return self.document["service"]

    @property
    def feature(self) -> str:
        return self.document["feature"]

    @property
    def at(self) -> str:
        """The time asked for, RFC 3339 in UTC."""
        return self.document["at"]

    @property
    def value(self) -> Any:
        """As JSON has it: int64 with all digits, NaN and decimals as text, times as RFC 3339."""
        return self.document["value"]

    @property
    def status(self) -> str:
        """present, null, not_found or expired."""
        return self.document["status"]

    @property
    def features(self) -> Documents:
        """The feature itself, or those that its expression reads, each with ``definition`` (location, version, says,
        times), ``table`` (name, version, generation, seq_up_to), ``key``, ``value``, ``rows_by_verdict``, ``rows``; windows
        with ``window``, ``tiles`` and ``arithmetic``."""
        return self.document["features"]

    @property
    def expression(self) -> dict[str, Any] | None:
        """text, location and inputs of a feature that is computed when asked."""
        return self.document.get("expression")

    def _rows(self) -> Documents:
        return [{"view": one["view"], "feature": one["feature"], **row} for one in self.features for row in one["rows"]]

    def _headline(self) -> str:
        return f"{self.service}.{self.feature} = {self.value} ({self.status}) at {self.at}"

    def _tables_html(self) -> str:
        parts = []
        if self.expression:
            parts.append(f"<p><code>{html.escape(self.expression['text'])}</code></p>"
                         + table_of(("name", "value", "from"), self.expression["inputs"]))
        for one in self.features:
            counts = ", ".join(f"{rows:,} {verdict}" for verdict, rows in one["rows_by_verdict"].items())
            key = " ".join(f"{name}={value}" for name, value in one["key"].items())
            arithmetic = one.get("arithmetic")
            value = f"{arithmetic} = {one['value']}" if arithmetic else one["value"]
            lines = (f"view.{one['view']}.{one['feature']}, key {key}: {value} ({one['status']})",
                     f"{one['definition']['says']} ({one['definition']['location']}, since version {one['definition']['version']})",
                     f"{one['table']['name']}@{one['table']['version']}, rows of this key: {counts or 'none'}")
            parts.append("<p>" + "<br>".join(map(html.escape, lines)) + "</p>" + table_of(self._columns[2:], one["rows"]))
        return "".join(parts)


class Comparison(Evidence):
    """A view as it is defined now against an older version of it, over one spine and today's tables.

    ``to_pandas()``: a row per feature, with kind (both, added, removed, other_type) and, of "both", rows compared, how many
    are different (in any bit), null_before (a value now), null_now, max_difference and mean_difference (absolute, over
    the rows that differ and have two finite numbers); of "other_type" type_before and type_now.
    """

    _columns = ("feature", "kind", "rows", "different", "null_before", "null_now", "max_difference", "mean_difference",
                "type_before", "type_now")

    @property
    def view(self) -> str:
        return self.document["view"]

    @property
    def with_version(self) -> int:
        return self.document["with"]

    @property
    def same_definition(self) -> bool:
        return self.document["same_definition"]

    @property
    def rows(self) -> int:
        """Of the spine."""
        return self.document["rows"]

    @property
    def features(self) -> Documents:
        return self.document["features"]

    @property
    def different(self) -> int:
        """Values that differ, over all features that both have."""
        return sum(one.get("different", 0) for one in self.features)

    @property
    def examples(self) -> Documents:
        """feature, key ("carrier=UA"), event_timestamp, before and now (as text) of values that differ."""
        return [{"feature": one["feature"], **example} for one in self.features for example in one.get("examples", [])]

    def _rows(self) -> Documents:
        return self.features

    def _headline(self) -> str:
        same = ": the same definition" if self.same_definition else ""
        return f"view.{self.view} now and in version {self.with_version}, over {self.rows:,} rows{same}"

    def _tables_html(self) -> str:
        return super()._tables_html() + table_of(("feature", "key", "event_timestamp", "before", "now"), self.examples)


class DefinitionTests(Evidence):
    """What the project's tests found.

    ``to_pandas()``: a row per test, with name, location, passed, error (why it could not be asked), differences (how many
    features are not what was expected, or differ offline and online) and duration_us.
    """

    _columns = ("name", "location", "passed", "error", "differences", "duration_us")

    @property
    def tests(self) -> Documents:
        """name, location, passed, error, differences (feature, expected, offline, online), notes, duration_us of each."""
        return self.document["tests"]

    @property
    def passed(self) -> bool:
        """All of them did."""
        return self.document["failed"] == 0

    @property
    def failures(self) -> Documents:
        return [one for one in self.tests if not one["passed"]]

    def __len__(self) -> int:
        return len(self.tests)

    def __bool__(self) -> bool:
        """Always true, also without tests: ask ``passed``."""
        return True

    def _rows(self) -> Documents:
        return [{**one, "differences": len(one["differences"])} for one in self.tests]

    def _headline(self) -> str:
        return f"{len(self):,} tests: {self.document['passed']:,} passed, {self.document['failed']:,} failed"

    def _tables_html(self) -> str:
        differences = [{"test": one["name"], **difference} for one in self.failures for difference in one["differences"]]
        return super()._tables_html() + table_of(("test", "feature", "expected", "offline", "online"), differences)
