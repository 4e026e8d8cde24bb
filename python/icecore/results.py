"""What Icecore answers: Arrow data that any library can take, with what is known about them."""
from __future__ import annotations

import functools
import html
import json
import os
import warnings
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from . import _native, errors

if TYPE_CHECKING:
    import pandas
    import polars

    from .project import Handle

SHOWN_ROWS = 10


class Rows:
    """Rows as Arrow data.

    Any library that takes the Arrow C stream interface reads it as it is: ``polars.DataFrame(rows)``,
    ``duckdb.sql("from rows")`` after ``rows = rows.to_arrow()``, ``pyarrow.table(rows)``.
    """

    def __init__(self, reader: pa.RecordBatchReader):
        self._reader: pa.RecordBatchReader | None = reader
        self._table: pa.Table | None = None
        self._schema = reader.schema

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    @property
    def column_names(self) -> list[str]:
        return self._schema.names

    def to_reader(self) -> pa.RecordBatchReader:
        """The rows batch by batch; once only, unless they were gathered before. For results larger than memory."""
        if self._table is not None:
            return self._table.to_reader()
        if self._reader is None:
            raise RuntimeError("the rows were given out before, by to_reader() or save(keep=False); ask again")
        reader, self._reader = self._reader, None
        return reader

    def to_arrow(self) -> pa.Table:
        """All rows as a pyarrow.Table; kept, so that it costs once."""
        if self._table is None:
            reader = self.to_reader()
            try:
                self._table = reader.read_all()
            except (pa.ArrowException, OSError) as error:      # rows are computed as they are read
                raise self._error(error) from None
        return self._table

    def _error(self, error: Exception) -> errors.IcecoreError:
        return stream_error(error)

    def to_pandas(self, **options: Any) -> "pandas.DataFrame":
        """All rows as a pandas.DataFrame; options as pyarrow.Table.to_pandas takes them."""
        return self.to_arrow().to_pandas(**options)

    def to_polars(self) -> "polars.DataFrame":
        """All rows as a polars.DataFrame."""
        import polars
        return polars.DataFrame(self.to_arrow())

    def to_pylist(self) -> list[dict[str, Any]]:
        """A dict per row."""
        return self.to_arrow().to_pylist()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> Any:
        return self._schema.__arrow_c_schema__()

    def __len__(self) -> int:
        return self.to_arrow().num_rows

    def __repr__(self) -> str:
        rows = f"{len(self):,} rows" if self._table is not None else "rows not read yet"
        return f"<icecore.{type(self).__name__}: {rows}, {len(self._schema)} columns>"

    def _repr_html_(self) -> str:
        if self._given_out():
            return (f"<p>the rows were given out before; {len(self._schema)} columns</p>"
                    + rows_html(["column", "type"], [[field.name, field.type] for field in self._schema]))
        table = self.to_arrow()
        return f"<p>{table.num_rows:,} rows, {table.num_columns} columns{self._origin_html()}</p>" + table_html(table)

    def _given_out(self) -> bool:
        return self._table is None and self._reader is None

    def _origin_html(self) -> str:
        """What a notebook says of the rows beside their number."""
        return ""


class TrainingSet(Rows):
    """The spine's columns as they were, then the features as they were known; every spine row once, in its place."""

    def __init__(self, reader: pa.RecordBatchReader, handle: "Handle"):
        super().__init__(reader)
        self._handle = handle

    @property
    def report(self) -> dict:
        """What the set was made of, as ``icecore training-set --json`` gives it.

        rows, columns, duration_us; ``tables`` that were read, with their versions; ``features``: a list of {name, rows,
        nulls, expired}, counted before defaults; ``spine``: {from, rows, digest, …}; ``digest`` of the rows: equal digests
        are equal rows, bit for bit, however they are batched or stored.

        It is complete once the rows have ended, and reads them first where nobody has. After to_reader() it is what is known
        so far: without ``digest``, and with an empty one of the spine, until the last batch was read. Rows with a column
        that has no digest (unions, run-end encoded and coded values inside lists) never get one.
        """
        if self._reader is not None:
            self.to_arrow()
        return self._told("report")

    @property
    def card(self) -> dict:
        """What the set was made of, enough to make it again: the content of ``FILE.card.json`` (docs/formats/training-card.md).

        As complete as ``report``, and reads the rows first where nobody has. ``at_version=train.card`` of
        Project.training_set takes it.
        """
        if self._reader is not None:
            self.to_arrow()
        return self._told("card")

    def save(self, path: str | os.PathLike, *, keep: bool = True) -> str:
        """Writes the rows to ``path`` and the card to ``path`` + ".card.json", whose path it returns.

        path: ends in .parquet, .csv or .arrow. Both files are as ``icecore training-set --out`` makes them, and take the
            place of older ones when all is well.
        keep: False writes batch by batch, for sets larger than memory; the rows cannot be read from here afterwards.

        Raises InvalidArgument for another kind of file, Unavailable where it cannot be written, Unsupported for a column
        that the file or a digest cannot hold, and what computing the rows fails with.
        """
        if keep:
            self.to_arrow()
        _native.call("icecore_training_set_save", self._handle.get(), _native.exported(self.to_reader()), os.fsencode(path))
        return os.fsdecode(path) + ".card.json"

    def _told(self, what: str) -> dict:
        return json.loads(_native.call_text(f"icecore_training_set_{what}", self._handle.get()))

    def _error(self, error: Exception) -> errors.IcecoreError:
        try:
            self._told("report")
        except errors.IcecoreError as known:                   # the same error, with its code
            return known
        return stream_error(error)

    @property
    def feature_names(self) -> list[str]:
        return [feature["name"] for feature in self.report["features"]]

    def _origin_html(self) -> str:
        read = ", ".join(f"{name}@{one['version']}" for name, one in self.report["tables"].items())
        return f"; read {html.escape(read)}"


