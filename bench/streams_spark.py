"""Spark Structured Streaming for bench/streams: hourly tiles of every key, from files that come one after the other.

    streams_spark.py FOLDER FILES,FILES...     FOLDER/events has the Parquet files; so many of them in each micro-batch

Answers a JSON object: totals (over the tiles of a first run that writes them, which also warms Java up), and of each
setting the seconds and the processor seconds of a query that drops its rows; peak_bytes of Python and Java together.
"""
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import limited
import spark_session

SETTINGS = {
    "spark.sql.streaming.noDataMicroBatches.enabled": "false",     # nothing waits for a window to close
    "spark.sql.streaming.numRecentProgressUpdates": "100000",
}
MEMORY = Path("/dev/shm")      # checkpoints lie where syncing costs nothing


def tiles(spark, events, files):
    from pyspark.sql import functions as f
    rows = (spark.readStream.schema("k LONG, ts TIMESTAMP, v DOUBLE").option("maxFilesPerTrigger", files).parquet(str(events)))
    return rows.withWatermark("ts", "2 hours").groupBy("k", f.window("ts", "1 hour")).agg(
        f.count("v").alias("count"), f.sum("v").alias("sum"), f.avg("v").alias("mean"), f.min("v").alias("min"),
        f.max("v").alias("max"), f.stddev("v").alias("stddev"))


def finish(writer, checkpoint):
    """Runs over what is there; how many rows it took in and how many it dropped as too late."""
    query = writer.outputMode("update").option("checkpointLocation", str(checkpoint)).trigger(availableNow=True).start()
    query.awaitTermination()
    progress = query.recentProgress
    return (sum(one.numInputRows for one in progress),
            sum(operator.numRowsDroppedByWatermark for one in progress for operator in one.stateOperators))


def totals(spark, events, files, work):
    """Over the tiles as they were last written."""
    from pyspark.sql import functions as f
    written = str(work / "tiles")

    def write(frame, batch):
        frame.withColumn("batch", f.lit(batch)).write.mode("append").parquet(written)
    rows, dropped = finish(tiles(spark, events, files).writeStream.foreachBatch(write), work / "totals")
    last = spark.read.parquet(written).groupBy("k", "window").agg(
        f.max_by(f.struct("count", "sum", "min", "max"), "batch").alias("tile"))
    found = last.agg(f.count("*").alias("tiles"), f.sum("tile.count").alias("count"), f.sum("tile.sum").alias("sum"),
                     f.min("tile.min").alias("min"), f.max("tile.max").alias("max")).first().asDict()
    return {**found, "rows": rows, "dropped": dropped}


def timed(spark, events, files, checkpoint):
    java = spark_session.java(spark)
    used, start = limited.processor_seconds(java), time.perf_counter()
    rows, dropped = finish(tiles(spark, events, files).writeStream.format("noop"), checkpoint)
    return {"seconds": time.perf_counter() - start, "processor_seconds": limited.processor_seconds(java) - used, "rows": rows,
            "dropped": dropped}


def main():
    folder, settings = Path(sys.argv[1]), [int(files) for files in sys.argv[2].split(",")]
    spark = spark_session.start(folder / "spark", threads=1, others=SETTINGS)
    work = Path(tempfile.mkdtemp(prefix="icecore-streams-", dir=MEMORY if MEMORY.is_dir() else folder))
    try:
        answer = {"totals": totals(spark, folder / "events", settings[-1], work)}
        answer["runs"] = {files: timed(spark, folder / "events", files, work / f"noop-{files}") for files in settings}
        answer["peak_bytes"] = spark_session.peak_bytes(spark)
        spark.stop()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
