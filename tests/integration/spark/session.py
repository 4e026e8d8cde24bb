"""One small local Spark session with Delta Lake, out of .deps/spark."""
import glob
import os
import sys


def start(deps, scratch, threads=2, others=None):
    """A SparkSession; `deps` is the folder that scripts/setup.sh fills, `scratch` takes what Spark leaves behind.

    `others`: settings beside these, or in their place; None leaves one out.
    """
    home = os.path.join(deps, "spark")
    os.environ.update(SPARK_HOME=home, SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable, TZ="UTC",
                      SPARK_LOCAL_DIRS=scratch)
    sys.path[:0] = [home, *glob.glob(os.path.join(home, "lib", "py4j-*-src.zip"))]
    from pyspark.sql import SparkSession
    settings = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Duser.timezone=UTC",
        "spark.jars": ",".join(sorted(glob.glob(os.path.join(home, "delta", "*.jar")))),
        "spark.log.level": "ERROR",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "1",
        "spark.sql.warehouse.dir": os.path.join(scratch, "warehouse"),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.databricks.delta.stats.collect": "true",
        "spark.databricks.delta.retentionDurationCheck.enabled": "false",
        # Tables with times of long ago are as good as any.
        "spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration": "false",
        **(others or {}),
    }
    builder = SparkSession.builder.master(f"local[{threads}]").appName("icecore")
    for name, value in settings.items():
        if value is not None:
            builder = builder.config(name, value)
    return builder.getOrCreate()
