"""Tables as Spark makes them. Each function gets `sql(text)` and the table's name in SQL, delta.`PATH`; TABLES gives
for each one the versions to compare, and the ranges of its change data feed.
"""
TYPES = """
    id INT, b BOOLEAN, i8 TINYINT, i16 SMALLINT, i32 INT, i64 BIGINT, f FLOAT, d DOUBLE, dec5 DECIMAL(5,2),
    dec18 DECIMAL(18,4), dec38 DECIMAL(38,10), s STRING, bin BINARY, day DATE, ts TIMESTAMP, wall TIMESTAMP_NTZ,
    list ARRAY<INT>, lists ARRAY<ARRAY<STRING>>, map MAP<STRING, BIGINT>,
    nested STRUCT<a: INT, more: STRUCT<b: STRING, c: ARRAY<STRUCT<x: TINYINT, y: TIMESTAMP>>>>,
    maps MAP<INT, STRUCT<p: DECIMAL(10,2), q: DATE>>"""
ROWS = [
    "0, true, 1, 2, 3, 4, 0.5, 0.25, 1.25, 2.5, 3.75, 'text', X'00FF', DATE'2024-02-29',"
    " TIMESTAMP'2024-02-29 12:34:56.123456', TIMESTAMP_NTZ'2024-02-29 12:34:56.123456', array(1, NULL),"
    " array(array('a', NULL), NULL, array()), map('k', 1, 'l', NULL),"
    " named_struct('a', 1, 'more', named_struct('b', 'x', 'c', array(named_struct('x', 1Y,"
    " 'y', TIMESTAMP'2020-01-01 00:00:00.000001')))), map(1, named_struct('p', 1.5, 'q', DATE'2020-01-01'))",
    "1" + ", NULL" * 20,
    "2, false, -128, -32768, -2147483648, -9223372036854775808, -0.0, -0.0, -999.99, -99999999999999.9999,"
    " -9999999999999999999999999999.9999999999, '', X'', DATE'0001-01-01', TIMESTAMP'0001-01-01 00:00:00',"
    " TIMESTAMP_NTZ'0001-01-01 00:00:00', array(), array(), map(), named_struct('a', NULL, 'more', NULL), map()",
    "3, true, 127, 32767, 2147483647, 9223372036854775807, float('NaN'), double('Infinity'), 999.99,"
    " 99999999999999.9999, 9999999999999999999999999999.9999999999, 'grüße 🛫', X'C3', DATE'9999-12-31',"
    " TIMESTAMP'9999-12-31 23:59:59.999999', TIMESTAMP_NTZ'9999-12-31 23:59:59.999999', array(NULL),"
    " array(NULL), map('', 0), named_struct('a', 5, 'more', named_struct('b', NULL, 'c', array(NULL))),"
    " map(7, NULL)",
    "4, true, 0, 0, 0, 0, 0, 0, 0, 0, 0, repeat('z', 50), X'00', DATE'1582-10-04', TIMESTAMP'1582-10-15 00:00:00',"
    " TIMESTAMP_NTZ'1969-12-31 23:59:59.999999', NULL, NULL, NULL, NULL, NULL",
]


def values(rows):
    return " UNION ALL ".join(f"SELECT {row}" for row in rows)


def types(sql, table, unit="INT96"):
    sql(f"SET spark.sql.parquet.outputTimestampType={unit}")
    sql(f"CREATE TABLE {table} ({TYPES}) USING delta")
    sql(f"INSERT INTO {table} {values(ROWS[:3])}")
    sql(f"INSERT INTO {table} {values(ROWS[3:])}")
    sql("SET spark.sql.parquet.outputTimestampType=INT96")


def types_micros(sql, table):
    types(sql, table, "TIMESTAMP_MICROS")


