"""A peer's point-in-time join, in a process of its own: joins_peer.py ENGINE SPINE OUT KEYS FEATURES TABLE... (KEYS: names)"""
import os
import sys

os.environ["POLARS_MAX_THREADS"] = "2"


def duckdb(spine, out, keys, features, tables):
    """Chained ASOF joins, as its documentation tunes them."""
    import duckdb as engine
    session = engine.connect()
    session.execute("set threads=2; set preserve_insertion_order=false; set asof_loop_join_threshold=0;"
                    "set memory_limit='20GB'; set temp_directory='" + os.path.dirname(out) + "'")
    joins = "".join(f" asof left join read_parquet('{table}') t{v} on " + "".join(f"s.{key} = t{v}.{key} and " for key in keys)
                    + f"s.event_timestamp >= t{v}.at" for v, table in enumerate(tables))
    values = ", ".join(f"t{v}.f{i} as v{v}_f{i}" for v in range(len(tables)) for i in range(features))
    session.execute(f"copy (select s.*, {values} from read_parquet('{spine}') s{joins}) to '{out}'"
                    " (format parquet, compression zstd)")


def polars(spine, out, keys, features, tables):
    import polars as engine
    left = engine.read_parquet(spine).sort("event_timestamp")
    for v, table in enumerate(tables):
        right = engine.read_parquet(table).sort("at").rename({f"f{i}": f"v{v}_f{i}" for i in range(features)})
        left = left.join_asof(right, left_on="event_timestamp", right_on="at", by=keys, strategy="backward",
                              check_sortedness=False).drop("at", strict=False)
    left.write_parquet(out, compression="zstd", compression_level=1)


def pandas(spine, out, keys, features, tables):
    import pandas as engine
    left = engine.read_parquet(spine).sort_values("event_timestamp", kind="stable")
    for v, table in enumerate(tables):
        right = engine.read_parquet(table).sort_values("at", kind="stable").rename(
            columns={f"f{i}": f"v{v}_f{i}" for i in range(features)})
        left = engine.merge_asof(left, right, left_on="event_timestamp", right_on="at", by=keys).drop(columns="at")
    left.to_parquet(out, compression="zstd", index=False)


def limit(spine, result, _keys, _features, tables):
    """No join: how long reading what a join reads, and writing what it writes, takes on two threads."""
    import json
    import time

    import pyarrow
    from pyarrow import parquet
    pyarrow.set_cpu_count(2)

    def seconds(work):
        start = time.monotonic()
        work()
        return time.monotonic() - start
    times = {"reading the spine": seconds(lambda: parquet.read_table(spine)),
             "reading the views": seconds(lambda: [parquet.read_table(table) and None for table in tables])}
    rows = parquet.read_table(result)
    floats = [field.name for field in rows.schema if pyarrow.types.is_floating(field.type)]
    others = [name for name in rows.schema.names if name not in floats]
    beside = result + ".limit"
    for kind in ("none", "zstd"):
        times[f"writing the result ({kind})"] = seconds(lambda: parquet.write_table(
            rows, beside, use_dictionary=others, compression=kind, compression_level=1 if kind == "zstd" else None))
        os.remove(beside)
    print(json.dumps(times))


if __name__ == "__main__":
    name, spine, out, keys, features = sys.argv[1:6]
    {"duckdb": duckdb, "polars": polars, "pandas": pandas, "limit": limit}[name](spine, out, keys.split(","), int(features),
                                                                                sys.argv[6:])
