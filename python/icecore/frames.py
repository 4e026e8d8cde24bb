"""Frames of other libraries as Arrow streams, without copies where the library offers that."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from .errors import InvalidArgument

ACCEPTED = "pyarrow, pandas, Polars, DuckDB (anything with __arrow_c_stream__), a dict of columns, or a list of dicts"


def reader_of(frame: Any, what: str) -> pa.RecordBatchReader:
    """The rows of a frame. ``what`` names the argument in errors.

    pandas: a plain 0…n-1 index is left out; any other becomes a column and comes back as the index.
    """
    if isinstance(frame, pa.RecordBatchReader):
        return frame
    if type(frame).__module__.split(".")[0] == "pandas":
        return pa.Table.from_pandas(frame).to_reader()
    if hasattr(frame, "collect") and not hasattr(frame, "__arrow_c_stream__"):
        frame = frame.collect()                                 # a Polars LazyFrame
    if hasattr(frame, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(frame)
    if hasattr(frame, "__arrow_c_array__"):
        batch = pa.record_batch(frame)
        return pa.RecordBatchReader.from_batches(batch.schema, [batch])
    if isinstance(frame, (Mapping, Sequence)) and not isinstance(frame, (str, bytes)):
        return table_of(frame, what).to_reader()
    hint = "read it first, e.g. with pyarrow.parquet.read_table" if isinstance(frame, (str, os.PathLike)) else ACCEPTED
    raise InvalidArgument(f"{what} is a {type(frame).__module__}.{type(frame).__qualname__}; expected {hint}")


def table_of(frame: Any, what: str) -> pa.Table:
    """The rows of a frame as a table; a dict of columns may hold scalars, which stand for every row."""
    if isinstance(frame, Mapping):
        lengths = {name: len(column) for name, column in frame.items() if is_column(column)}
        if len(set(lengths.values())) > 1:
            raise InvalidArgument(f"the columns of {what} differ in length: {lengths}")
        rows = next(iter(lengths.values()), 1)
        return pa.table({name: array_of(column if name in lengths else [column] * rows, name, what)
                         for name, column in frame.items()})
    if isinstance(frame, Sequence) and not isinstance(frame, (str, bytes)):
        if not all(isinstance(row, Mapping) for row in frame):
            raise InvalidArgument(f"{what} is a list; expected a list of dicts, one per row")
        names = list(dict.fromkeys(name for row in frame for name in row))
        return pa.table({name: array_of([row.get(name) for row in frame], name, what) for name in names})
    return reader_of(frame, what).read_all()


def is_column(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, bytes, Mapping))


def array_of(values: Any, name: str, what: str) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    try:
        return pa.array(values)
    except pa.ArrowException as error:
        raise InvalidArgument(f"{what}: column '{name}' is of no one type: {error}") from None