class Vectors(Rows):
    """Online features: the columns asked with, then the features; a row per entity, in the order given."""

    def __init__(self, asked: pa.Table, values: pa.RecordBatch, statuses: _native.Waiting, event_times: _native.Waiting,
                 info: dict):
        self._asked, self._values = asked, values
        self._reader = None
        self.feature_names: list[str] = values.schema.names
        self._statuses = statuses
        self._event_times = event_times
        #: The one time of the whole answer, RFC 3339 in UTC.
        self.at: str = info["at"]
        #: By view: ``seq`` (rows up to it are in), ``applied_at``, ``stale`` (not loaded this far).
        self.views: dict[str, dict] = info["views"]
        #: What the online store could not read, since its bytes are damaged: ``view``, ``features``, ``rows`` (positions
        #: in the request), ``code`` and ``message`` of each. Such values are null, with the status ``error``.
        self.errors: list[dict] = info.get("errors", [])
        for error in self.errors:
            warnings.warn(error["message"], errors.DamagedValuesWarning, stacklevel=4)

    @functools.cached_property
    def _table(self) -> pa.Table:
        return pa.table([*self._asked.columns, *self._values.columns],
                        names=[*self._asked.column_names, *self.feature_names])

    @functools.cached_property
    def _schema(self) -> pa.Schema:
        return self._table.schema

    @property
    def statuses(self) -> pa.Table:
        """The features as text: present, null, not_found (no visible row of the key), expired, or error (``errors``)."""
        return self._statuses.table()

    @property
    def event_times(self) -> pa.Table:
        """The features as timestamp[us, UTC]: when the row chosen happened; null for windows."""
        return self._event_times.table()

    def to_dict(self) -> dict[str, list]:
        """A list of values per column."""
        return {**self._asked.to_pydict(), **self._values.to_pydict()}


def stream_error(error: Exception) -> errors.IcecoreError:
    """The Arrow stream interface keeps the text of an error and its kind, not our code."""
    kind = (errors.InvalidArgument if isinstance(error, pa.ArrowInvalid)
            else errors.Unsupported if isinstance(error, pa.ArrowNotImplementedError)
            else errors.Unavailable if isinstance(error, OSError) else errors.Internal)
    return kind(str(error))


def rows_html(names: Sequence[str], rows: Iterable[Sequence[Any]], titles: Sequence[Any] | None = None) -> str:
    """An HTML table; None is an empty cell. ``titles``: what the pointer shows over each name."""
    head = "".join(f"<th title='{html.escape(str(title))}'>{html.escape(name)}</th>"
                   for name, title in zip(names, titles or names))
    body = "".join("<tr>" + "".join(f"<td>{'' if value is None else html.escape(str(value))}</td>" for value in row) + "</tr>"
                   for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def table_html(table: pa.Table) -> str:
    """The first rows as an HTML table."""
    rows = zip(*(column.to_pylist() for column in table.slice(0, SHOWN_ROWS).columns))
    more = f"<p>… {table.num_rows - SHOWN_ROWS:,} more rows</p>" if table.num_rows > SHOWN_ROWS else ""
    return rows_html(table.column_names, rows, [field.type for field in table.schema]) + more
