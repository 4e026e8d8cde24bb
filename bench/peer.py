"""One operation of deltalake or pyarrow, timed as icecore_lake_bench times ours; bench/run calls it."""
import hashlib
import json
import os
import resource
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def clocks():
    return time.perf_counter(), time.process_time()


def since(begin):
    return tuple(now - then for now, then in zip(clocks(), begin))


def answer(seconds, rows=0, files=0, **more):
    """`seconds`: passed, and of processors."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds[0], "processor_seconds": seconds[1], "rows": rows, "files": files,
                      "peak_bytes": peak, **more}))


def storage(table):
    """What deltalake needs to reach the table; the environment names a bucket's server and keys."""
    if "://" not in table:
        return None
    return {**{name: value for name, value in os.environ.items() if name.startswith("AWS_")}, "AWS_ALLOW_HTTP": "true"}


def commits(table, options):
    from deltalake import DeltaTable, write_deltalake
    rows = int(options["rows"])
    batch = pa.table({"id": pa.array(range(rows), pa.int64()), "x": [f"v{i}" for i in range(rows)]})
    DeltaTable.create(table, schema=batch.schema, storage_options=storage(table))
    known = DeltaTable(table, storage_options=storage(table))
    begin = clocks()
    for _ in range(int(options["count"])):
        write_deltalake(known, batch, mode="append")
    answer(since(begin), rows * int(options["count"]))


def write(table, options):
    from deltalake import write_deltalake
    data = pq.read_table(options["input"])
    begin = clocks()
    write_deltalake(table, data)
    answer(since(begin), data.num_rows)


def write_parquet(path, options):
    data = pq.read_table(options["input"])
    begin = clocks()
    pq.write_table(data, path, compression="zstd", compression_level=1)
    answer(since(begin), data.num_rows)


def scan(table, options):
    from deltalake import DeltaTable
    begin = clocks()
    rows = sum(batch.num_rows for batch in DeltaTable(table).to_pyarrow_dataset().to_batches())
    answer(since(begin), rows)


def scan_parquet(path, options):
    begin = clocks()
    rows = sum(batch.num_rows for batch in pq.ParquetFile(path).iter_batches(batch_size=1 << 16))
    answer(since(begin), rows)


def merge(table, options):
    from deltalake import DeltaTable
    updates = pq.read_table(options["input"])
    on = " and ".join(f"t.{key} = s.{key}" for key in options["keys"].split(","))
    begin = clocks()
    (DeltaTable(table).merge(updates, on, source_alias="s", target_alias="t")
     .when_matched_update_all().when_not_matched_insert_all().execute())
    answer(since(begin), updates.num_rows)


def append(table, options):
    """The rows in so many appends, each a file."""
    from deltalake import write_deltalake
    data = pq.read_table(options["input"])
    rows = max(data.num_rows // int(options["files"]), 1)
    begin = clocks()
    for first in range(0, data.num_rows, rows):
        write_deltalake(table, data.slice(first, rows), mode="append")
    answer(since(begin), data.num_rows)


def compact(table, options):
    from deltalake import DeltaTable
    begin = clocks()
    metrics = DeltaTable(table).optimize.compact(target_size=256 << 20)
    answer(since(begin), files=metrics["numFilesAdded"])


def open_table(table, options):
    from deltalake import DeltaTable
    begin = clocks()
    known = DeltaTable(table)
    # The state is read when it is first needed.
    files = known.get_add_actions().num_rows
    answer(since(begin), files=files)


def digest(table, options):
    from deltalake import DeltaTable
    data = DeltaTable(table, storage_options=storage(table)).to_pyarrow_table(columns=options["columns"].split(","))
    data = data.sort_by([(name, "ascending") for name in data.column_names])
    text = hashlib.sha256()
    text.update(str(data.num_rows).encode())
    for column in data.columns:
        combined = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
        text.update(json.dumps(pc.fill_null(combined, 0).to_pylist()).encode())
    print(json.dumps({"digest": text.hexdigest()}))


def make_data(path, options):
    """rows of id (in random order), value, three further columns; 1 % updates of random ids."""
    import random
    rows = int(options["rows"])
    generator = random.Random(int(options["seed"]))
    ids = list(range(rows))
    generator.shuffle(ids)
    def table(ids, round_):
        count = len(ids)
        return pa.table({
            "id": pa.array(ids, pa.int64()),
            "value": pa.array([generator.randrange(1 << 30) for _ in range(count)], pa.int64()),
            "price": pa.array([generator.random() for _ in range(count)]),
            "name": pa.array([f"name {generator.randrange(100_000)}" for _ in range(count)]),
            "round": pa.array([round_] * count, pa.int32())})
    pq.write_table(table(ids, 0), path)
    pq.write_table(table(sorted(generator.sample(ids, max(rows // 100, 1))), 1), options["updates"])
    answer((0, 0), rows)


def make_log(table, options):
    """A table of so many commits and files; the files themselves are not there."""
    log = Path(table) / "_delta_log"
    log.mkdir(parents=True)
    commits, files = int(options["commits"]), int(options["files"])
    schema = {"type": "struct", "fields": [
        {"name": "id", "type": "long", "nullable": True, "metadata": {}},
        {"name": "x", "type": "string", "nullable": True, "metadata": {}}]}
    per_commit = files // commits
    for version in range(commits):
        lines = [{"commitInfo": {"timestamp": 1_700_000_000_000 + version, "operation": "WRITE"}}]
        if version == 0:
            lines.append({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}})
            lines.append({"metaData": {"id": "00000000-0000-4000-8000-000000000000",
                                       "format": {"provider": "parquet", "options": {}},
                                       "schemaString": json.dumps(schema), "partitionColumns": [],
                                       "configuration": {}, "createdTime": 0}})
        for i in range(per_commit):
            first = (version * per_commit + i) * 1000
            stats = {"numRecords": 1000, "minValues": {"id": first, "x": "a"},
                     "maxValues": {"id": first + 999, "x": "z"}, "nullCount": {"id": 0, "x": 0}}
            lines.append({"add": {"path": f"part-{version:06}-{i:03}.parquet", "partitionValues": {},
                                  "size": 100_000, "modificationTime": 1_700_000_000_000,
                                  "dataChange": True, "stats": json.dumps(stats)}})
        (log / f"{version:020}.json").write_text("\n".join(json.dumps(line) for line in lines) + "\n")
    if options["checkpoint"] == "yes":
        from deltalake import DeltaTable
        DeltaTable(table).create_checkpoint()
    answer((0, 0), files=files)


OPERATIONS = {"commits": commits, "write": write, "write_parquet": write_parquet, "scan": scan,
              "scan_parquet": scan_parquet, "merge": merge, "open": open_table, "digest": digest,
              "append": append, "compact": compact, "make_data": make_data, "make_log": make_log}

if __name__ == "__main__":
    OPERATIONS[sys.argv[1]](sys.argv[2], dict(argument.split("=", 1) for argument in sys.argv[3:]))
    # The answer is out; the threads of these libraries, torn down in their own order, sometimes abort the process.
    sys.stdout.flush()
    os._exit(0)