def times_millis(sql, table):
    sql("SET spark.sql.parquet.outputTimestampType=TIMESTAMP_MILLIS")
    sql(f"CREATE TABLE {table} (ts TIMESTAMP) USING delta")
    sql(f"INSERT INTO {table} VALUES (TIMESTAMP'2024-02-29 12:34:56.123'), (NULL), (TIMESTAMP'1969-12-31 23:59:59.999')")
    sql("SET spark.sql.parquet.outputTimestampType=INT96")


def partitioned(sql, table):
    sql(f"""CREATE TABLE {table} (x INT, s STRING, y STRING, i INT, d DATE, ts TIMESTAMP, wall TIMESTAMP_NTZ, b BOOLEAN,
            dec DECIMAL(10,2), dbl DOUBLE, l BIGINT) USING delta PARTITIONED BY (l, s, i, d, ts, wall, b, dec, dbl)""")
    odd = ["'plain'", "'a b/c=d%e'", "'ü🛫'", "'x:y*\"?'", "''", "NULL", "'.'", "' '"]
    rows = [f"{n}, {text}, 'y{n}', {n}, DATE'2024-01-0{n + 1}', TIMESTAMP'2024-01-01 00:00:0{n}.00000{n}',"
            f" TIMESTAMP_NTZ'2024-01-01 00:00:0{n}', {str(n % 2 == 0)}, {n}.25, {n}.5, {n}000000000"
            for n, text in enumerate(odd)]
    rows.append("99, 'nulls', NULL" + ", NULL" * 8)
    rows.append("-1, 'neg', 'y', -1, DATE'0001-01-01', TIMESTAMP'1969-12-31 23:59:59.999999',"
                " TIMESTAMP_NTZ'1582-10-04 00:00:00', true, -0.01, -1e300, -9223372036854775808")
    sql(f"INSERT INTO {table} {values(rows)}")


def deleted(sql, table):
    sql(f"CREATE TABLE {table} (id BIGINT, v STRING) USING delta TBLPROPERTIES (delta.enableDeletionVectors=true)")
    sql(f"INSERT INTO {table} SELECT id, concat('v', id) FROM range(0, 5000, 1, 1)")
    sql(f"INSERT INTO {table} SELECT id, concat('v', id) FROM range(5000, 30000, 1, 1)")
    sql(f"DELETE FROM {table} WHERE id % 7 = 3")               # arrays and bitmaps
    sql(f"DELETE FROM {table} WHERE id BETWEEN 6000 AND 9000")  # and runs
    sql(f"UPDATE {table} SET v = 'updated' WHERE id % 1000 = 1")
    sql(f"""MERGE INTO {table} t USING (SELECT id FROM range(29990, 30010, 1, 1)) s ON t.id = s.id
            WHEN MATCHED AND t.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'merged'
            WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, 'inserted')""")
    sql(f"DELETE FROM {table} WHERE id < 5000")                # a whole file
    sql(f"OPTIMIZE {table}")


def changes(sql, table, vectors=False):
    sql(f"""CREATE TABLE {table} (id BIGINT, v STRING, p STRING) USING delta PARTITIONED BY (p) TBLPROPERTIES
            (delta.enableChangeDataFeed=true, delta.enableDeletionVectors={str(vectors).lower()})""")
    sql(f"INSERT INTO {table} SELECT id, concat('v', id), concat('p', id % 2) FROM range(0, 20, 1, 1)")
    sql(f"UPDATE {table} SET v = 'updated' WHERE id IN (3, 4)")
    sql(f"DELETE FROM {table} WHERE id IN (5, 6)")
    sql(f"DELETE FROM {table} WHERE p = 'p1' AND id > 10")
    sql(f"""MERGE INTO {table} t USING (SELECT id FROM range(0, 30, 5, 1)) s ON t.id = s.id
            WHEN MATCHED AND t.id = 10 THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'merged'
            WHEN NOT MATCHED THEN INSERT (id, v, p) VALUES (s.id, 'inserted', 'p2')""")
    sql(f"OPTIMIZE {table}")
    sql(f"DELETE FROM {table} WHERE p = 'p0'")
    sql(f"INSERT OVERWRITE {table} SELECT id, 'over', 'p0' FROM range(100, 103, 1, 1)")


