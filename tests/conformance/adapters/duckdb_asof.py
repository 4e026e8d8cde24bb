"""DuckDB's ASOF join behind the conformance cases: as-of features of views with one clock.

Run by the Python of .deps/feast (PyYAML) with DuckDB from .deps/bench on its path.
"""
import duckdb
import pyarrow as pa
from question import ROW, Answer, NotExpressible, serve, utc


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def join(connection, view, spine):
    """The features of one use, by __row."""
    rows = view.rows.set_column(view.rows.column_names.index(view.event_time), view.event_time, utc(view.rows.column(view.event_time)))
    connection.register("spine", spine)
    connection.register("rows_of_view", rows)
    keys = " and ".join(f"s.{quoted(left)} = v.{quoted(right)}" for left, right in view.keys.items())
    event_time = f"v.{quoted(view.event_time)}"
    alive = "true" if view.ttl_us is None else f"s.event_timestamp - {event_time} <= to_microseconds({view.ttl_us})"
    features = ", ".join(f"case when {alive} then v.{quoted(one.column)} end as {quoted(one.name)}" for one in view.features)
    return connection.sql(f"select s.{ROW}, {features} from spine s asof left join rows_of_view v "
                          f"on {keys + ' and ' if keys else ''}s.event_timestamp >= {event_time} order by s.{ROW}").to_arrow_table()


def answer(question):
    if question.known_at not in ("label", "latest"):
        raise NotExpressible("the knowledge of one moment for every label")
    connection = duckdb.connect(config={"threads": 1})
    connection.sql("set timezone = 'UTC'")
    spine = question.spine.set_column(question.spine.column_names.index("event_timestamp"), "event_timestamp",
                                      utc(question.spine.column("event_timestamp")))
    result, left_out = question.spine, dict(question.left_out)
    for view in question.views:
        if view.known_at and question.known_at == "label":
            left_out.update({one.name: "a second clock: an ASOF join has one" for one in view.features})
            continue
        joined = join(connection, view, spine)
        if joined.num_rows != result.num_rows:
            raise RuntimeError(f"{joined.num_rows} rows for {result.num_rows}")
        for one in view.features:
            result = result.append_column(one.name, joined.column(one.name))
    if result.num_columns == question.spine.num_columns:
        raise NotExpressible("; ".join(sorted(set(left_out.values()))))
    return Answer(pa.table(result), left_out)


if __name__ == "__main__":
    serve(answer)
