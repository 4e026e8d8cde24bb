"""Polars' join_asof behind the conformance cases: as-of features of views with one clock.

Run by the Python of .deps/feast (PyYAML) with Polars from .deps/bench on its path.
"""
import datetime

import polars as pl
from question import ROW, Answer, NotExpressible, serve, utc


def joined(view, spine):
    """The features of one use, by __row. Both sides are sorted by time, stably, as join_asof wants."""
    keys = {f"__key_{left}": right for left, right in view.keys.items()}
    rows = pl.from_arrow(view.rows.set_column(view.rows.column_names.index(view.event_time), view.event_time,
                                              utc(view.rows.column(view.event_time))))
    rows = rows.select(pl.col(view.event_time).alias("__e"), *(pl.col(right).alias(name) for name, right in keys.items()),
                       *(pl.col(one.column).alias(one.name) for one in view.features))
    rows = rows.filter(pl.col("__e").is_not_null()).with_columns(pl.col("__e").cast(pl.Datetime("us", "UTC"))).sort("__e", maintain_order=True)
    asked = spine.select(ROW, pl.col("event_timestamp").cast(pl.Datetime("us", "UTC")).alias("__t"),
                         *(pl.col(left).cast(rows.schema[name], strict=False).alias(name) for name, left in zip(keys, view.keys)))
    asked = asked.sort("__t", maintain_order=True)
    tolerance = {} if view.ttl_us is None else {"tolerance": datetime.timedelta(microseconds=view.ttl_us)}
    return asked.join_asof(rows, left_on="__t", right_on="__e", by=list(keys) or None, strategy="backward",
                           check_sortedness=False, **tolerance).sort(ROW)


def answer(question):
    if question.known_at not in ("label", "latest"):
        raise NotExpressible("the knowledge of one moment for every label")
    spine = pl.from_arrow(question.spine)
    result, left_out = question.spine, dict(question.left_out)
    for view in question.views:
        if view.known_at and question.known_at == "label":
            left_out.update({one.name: "a second clock: an as-of join has one" for one in view.features})
            continue
        got = joined(view, spine).to_arrow()
        if got.num_rows != result.num_rows:
            raise RuntimeError(f"{got.num_rows} rows for {result.num_rows}")
        for one in view.features:
            result = result.append_column(one.name, got.column(one.name))
    if result.num_columns == question.spine.num_columns:
        raise NotExpressible("; ".join(sorted(set(left_out.values()))))
    return Answer(result, left_out)


if __name__ == "__main__":
    serve(answer)
