# Spark with Delta Lake under .deps/spark, sourced by ./dev; the integration tests need it (450 MB to download).
spark=$deps/spark
delta_package=io.delta:delta-spark_2.13:4.4.0
# Spark brings these itself, or its local file system needs none of them.
delta_excludes=org.apache.hadoop:*,org.apache.parquet:*,org.scala-lang:*,com.fasterxml.jackson.core:*
delta_excludes+=,com.fasterxml.jackson.datatype:*,com.fasterxml.jackson.dataformat:*,org.slf4j:*
delta_excludes+=,org.apache.logging.log4j:*,org.xerial.snappy:*,com.github.luben:*,io.airlift:*,org.roaringbitmap:*
delta_excludes+=,commons-pool:*,commons-logging:*,javax.annotation:*,com.google.code.findbugs:*,org.locationtech.jts:*

spark_files() {
  local work=$deps/spark.new unpacked
  rm -rf "$work" && mkdir -p "$work/download"
  pip download --require-hashes --no-deps --no-binary pyspark --dest "$work/download" \
    -r "$root/scripts/requirements-spark.txt"
  tar --no-same-owner -xzf "$work"/download/pyspark-*.tar.gz -C "$work/download"
  unpacked=$(echo "$work"/download/pyspark-*/)
  mv "$unpacked/pyspark" "$unpacked/lib" "$unpacked/deps/jars" "$unpacked/deps/bin" "$work/"
  rm -rf "$work/download"
  delta_jars "$work"
  rm -rf "$spark"
  mv "$work" "$spark"
}

# delta_jars HOME: Spark's own client of the Java packages fetches them while it runs a script that does nothing.
delta_jars() {
  echo pass >"$1/nothing.py"
  quietly env SPARK_HOME="$1" SPARK_LOCAL_IP=127.0.0.1 PYSPARK_PYTHON="$python" \
    "$1/bin/spark-submit" --master 'local[1]' --packages "$delta_package" --exclude-packages "$delta_excludes" \
    --conf spark.jars.ivy="$1/ivy" "$1/nothing.py"
  (cd "$1/ivy/jars" && listed "$root/scripts/spark-jars.sha256" | sha256sum --check --status) ||
    die "the jars of $delta_package have not the pinned SHA-256"
  mkdir "$1/delta"
  mv "$1"/ivy/jars/*.jar "$1/delta/"
  rm -rf "$1/ivy" "$1/nothing.py"
}

setup_spark() {
  debian_packages "$root/scripts/debian-spark.txt"
  exec 8>"$deps/lock"
  flock 8
  once spark "$(cat "$root/scripts/requirements-spark.txt" "$root/scripts/spark-jars.sha256")" spark_files
  flock -u 8
}
