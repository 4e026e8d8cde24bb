"""Window features by Spark, for bench/windows: from cached tables to Spark's `noop` sink, which drops the rows.

Where events are clustered they are cached by key and time in two partitions, so that the join neither shuffles nor sorts
them. Where the first query took less than WARM_BELOW_S a second one counts, when Java has compiled what it runs.
"""
import os
import sys
import threading
import time

import pyarrow.parquet as parquet

import limited
import spark_session
import window_queries

WARM_BELOW_S = 100
TOO_LONG = 124


def query(joined, sketch):
    if not sketch:
        return (window_queries.joined(window_queries.basic(window_queries.condition), "l.k, l.id") if joined else
                f"SELECT * FROM ({window_queries.framed(window_queries.basic(window_queries.frame))}) WHERE id >= 0")
    if not joined:
        sys.exit("Spark has neither distinct counts nor exact quantiles over frames")
    columns = []
    for seconds in window_queries.WINDOWS:
        within = window_queries.condition(seconds)
        columns += [f"size(collect_set(v) {within}) AS distinct_{seconds}",
                    f"percentile_disc(0.5) WITHIN GROUP (ORDER BY v) {within} AS p50_{seconds}",
                    f"percentile_disc(0.95) WITHIN GROUP (ORDER BY v) {within} AS p95_{seconds}"]
    return window_queries.joined(columns, "l.k, l.id")


def timed(answer):
    """Seconds; the process ends where they are too many."""
    limit = threading.Timer(limited.SECONDS, os._exit, [TOO_LONG])
    limit.daemon = True
    limit.start()
    start = time.perf_counter()
    answer.write.format("noop").mode("overwrite").save()
    seconds = time.perf_counter() - start
    limit.cancel()
    return seconds


def run(folder, clustered, sketch, joined, wants_answer):
    """Seconds, the answer in the order of the labels (None where it is not wanted), and the peak memory in bytes."""
    spark = spark_session.start(folder / "spark", threads=2)
    events = spark.read.parquet(str(folder / ("clustered.parquet" if clustered else "events.parquet")))
    if clustered:
        events = events.repartition(2, "k").sortWithinPartitions("k", "ts")
    labels = spark.read.parquet(str(folder / "labels.parquet")).selectExpr("k", "ts", "_metadata.row_index AS id")
    for name, table in (("events", events), ("labels", labels)):
        table.cache().createOrReplaceTempView(name)
        table.count()
    answer = spark.sql(query(joined, sketch))
    seconds = timed(answer)
    if seconds < WARM_BELOW_S:
        seconds = timed(answer)
    rows = None
    peak = spark_session.peak_bytes(spark)
    if wants_answer:
        path = str(folder / "spark-answer")
        answer.write.mode("overwrite").parquet(path)
        rows = parquet.read_table(path).sort_by("id")
        rows = rows.select([name for name in rows.column_names if name not in ("k", "id")])
    spark.stop()
    return seconds, rows, peak
