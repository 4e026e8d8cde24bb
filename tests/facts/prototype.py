"""The example's own SQL run by DuckDB alone, so that its facts can be told from faults of the engine."""
import os
import re
import sys

import duckdb

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
EXAMPLE = os.path.join(ROOT, "examples", "flights")
TYPES = {"int64": "bigint", "float64": "double", "string": "varchar", "timestamp": "timestamptz"}
sys.path.insert(0, os.path.join(ROOT, "scripts"))
from flights_project import DATA, split_flights  # noqa: E402

FILES = {"flights": "flights-*.csv", "weather": "weather.csv", "airports": "airports.csv", "planes": "planes.csv",
         "airlines": "airlines.csv", "extra_airports": "extra_airports.csv"}
BREAKS = {"weather": "wind_speed > 250",
          "airports": "tzone is null or not (lon < 0 or lon > 170)"}
TABLES = ("processing.airports", "processing.planes", "processing.weather", "processing.flights", "curated.outcomes")

# Both means of definitions/leakage.yaml by running sums: what came up to t less what came before the tail.
LEAKAGE = """
with spine as (
  select row_number() over () as id, origin, scheduled_departure - interval 2 hour as t, arr_delay_min
  from processing.flights),
tail as (select *, time_bucket(interval 5 minute, t - interval 3 hour) as since from spine),
""" + ",".join(f"""
{name}_sums as (
  select distinct origin, moment, sum(arr_delay_min) over up_to as s, count(*) over up_to as n
  from (select origin, {column} as moment, arr_delay_min from curated.outcomes where arr_delay_min is not null)
  window up_to as (partition by origin order by moment range between unbounded preceding and current row)),
{name} as (
  select tail.id, (h.s - coalesce(l.s, 0)) / nullif(h.n - coalesce(l.n, 0), 0) as value
  from tail asof left join {name}_sums h on h.origin = tail.origin and h.moment <= tail.t
  asof left join {name}_sums l on l.origin = tail.origin and l.moment < tail.since)"""
    for name, column in (("leaky", "scheduled_departure"), ("honest", "outcome_known_at"))) + """
select tail.arr_delay_min, leaky.value as leaky_delay_3h, honest.value as honest_delay_3h
from tail join leaky using (id) join honest using (id)"""


def contract_columns():
    """{source: {column: DuckDB type}} as sources.yaml declares them."""
    columns, source = {}, None
    with open(os.path.join(EXAMPLE, "definitions", "sources.yaml"), encoding="utf-8") as file:
        for line in file:
            if match := re.match(r"source: (\w+)", line):
                source = match[1]
            elif match := re.match(r"    - \{name: (\w+), type: (\w+)", line):
                columns.setdefault(source, {})[match[1]] = TYPES[match[2]]
    return columns


def connect(work):
    split_flights(work)
    database = duckdb.connect()
    database.execute("set timezone = 'UTC'; set threads = 2")
    for schema in ("landing", "processing", "curated", "quarantine"):
        database.execute(f"create schema {schema}")
    for source, columns in contract_columns().items():
        folder = {"flights": work, "extra_airports": os.path.join(EXAMPLE, "reference")}.get(source, DATA)
        typed = "{" + ", ".join(f"'{name}': '{kind}'" for name, kind in columns.items()) + "}"
        database.execute(f"create table landing.{source}_raw as select * from read_csv("
                         f"'{folder}/{FILES[source]}', header = true, nullstr = ['', 'NA'], columns = {typed})")
        breaks = BREAKS.get(source, "false")
        database.execute(f"create view quarantine.{source} as from landing.{source}_raw where {breaks}")
        database.execute(f"create view landing.{source} as from landing.{source}_raw where ({breaks}) is not true")
    for table in TABLES:
        with open(os.path.join(EXAMPLE, "definitions", table.split(".")[1] + ".sql"), encoding="utf-8") as file:
            database.execute(f"create table {table} as {file.read()}")
    return database
