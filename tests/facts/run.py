#!/usr/bin/env python3
"""Checks every known fact about the flights example.

    run.py --icecore BINARY     the example run by the binary, in two landings
    run.py --prototype          the example's SQL run by DuckDB alone (no engine of ours)

Last line: `N passed, N failed`.
"""
import argparse
import json
import os
import re
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [HERE, os.path.join(ROOT, "scripts")]
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


def points_of(svg):
    """{color: [(x, y)]} of the lines that the figure draws."""
    return {color: [tuple(map(float, point.split(","))) for point in points.split()]
            for points, color in re.findall(r'<polyline points="([^"]+)" fill="none" stroke="([^"]+)"', svg)}


def texts_of(svg):
    return re.findall(r">([^<>\n]+)</text>", svg)


def check_figure(count, got, shown):
    """The figure of the documentation is the one that the script draws; a tenth of a pixel is a matter of rounding."""
    count.equal("figure.texts", texts_of(got), texts_of(shown))
    have, want = points_of(got), points_of(shown)
    count.equal("figure.lines", sorted(have), sorted(want))
    for color, points in want.items():
        count.equal(f"figure.{color}", len(have[color]), len(points))
        off = max(abs(a - b) for pair in zip(have[color], points) for a, b in zip(*pair))
        count.true(f"figure.{color} as drawn", off < 0.15, f"({off:.2f} pixels off)")


def number_in(text, pattern):
    """The number that a sentence of the documentation gives; its minus may be typographic."""
    found = re.search(pattern, text)
    return None if found is None else float(found[1].replace("\u2212", "-").replace(",", ""))


def check_sentences(count, errors, leakage):
    """What docs/leakage.md and the example's README say in words. errors: {form: (error over all months, mean error)}."""
    with open(os.path.join(ROOT, "docs", "leakage.md"), encoding="utf-8") as file:
        page = file.read()
    with open(os.path.join(ROOT, "examples", "flights", "README.md"), encoding="utf-8") as file:
        readme = file.read()
    rows = {"leaky, on paper": "on paper", "leaky, in use": "in use", "honest, on paper and in use": "honest", "no delay as a feature": "none"}
    for text, form in rows.items():
        for column, (name, value) in enumerate(zip(("error", "mean error"), errors[form])):
            before = r" [^|\n]+ \|" * column
            count.equal(f"page.{name} {form}", number_in(page, rf"\| {text} \|{before} ([+\u2212\d.]+) \|"), round(value, 1))
    none, paper, use = (errors[form][0] for form in ("none", "on paper", "in use"))
    for name, text, pattern, value in (
            ("gain on paper", page, r"On paper the leak takes ([\d.]+) minutes", none - paper),
            ("gain in use", page, r"In use ([\d.]+) (?:is|are) left", none - use),
            ("bias", page, r"promises arrivals ([\d.]+) minutes too early", -errors["in use"][1]),
            ("gain on paper", readme, r"on paper the leak takes ([\d.]+) minutes", none - paper),
            ("error without", readme, r"off an error of ([\d.]+);", none), ("gain in use", readme, r"in use it takes ([\d.]+),", none - use),
            ("bias", readme, r"promises arrivals ([\d.]+) minutes too early", -errors["in use"][1]),
            ("values that differ", page, r"`served_delay_3h` in ([\d,]+) of", leakage["differ"]),
            ("minutes that they differ", page, r"by ([\d.]+) minutes on average", leakage["mean_abs_difference"])):
        count.equal(f"sentence.{name}", number_in(text, pattern), round(value, 1))


def check_study(count, project):
    """The example's leakage.py on its training set, beside what the documentation shows."""
    import pyarrow.parquet
    sys.path.insert(0, os.path.join(ROOT, "examples", "flights"))
    import leakage
    study, figure = project.path("study.parquet"), project.path("leakage.svg")
    project.run("training-set", "leakage_study", "--out", study)
    result = leakage.study(pyarrow.parquet.read_table(study))
    leakage.draw(result, figure)
    with open(figure, encoding="utf-8") as got, open(os.path.join(ROOT, "docs", "leakage.svg"), encoding="utf-8") as shown:
        check_figure(count, got.read(), shown.read())
    with open(study + ".card.json", encoding="utf-8") as file:
        features = {one["name"]: one["leakage"] for one in json.load(file)["features"]}
    check_sentences(count, {form: months["all"] for form, months in result.items()}, features["served_delay_3h"])
    for form in ("leaky_delay_3h", "honest_delay_3h"):
        count.equal(f"study.{form} differs", features[form]["differ"], 0)


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
        count.attempt("study", lambda: check_study(count, project))


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
