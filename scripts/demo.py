#!/usr/bin/env python3
"""The main job, from raw flights to a training set and a served vector, told for a reader who has never seen it.

    demo.py [--icecore BINARY] [--keep DIR]

Everything it says is checked; a check that fails is shown, and the demo ends with exit code 1.
"""
import argparse
import contextlib
import csv
import datetime
import json
import os
import shutil
import sys
import time

import demo_online
from flights_project import (DECEMBER, NOVEMBER, SPINE, CommandFailed, Project, default_binary, peak_memory_mb)

FIRST, SECOND = "2013-12-01T12:00:00Z", "2013-12-15T12:00:00Z"
ZONES = ("landing.flights_raw", "landing.flights", "processing.flights", "processing.weather", "curated.outcomes",
         "quarantine.weather", "quarantine.airports")
VX_413 = "carrier = 'VX' and flight = 413 and scheduled_departure = timestamptz '2013-11-02 20:55:00+00'"
LEAKAGE_SPINE = """
select origin, scheduled_departure - interval 2 hour as event_timestamp, arr_delay_min from processing.flights"""


class Story:
    """Prints the demo, times its steps and counts its checks."""

    def __init__(self):
        self.failed = []
        self.passed = 0
        self.steps = []
        self.started = time.monotonic()

    def title(self, text):
        print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n## {text}")

    def say(self, text=""):
        print(f"   {text}" if text else "", flush=True)

    def block(self, text, limit=40):
        lines = text.rstrip().splitlines()
        for line in lines[:limit]:
            self.say(line)
        if len(lines) > limit:
            self.say(f"… {len(lines) - limit} more lines")

    def check(self, what, condition):
        print(f"   {'ok  ' if condition else 'FAIL'} {what}", flush=True)
        if condition:
            self.passed += 1
        else:
            self.failed.append(what)

    @contextlib.contextmanager
    def step(self, name):
        started = time.monotonic()
        try:
            yield
        finally:
            self.steps.append((name, time.monotonic() - started))


def show_rows(story, table, columns=None, rows=3):
    """A few rows, one column a line: wide tables stay readable."""
    table = table.slice(0, rows).select(columns or table.column_names)
    width = max(map(len, table.column_names))
    for name in table.column_names:
        values = "".join(f"{text(value):>24}" for value in table.column(name).to_pylist())
        story.say(f"{name:<{width}} {values}")


def show_pairs(story, table, columns):
    """One row, two columns a line."""
    pairs = [f"{name:<32}{text(table[name][0].as_py()):>10}" for name in columns]
    half = -(-len(pairs) // 2)
    for left, right in zip(pairs[:half], pairs[half:] + [""] * half):
        story.say(f"{left:<46}{right}".rstrip())


def text(value):
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.timezone.utc).strftime("%Y-%m-%d %H:%MZ")
    return str(value)


def create(story, project):
    story.title("1  A project: definitions in YAML and SQL, data as they came")
    with story.step("init, apply"):
        project.create()
        out, _ = project.run("apply")
    story.block(out, 12)
    data = sorted(os.listdir(project.path("data")))
    story.say(f"data/: {', '.join(data)}; later/: {DECEMBER}")


def first_run(story, project):
    story.title(f"2  icecore run --now {FIRST}: landing, contract, SQL, features, online store")
    with story.step("run, January to November"):
        out, _ = project.run("run", "--now", FIRST)
    story.block(out)
    story.check("308,641 flights scheduled to November are in processing.flights",
                project.one("select count(*) as n from processing.flights")["n"] == 308641)
    before = project.lake_files()
    with story.step("run with nothing new"):
        _, seconds = project.run("run", "--now", FIRST)
    story.check(f"a second run with nothing new takes {seconds:.2f} s (less than 1) and writes nothing to the lake",
                seconds < 1 and not project.lake_files() - before)


