"""Spark for the benchmarks: the session of the integration tests, with the settings of somebody who wants it fast.

Without Delta Lake, with both of Java's compilers and Java's own choice of collector. Partitions of a shuffle are as many
as threads: more only cost here.
"""
import os
import sys
from pathlib import Path

import limited

ROOT = Path(__file__).resolve().parent.parent
DEPS = ROOT / ".deps"
sys.path.append(str(ROOT / "tests" / "integration" / "spark"))
import session  # noqa: E402


def is_installed():
    return (DEPS / "spark" / "pyspark").is_dir()


def start(scratch, threads, others=None):
    os.makedirs(scratch, exist_ok=True)
    return session.start(str(DEPS), str(scratch), threads=threads, others={
        "spark.driver.memory": "12g",
        "spark.driver.extraJavaOptions": "-Duser.timezone=UTC",
        "spark.sql.shuffle.partitions": str(threads),
        "spark.jars": None,
        "spark.sql.extensions": None,
        "spark.sql.catalog.spark_catalog": None,
        **(others or {})})


def java(spark):
    """The process that does the work."""
    return spark.sparkContext._gateway.proc.pid


def peak_bytes(spark):
    """Of Python and Java together."""
    return limited.peak_bytes(os.getpid()) + limited.peak_bytes(java(spark))