def changes_vectors(sql, table):
    changes(sql, table, vectors=True)


def mapped(sql, table, mode="name"):
    sql(f"""CREATE TABLE {table} (id INT, a STRING, gone INT, n STRUCT<x: INT, y: STRING>, l ARRAY<STRUCT<e: INT>>,
            part STRING) USING delta PARTITIONED BY (part) TBLPROPERTIES (delta.columnMapping.mode='{mode}',
            delta.enableDeletionVectors=true)""")
    row = "named_struct('x', {0}, 'y', 'y{0}'), array(named_struct('e', {0}))"
    sql(f"INSERT INTO {table} {values([f'{i}, concat(char(97 + {i})), {i}, {row.format(i)}, concat(char(112 + {i % 2}))' for i in range(4)])}")
    sql(f"ALTER TABLE {table} RENAME COLUMN a TO `b, with (odd) chars`")
    sql(f"ALTER TABLE {table} RENAME COLUMN n.x TO renamed")
    sql(f"ALTER TABLE {table} RENAME COLUMN part TO p")
    sql(f"ALTER TABLE {table} DROP COLUMN gone")
    sql(f"ALTER TABLE {table} ADD COLUMNS (gone STRING AFTER id, a DOUBLE)")
    sql(f"INSERT INTO {table} {values(['10, NULL, NULL, NULL, NULL, NULL, 0.5', '''11, 'new', 'b', named_struct('renamed', 5, 'y', 'z'), array(), 'p', 1.5'''])}")
    sql(f"DELETE FROM {table} WHERE id = 2")


def mapped_id(sql, table):
    mapped(sql, table, "id")


def mapped_later(sql, table):
    sql(f"CREATE TABLE {table} (id INT, a STRING) USING delta")
    sql(f"INSERT INTO {table} VALUES (1, 'x')")
    sql(f"""ALTER TABLE {table} SET TBLPROPERTIES (delta.columnMapping.mode='name', delta.minReaderVersion=2,
            delta.minWriterVersion=5)""")
    sql(f"ALTER TABLE {table} RENAME COLUMN a TO b")
    sql(f"INSERT INTO {table} VALUES (2, 'y')")


def checkpoints_v2(sql, table):
    sql("SET spark.databricks.delta.checkpoint.partSize=2")
    sql(f"""CREATE TABLE {table} (id INT, p INT) USING delta PARTITIONED BY (p) TBLPROPERTIES (delta.checkpointPolicy='v2',
            delta.checkpointInterval=4, delta.enableDeletionVectors=true)""")
    for i in range(6):
        sql(f"INSERT INTO {table} VALUES ({10 * i}, {i}), ({10 * i + 1}, {i})")
    sql(f"DELETE FROM {table} WHERE id = 11")
    sql(f"INSERT INTO {table} VALUES (1000, 1)")
    sql("RESET spark.databricks.delta.checkpoint.partSize")


def checkpoints_parts(sql, table):
    sql("SET spark.databricks.delta.checkpoint.partSize=2")
    sql(f"CREATE TABLE {table} (id INT) USING delta TBLPROPERTIES (delta.checkpointInterval=4)")
    for i in range(6):
        sql(f"INSERT INTO {table} VALUES ({i})")
    sql("RESET spark.databricks.delta.checkpoint.partSize")


