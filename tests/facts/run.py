#!/usr/bin/env python3
"""Checks every known fact about the flights example.

    run.py --icecore BINARY     the example run by the binary, in two landings
    run.py --prototype          the example's SQL run by DuckDB alone (no engine of ours)

Last line: `N passed, N failed`.
"""
import argparse
import os
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts")]
import facts  # noqa: E402
from flights_project import CommandFailed, Project  # noqa: E402

FIRST, SECOND = "2013-12-01T12:00:00Z", "2013-12-15T12:00:00Z"
TO_NOVEMBER_ROWS, ALL_ROWS = 308641, 336776
LEAKAGE_SPINE = """
select origin, scheduled_departure - interval 2 hour as event_timestamp, arr_delay_min, carrier, flight
from processing.flights"""
LEAKAGE = """
select count(*) filter (leaky is distinct from honest) as differ,
       round(avg(abs(leaky - honest)), 1) as minutes,
       round(corr(leaky, label) filter (leaky is not null and honest is not null), 2) as leaky_correlation,
       round(corr(honest, label) filter (leaky is not null and honest is not null), 2) as honest_correlation
from (select leaky_delay_3h as leaky, honest_delay_3h as honest, arr_delay_min as label from answer)"""
# Windows as time.md defines them: the tail moves by hops of five minutes, both ends inclusive.
LEAKAGE_EXPECTED = {"differ": 327164, "minutes": 16.3, "leaky_correlation": 0.43, "honest_correlation": 0.08}


class Count:
    def __init__(self):
        self.passed = self.failed = 0

    def equal(self, name, got, expected):
        if got == expected:
            self.passed += 1
        else:
            self.failed += 1
            print(f"{name}: expected {expected}, got {got}")

    def true(self, name, condition, detail=""):
        self.equal(f"{name} {detail}".rstrip(), bool(condition), True)

    def attempt(self, name, check):
        """Counts whatever goes wrong as one failure and goes on."""
        try:
            check()
        except Exception as error:  # a check that could not run has failed
            self.failed += 1
            print(f"{name}: {error}" if isinstance(error, CommandFailed) else
                  f"{name}: {traceback.format_exc(limit=3)}")


def check_numbers(count, ask):
    """ask(query) gives the one row of an answer as a dict."""
    for name, (query, expected) in facts.ALL.items():
        def check():
            row = ask(query)
            for column, value in expected.items():
                count.equal(f"{name}.{column}", row[column], value)
        count.attempt(name, check)


def leakage_figures(answer):
    import duckdb
    database = duckdb.connect()
    database.register("answer", answer)
    got = database.sql(LEAKAGE)
    return dict(zip(got.columns, got.fetchone()))


def check_leakage(count, answer):
    count.equal("leakage.rows", answer.num_rows, ALL_ROWS)
    row = leakage_figures(answer)
    for name, expected in LEAKAGE_EXPECTED.items():
        count.equal(f"leakage.{name}", row[name], expected)


def prototype(count):
    import prototype as duckdb_alone
    with tempfile.TemporaryDirectory() as work:
        database = duckdb_alone.connect(work)

        def ask(query):
            got = database.sql(query)
            return dict(zip(got.columns, got.fetchone()))
        check_numbers(count, ask)
        count.attempt("leakage", lambda: check_leakage(count, database.sql(duckdb_alone.LEAKAGE).to_arrow_table()))


def check_landing(count, project):
    """First landing, nothing new, then December."""
    project.create()
    project.run("apply")
    project.run("run", "--now", FIRST)
    count.equal("rows to November", project.one("select count(*) as n from processing.flights")["n"], TO_NOVEMBER_ROWS)
    before = project.lake_files()
    _, seconds = project.run("run", "--now", FIRST)
    count.equal("a run with nothing new changes no file of the lake", project.lake_files() - before, set())
    # Sanitizers make it several times slower; the demo holds a release build to one second.
    count.true("a run with nothing new is quick", seconds < 20, f"({seconds:.2f} s)")
    project.land_december()
    project.run("run", "--now", SECOND)
    kept = before - project.lake_files()
    count.equal("landed files stay", {path for path in kept if "/landing/" in path}, set())


def check_bytes(count, project):
    """Each landed file rests byte for byte somewhere under the lake."""
    import hashlib
    rest = set()
    for path in project.lake_files():
        if "/_files/" in path:
            with open(path, "rb") as file:
                rest.add(hashlib.sha256(file.read()).hexdigest())
    for name in sorted(os.listdir(project.path("data"))):
        with open(project.path("data", name), "rb") as file:
            count.true(f"{name} kept byte for byte", hashlib.sha256(file.read()).hexdigest() in rest)


def check_reasons(count, project):
    """EEN breaks two rules and shows both."""
    rows = project.sql("select * from quarantine.airports").to_pylist()
    een = [str(row) for row in rows if "EEN" in str(row)]
    count.equal("EEN rows in quarantine", len(een), 1)
    for rule in ("tzone", "longitude_of_the_states"):
        count.true(f"EEN shows {rule}", een and rule in een[0])


def check_delta(count, project):
    """deltalake opens every table of every zone and finds the rows that `icecore sql` finds."""
    import deltalake
    found = 0
    for folder, folders, _ in os.walk(project.path("lake")):
        if "_delta_log" not in folders:
            continue
        found += 1
        zone, name = os.path.relpath(folder, project.path("lake")).split(os.sep)[:2]
        rows = deltalake.DeltaTable(folder).to_pyarrow_table().num_rows
        count.equal(f"deltalake rows of {zone}.{name}", rows,
                    project.one(f"select count(*) as n from {zone}.{name}")["n"])
    count.true("Delta tables of all zones", found >= 19, f"({found} found)")


def real(count, binary):
    with tempfile.TemporaryDirectory(prefix="icecore-facts-") as work:
        project = Project(os.path.join(work, "flights"), binary)
        count.attempt("landing", lambda: check_landing(count, project))
        check_numbers(count, project.one)
        count.attempt("bytes", lambda: check_bytes(count, project))
        count.attempt("reasons", lambda: check_reasons(count, project))
        count.attempt("delta", lambda: check_delta(count, project))

        def leakage():
            spine = project.path("leakage_spine.parquet")
            project.sql(LEAKAGE_SPINE, spine)
            check_leakage(count, project.training_set("leakage", spine, project.path("leakage.parquet"))[0])
        count.attempt("leakage", leakage)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--icecore")
    parser.add_argument("--prototype", action="store_true")
    arguments = parser.parse_args()
    if not arguments.icecore and not arguments.prototype:
        parser.error("give --icecore BINARY or --prototype")
    count = Count()
    if arguments.prototype:
        prototype(count)
    if arguments.icecore:
        real(count, os.path.abspath(arguments.icecore))
    print(f"{count.passed} passed, {count.failed} failed")
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
