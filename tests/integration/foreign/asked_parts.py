"""What a query asks of a table is what is read of it: the rest may be gone or broken."""
import glob
import os

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

FILES = 10


def written(path):
    """Ten commits of 100 ids each; in `part` a letter a commit, in `wide` a text a row."""
    for number in range(FILES):
        ids = range(100 * number, 100 * number + 100)
        rows = pa.table({"id": pa.array(ids, pa.int64()), "wide": [f"text {i}" for i in ids],
                         "part": ["abcdefghij"[number]] * 100})
        write_deltalake(path, rows, mode="append", partition_by=["part"])
    return path


def value(icecore, query):
    code, said, out = icecore.run(query)
    assert code == 0, (query, said)
    (row,) = pq.read_table(out).to_pylist()
    (only,) = row.values()
    return only


def refused(icecore, query, reason):
    code, said, _ = icecore.run(query)
    assert code == 1 and reason in said, (query, code, said)


def check_files_that_no_row_can_be_in(icecore, folder):
    path = written(os.path.join(folder, "t"))
    for gone in glob.glob(f"{path}/part=*/*.parquet"):
        if "part=d" not in gone:
            os.unlink(gone)
    table = f"delta('{path}')"
    assert value(icecore, f"select sum(id) from {table} where part = 'd'") == sum(range(300, 400))
    assert value(icecore, f"select sum(id) from {table} where id between 320 and 329") == sum(range(320, 330))
    assert value(icecore, f"select count(*) from {table} t where t.id > 390 and t.id < 400") == 9
    assert value(icecore, f"select count(*) from {table} where part = 'd' and wide > 'text 39'") == 10
    assert value(icecore, f"select count(x.id) from (select * from {table} where part = 'd') x") == 100
    assert value(icecore, f"select count(*) from {table} where id < 0") == 0
    for query in (f"select sum(id) from {table}", f"select sum(id) from {table} where id >= 320",
                  f"select sum(id) from {table} where part = 'd' or part = 'e'",
                  f"select sum(a.id) from {table} a join {table} b using (id) where a.part = 'd'",
                  f"select sum(case when part = 'd' then id end) from {table}"):
        refused(icecore, query, ".parquet")


def check_columns_that_are_not_asked(icecore, folder):
    path = written(os.path.join(folder, "t"))
    table = f"delta('{path}')"
    for file in glob.glob(f"{path}/part=*/*.parquet"):
        group = pq.ParquetFile(file).metadata.row_group(0)
        (wide,) = [group.column(i) for i in range(group.num_columns) if group.column(i).path_in_schema == "wide"]
        start = wide.dictionary_page_offset or wide.data_page_offset
        with open(file, "r+b") as out:
            out.seek(start)
            out.write(b"\xff" * wide.total_compressed_size)
    assert value(icecore, f"select sum(id) from {table}") == sum(range(1000))
    assert value(icecore, f"select count(*) from {table}") == 1000
    assert value(icecore, f"select string_agg(distinct part, '' order by part) from {table}") == "abcdefghij"
    refused(icecore, f"select max(wide) from {table}", ".parquet")
    refused(icecore, f"select count(*) from (select * from {table})", ".parquet")


def check_row_groups_that_no_row_can_be_in(icecore, folder):
    path = os.path.join(folder, "t")
    write_deltalake(path, pa.table({"id": pa.array(range(10_000), pa.int64())}))
    (file,) = glob.glob(f"{path}/*.parquet")
    size = os.path.getsize(file)
    pq.write_table(pa.table({"id": pa.array(range(10_000), pa.int64())}), file, row_group_size=1000)
    metadata = pq.ParquetFile(file).metadata
    # The log says the size of the file that was there.
    entry = glob.glob(f"{path}/_delta_log/*.json")[0]
    with open(entry) as text:
        content = text.read().replace(f'"size":{size}', f'"size":{os.path.getsize(file)}')
    with open(entry, "w") as text:
        text.write(content)
    with open(file, "r+b") as out:
        for number in range(metadata.num_row_groups):
            column = metadata.row_group(number).column(0)
            if number != 4:
                out.seek(column.dictionary_page_offset or column.data_page_offset)
                out.write(b"\xff" * column.total_compressed_size)
    table = f"delta('{path}')"
    assert value(icecore, f"select sum(id) from {table} where id >= 4100 and id < 4200") == sum(range(4100, 4200))
    refused(icecore, f"select sum(id) from {table} where id >= 4100", ".parquet")