def training_set(story, project):
    """Every flight scheduled in November, asked about two hours before; returns (spine, answer)."""
    story.title("3  A training set: every flight scheduled in November, two hours before departure")
    with story.step("training set"):
        spine = project.sql(SPINE.format(where=NOVEMBER), project.path("spine.parquet"))
        answer, seconds = project.training_set("delay_model", project.path("spine.parquet"),
                                               project.path("train.parquet"))
    features = answer.column_names[len(spine.column_names):]
    story.say(f"{answer.num_rows:,} rows × {len(features)} features in {seconds:.1f} s → train.parquet")
    show_rows(story, answer, spine.column_names[:4] + ["event_timestamp", "arr_delay_min"] + features[:8]
              + ["origin_temp", "plane_seats", "scheduled_speed"])
    story.check("every spine row came back, once, in its place, its columns unchanged",
                answer.select(spine.column_names).equals(spine))
    story.check(f"{len(features)} features (at least 40)", len(features) >= 40)
    check_no_leakage(story, project, answer)
    labels = [label for tailnum, label in zip(answer["tailnum"].to_pylist(), answer["arr_delay_min"].to_pylist())
              if tailnum is None]
    story.check(f"{len(labels)} rows have no tail number, and none of them a label: only cancelled flights lack one, so a"
                " model that sees the null reads the answer (the guide says more)",
                len(labels) > 0 and set(labels) == {None})
    return answer


