"""The question of bench/windows in SQL, as every engine with window functions takes it, in two forms."""
WINDOWS = (3600, 86400, 604800, 2592000)
AGGREGATES = ("count", "sum", "mean", "min", "max", "stddev")
FUNCTIONS = {"mean": "avg", "stddev": "stddev_samp"}


def frame(seconds):
    return f"OVER w{seconds}"


def condition(seconds):
    return f"FILTER (WHERE e.ts > l.ts - {seconds * 1_000_000})"


def basic(place):
    """The columns of every window; `place`: frame or condition."""
    return [f"{FUNCTIONS.get(one, one)}(v) {place(seconds)} AS {one}_{seconds}" for seconds in WINDOWS for one in AGGREGATES]


def framed(columns):
    """Labels among the events, with frames by time: id and columns, of labels where id >= 0."""
    windows = ", ".join(f"w{seconds} AS (PARTITION BY k ORDER BY ts RANGE BETWEEN {seconds * 1_000_000 - 1} PRECEDING "
                        "AND CURRENT ROW)" for seconds in WINDOWS)
    # Labels have no v, which every aggregate skips: faster in DuckDB than FILTER (WHERE is_event).
    return (f"SELECT id, {', '.join(columns)} FROM (SELECT k, ts, v, -1 AS id FROM events UNION ALL "
            f"SELECT k, ts, NULL, id FROM labels) WINDOW {windows}")


def joined(columns, group="l.id"):
    """Labels joined with the events of the longest window: the group's columns and `columns`."""
    return (f"SELECT {group}, {', '.join(columns)} FROM labels l LEFT JOIN events e ON e.k = l.k "
            f"AND e.ts > l.ts - {WINDOWS[-1] * 1_000_000} AND e.ts <= l.ts GROUP BY {group}")