def widened(sql, table):
    sql(f"""CREATE TABLE {table} (id INT, i TINYINT, j SMALLINT, k INT, f FLOAT, day DATE, dec DECIMAL(5,2), toddec INT,
            todbl SHORT, n STRUCT<a: TINYINT>, l ARRAY<SMALLINT>, m MAP<TINYINT, INT>) USING delta
            TBLPROPERTIES (delta.enableTypeWidening=true, delta.feature.timestampNtz='supported')""")
    sql(f"""INSERT INTO {table} VALUES (0, 1, 2, 3, 0.5, DATE'2024-01-01', 1.25, 7, 8, named_struct('a', 1Y), array(1S),
            map(1Y, 1)), (1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)""")
    for column, kind in [("i", "SMALLINT"), ("j", "BIGINT"), ("k", "BIGINT"), ("f", "DOUBLE"), ("day", "TIMESTAMP_NTZ"),
                         ("dec", "DECIMAL(12,4)"), ("toddec", "DECIMAL(12,2)"), ("todbl", "DOUBLE"), ("n.a", "INT"),
                         ("l.element", "INT"), ("m.key", "INT"), ("m.value", "BIGINT")]:
        sql(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE {kind}")
    sql(f"""INSERT INTO {table} VALUES (2, 300, 3000000000, 3000000000, 0.1D, TIMESTAMP_NTZ'2024-01-01 12:00:00', 1234.5678,
            1.25, 0.1D, named_struct('a', 70000), array(70000), map(70000, 3000000000))""")
    sql(f"ALTER TABLE {table} ALTER COLUMN i TYPE BIGINT")


def restored(sql, table):
    sql(f"CREATE TABLE {table} (id INT) USING delta")
    for i in range(3):
        sql(f"INSERT INTO {table} VALUES ({i})")
    sql(f"DELETE FROM {table} WHERE id = 1")
    sql(f"RESTORE TABLE {table} TO VERSION AS OF 2")
    sql(f"INSERT OVERWRITE {table} VALUES (10), (11)")
    sql(f"VACUUM {table} RETAIN 0 HOURS")
    sql(f"INSERT INTO {table} VALUES (12)")


def evolved(sql, table):
    sql(f"CREATE TABLE {table} (Id INT, n STRUCT<a: INT>, l ARRAY<STRUCT<x: INT>>, p STRING) USING delta PARTITIONED BY (p)")
    sql(f"INSERT INTO {table} VALUES (1, named_struct('a', 1), array(named_struct('x', 1)), 'p')")
    sql(f"ALTER TABLE {table} ADD COLUMNS (first STRING FIRST, n.b STRING, n.c STRUCT<d: INT>, l.element.y INT, late DATE)")
    sql(f"""INSERT INTO {table} VALUES ('f', 2, named_struct('a', 2, 'b', 'b', 'c', named_struct('d', 5)),
            array(named_struct('x', 1, 'y', 2)), 'q', DATE'2024-01-01')""")


def features(sql, table):
    sql(f"""CREATE TABLE {table} (id BIGINT GENERATED ALWAYS AS IDENTITY, v INT NOT NULL, w INT GENERATED ALWAYS AS (v * 2))
            USING delta TBLPROPERTIES (delta.enableRowTracking=true, delta.enableInCommitTimestamps=true,
            delta.appendOnly=true)""")
    sql(f"ALTER TABLE {table} ADD CONSTRAINT positive CHECK (v > 0)")
    sql(f"INSERT INTO {table} (v) VALUES (1), (2)")


def clustered(sql, table):
    sql(f"CREATE TABLE {table} (id INT, v STRING) USING delta CLUSTER BY (id)")
    sql(f"INSERT INTO {table} VALUES (1, 'a'), (2, 'b')")
    sql(f"INSERT INTO {table} VALUES (3, 'c')")
    sql(f"OPTIMIZE {table}")


# Function -> (versions to compare; None = the newest, ranges of the change data feed).
TABLES = [
    (types, [None, 1], []),
    (types_micros, [None], []),
    (times_millis, [None], []),
    (partitioned, [None], []),
    (deleted, [2, 3, 4, 5, 6, 7, None], []),
    (changes, [None, 5], [(0, None), (2, 3)]),
    (changes_vectors, [None, 5], [(0, None), (4, 5)]),
    (mapped, [1, None], []),
    (mapped_id, [1, None], []),
    (mapped_later, [None], []),
    (checkpoints_v2, [None, 5], []),
    (checkpoints_parts, [None], []),
    (widened, [1, None], []),
    (restored, [None], []),
    (evolved, [None], []),
    (features, [None], []),
    (clustered, [None], []),
]