def check_no_leakage(story, project, answer):
    """Recomputes two features of 300 rows from the outcomes known by then, without Icecore."""
    outcomes = project.sql("""select origin, carrier, arr_delay_min, outcome_known_at from curated.outcomes
        where outcome_known_at >= timestamptz '2013-10-20 00:00:00+00'""").to_pylist()
    day = datetime.timedelta(days=1)
    wrong = asked = 0
    for row in answer.to_pylist()[::max(1, answer.num_rows // 150)]:
        t = row["event_timestamp"]
        since = (t - day).replace(minute=0, second=0, microsecond=0)    # a 1d window's tail moves by hours
        for key, feature in (("origin", "origin_arr_delay_min_mean_1d"), ("carrier", "carrier_arr_delay_min_mean_1d")):
            known = [o["arr_delay_min"] for o in outcomes if o[key] == row[key] and o["arr_delay_min"] is not None
                     and since <= o["outcome_known_at"] <= t]
            expected = sum(known) / len(known) if known else None
            asked += 1
            wrong += expected != row[feature]
    story.check(f"no leakage: {asked} values recomputed by hand from what was known at t: {wrong} differ", wrong == 0)


def next_flights(project):
    """The 1,000 flights after FIRST (24 hours and a little), read from the December file that has not landed yet."""
    with open(project.path("later", DECEMBER), newline="", encoding="utf-8") as file:
        rows = [(int(row["day"]), int(row["sched_dep_time"]), row) for row in csv.DictReader(file)]
    # 12:00Z is 07:00 in New York; how long a route is scheduled for is taken from the flights so far
    rows = sorted((row for row in rows if row[:2] >= (1, 700)), key=lambda row: row[:2])[:1000]
    usual = {(row["origin"], row["dest"]): row["minutes"] for row in project.sql(
        """select origin, dest, median(date_diff('minute', scheduled_departure, scheduled_arrival))::double as minutes
           from processing.flights group by all""").to_pylist()}
    return [{"carrier": row["carrier"], "origin": row["origin"], "dest": row["dest"],
             "tailnum": None if row["tailnum"] in ("", "NA") else row["tailnum"],
             "distance_mi": float(row["distance"]),
             "scheduled_min": usual.get((row["origin"], row["dest"]))} for _, _, row in rows]


def landed_flights(project):
    """The 1,000 flights after SECOND (24 hours and a little), as landed."""
    return project.sql(f"""select carrier, origin, dest, tailnum, distance_mi::double as distance_mi,
          date_diff('minute', scheduled_departure, scheduled_arrival)::double as scheduled_min
        from processing.flights where scheduled_departure >= timestamptz '{SECOND}'
        order by scheduled_departure, carrier, flight limit 1000""").to_pylist()


def served(story, project, now, flights, number):
    story.title(f"{number}  Served at {now}: the same features over HTTP, for the next 24 hours' flights")
    with story.step(f"serve and compare, {now[:10]}"):
        demo_online.compare(story, project, now, flights)


def december(story, project):
    story.title(f"5  December lands; icecore run --now {SECOND} takes only what is new")
    before = project.lake_files()
    project.land_december()
    with story.step("run, December"):
        out, _ = project.run("run", "--now", SECOND)
    story.block(out)
    story.check("processing.flights has 336,776 rows",
                project.one("select count(*) as n from processing.flights")["n"] == 336776)
    landed = {path for path in before if os.sep + "landing" + os.sep in path}
    story.check("what had landed is untouched", landed <= project.lake_files())


def one_flight(story, project, answer):
    story.title("7  One flight's life: VX 413 of 2 November, New York to Los Angeles, five hours late")
    raw = project.sql("""select * from landing.flights_raw
        where carrier = 'VX' and flight = '413' and month = '11' and day = '2'""")
    story.say("landing, as received (text):")
    story.say("  " + ", ".join(f"{name} {value}" for name, value in raw.to_pylist()[0].items()))
    passed = project.one("""select count(*) as n from landing.flights
        where carrier = 'VX' and flight = 413 and month = 11 and day = 2""")["n"]
    story.check("it kept the contract: one row passed", passed == 1 and raw.num_rows == 1)
    row = project.sql(f"select * from processing.flights where {VX_413}")
    story.say("processing, instants in UTC (it landed at 01:14, a time that night had twice):")
    show_rows(story, row)
    arrived = row.to_pylist()[0]["arrived_at"].astimezone(datetime.timezone.utc)
    story.check("it arrived at 08:14Z", arrived.isoformat() == "2013-11-03T08:14:00+00:00")
    index = next(i for i, (carrier, flight, departure) in enumerate(zip(
        answer["carrier"].to_pylist(), answer["flight"].to_pylist(), answer["scheduled_departure"].to_pylist()))
        if carrier == "VX" and flight == 413
        and departure == datetime.datetime(2013, 11, 2, 20, 55, tzinfo=datetime.timezone.utc))
    vector = answer.slice(index, 1)
    story.say("what was known two hours before departure, 18:55Z:")
    show_pairs(story, vector, vector.column_names[vector.column_names.index("arr_delay_min") + 1:])
    delay = vector["arr_delay_min"][0].as_py()
    story.check(f"its label, {delay} min, is beside the features and in none of them", delay == 299)
    tailnum = vector["tailnum"][0].as_py()
    out, _ = project.run("get", "delay_model", "carrier=VX", "origin=JFK", "dest=LAX", f"tailnum={tailnum}",
                               "--request", "distance_mi=2475", "--request", "scheduled_min=380", "--now", SECOND)
    story.say(f"the same question today: icecore get delay_model carrier=VX origin=JFK dest=LAX tailnum={tailnum} …")
    story.block(out, 12)


def balance(story, project):
    story.title("8  Where every row is: zones, quarantine, balance")
    counts = project.one("select " + ", ".join(
        f"(select count(*) from {name}) as \"{name}\"" for name in ZONES))
    for name in ZONES:
        story.say(f"{name:<22} {counts[name]:>9,}")
    story.say("quarantine, with every reason:")
    held_back = project.sql("""select _origin, row, reasons from quarantine.weather
        union all select _origin, row, reasons from quarantine.airports""").to_pylist()
    for held in held_back:
        row = json.loads(held["row"])
        story.say(f"  {held['_origin']}: {row.get('faa') or row.get('origin') + ' ' + row.get('time_hour')}")
        for reason in held["reasons"]:
            story.say(f"      {reason['rule']} {reason['column']}: {reason['observed']}; expected {reason['expected']}")
    een = [[reason["column"] or reason["rule"] for reason in held["reasons"]]
           for held in held_back if '"EEN"' in held["row"]]
    story.check("EEN breaks two rules at once (no zone, wrong longitude) and shows both",
                [sorted(names) for names in een] == [["longitude_of_the_states", "tzone"]])
    story.block(project.run("list", "quarantine")[0], 20)
    for source in ("flights", "weather", "airports", "planes", "airlines"):
        row = project.one(f"select (select count(*) from landing.{source}_raw) as landed, "
                          f"(select count(*) from landing.{source}) as passed")
        held = counts.get(f"quarantine.{source}", 0)
        story.check(f"{source}: {row['landed']:,} landed = {row['passed']:,} passed + {held} in quarantine",
                    row["landed"] == row["passed"] + held)
    story.check("flights: landed = processing = outcomes",
                counts["landing.flights"] == counts["processing.flights"] == counts["curated.outcomes"] == 336776)


def leakage(story, project):
    story.title("9  What leakage would have looked like")
    with story.step("training set of all flights, twice the mean delay"):
        project.sql(LEAKAGE_SPINE, project.path("leakage_spine.parquet"))
        answer, _ = project.training_set("leakage", project.path("leakage_spine.parquet"),
                                         project.path("leakage.parquet"))
    figures = leakage_figures(answer)
    story.say("The mean arrival delay of the origin's last three hours, two hours before departure, for all flights:")
    story.say("  by scheduled departure, as if known at once    correlation with the label "
              f"{figures['leaky_correlation']:.2f}")
    story.say(f"  by arrival, when it was known                  correlation with the label "
              f"{figures['honest_correlation']:.2f}")
    story.say(f"{figures['differ']:,} of {answer.num_rows:,} values differ, by {figures['minutes']:.1f} minutes on"
              " average. The first would shine in training and fail in use.")
    story.check("figures as in the guide", answer.num_rows == 336776 and figures["differ"] == 327164
                and (round(figures["minutes"], 1), round(figures["leaky_correlation"], 2),
                     round(figures["honest_correlation"], 2)) == (16.3, 0.43, 0.08))


def leakage_figures(answer):
    """How often and how far both means differ, and how each goes with the label where both are known."""
    rows = list(zip(*(answer[name].to_pylist() for name in ("leaky_delay_3h", "honest_delay_3h", "arr_delay_min"))))
    both = [(a, b) for a, b, _ in rows if a is not None and b is not None]
    labelled = [row for row in rows if None not in row]
    return {"differ": sum(a != b for a, b, _ in rows),
            "minutes": sum(abs(a - b) for a, b in both) / len(both),
            "leaky_correlation": correlation([(a, y) for a, _, y in labelled]),
            "honest_correlation": correlation([(b, y) for _, b, y in labelled])}


def correlation(pairs):
    n = len(pairs)
    mean_x, mean_y = sum(x for x, _ in pairs) / n, sum(y for _, y in pairs) / n
    xy = sum((x - mean_x) * (y - mean_y) for x, y in pairs)
    xx, yy = sum((x - mean_x) ** 2 for x, _ in pairs), sum((y - mean_y) ** 2 for _, y in pairs)
    return xy / (xx * yy) ** 0.5


def close(story, project, kept):
    story.title("Time per step")
    total = time.monotonic() - story.started
    for name, seconds in story.steps:
        story.say(f"{name:<52} {seconds:6.1f} s")
    story.check(f"all of it, checks included, in {total:.0f} s (at most 60)", total <= 60)
    peak = peak_memory_mb()
    story.check(f"peak memory of a command {peak:.0f} MB (less than 1,500)", peak < 1500)
    if kept:
        binary = os.path.relpath(project.binary)
        story.title("Try next")
        story.say(f"{binary} -C {kept} sql \"select dest, avg(arr_delay_min) from processing.flights group by all\"")
        story.say(f"{binary} -C {kept} show delays_by_carrier")
        story.say(f"{binary} -C {kept} serve --now {SECOND}")


def tell(story, project):
    create(story, project)
    first_run(story, project)
    answer = training_set(story, project)
    served(story, project, FIRST, next_flights(project), 4)
    december(story, project)
    served(story, project, SECOND, landed_flights(project), 6)
    one_flight(story, project, answer)
    balance(story, project)
    leakage(story, project)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icecore", default=None, help="the binary (default: build/release, else build/dev)")
    parser.add_argument("--keep", default="build/demo/flights", help="where the project is made and stays")
    arguments = parser.parse_args()
    folder = os.path.abspath(arguments.keep)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    story, project = Story(), Project(folder, os.path.abspath(arguments.icecore or default_binary()))
    try:
        tell(story, project)
    except CommandFailed as error:
        story.check(str(error), False)
    close(story, project, os.path.relpath(folder))
    print(f"\n{story.passed} checks passed, {len(story.failed)} failed")
    for what in story.failed:
        print(f"   FAIL {what}")
    return 1 if story.failed else 0


if __name__ == "__main__":
    sys.exit(main())
