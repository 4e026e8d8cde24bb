#!/usr/bin/env python3
"""Compares the binary, bit for bit, with a naive reference of time.md on projects drawn from a seed.

    run.py --icecore BINARY [--cases N] [--seed N] [--keep DIR] [--jobs N]

Every third project is a stream of versions instead (merge.py); there a case is a table compared whole.
A case is one view asked for one key at one moment with one cut of knowledge: offline by `training-set` (label, latest and
a time), online by `run` and `get` with --now in between increments. What `get` answered is then given to `verify`, which
must find it equal, and some values of the training set to `explain`. Definitions are edited between increments in most projects. Last line: `N passed, N failed`.
"""
import argparse
import concurrent.futures
import glob
import os
import random
import sys
import tempfile
from collections import defaultdict

import pyarrow.parquet as pq

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
from compare import Comparison, as_typed, bits, from_json, rfc3339, typed  # noqa: E402
from generator import START, Generated  # noqa: E402
from merge import MergeCase  # noqa: E402
from project import Failed, Project  # noqa: E402
from reference import DAY, HOUR, INF, answer  # noqa: E402

KEYS, ASKED_PER_KEY = 70, 12
ONLINE_KEYS = 6                     # asked at each moment online, a process each
EXPLAINED = 8                       # values of a project, a process each


class Case:
    """One generated project and the binary that works on it."""

    def __init__(self, icecore: str, folder: str, seed: str, comparison: Comparison):
        self.generated = Generated(seed, KEYS, ASKED_PER_KEY)
        self.project, self.comparison = Project(icecore, folder), comparison
        self.landed = 0
        self.other_chance = random.Random(f"{seed}/log")
        self.clustered = self.other_chance.random() < 0.7
        self.project.write("icecore.yaml", "language: 1\nproject: oracle\nmemory: 64MB\nserved_log: {fraction: 1}\n"
                           + ("feature_log_rows: 0\n" if self.clustered else ""))
        self.project.write("definitions/all.yaml", self.generated.definitions())
        os.makedirs(self.project.path("data"))

    def run(self) -> None:
        chance, rows = self.generated.chance, self.generated.rows
        pieces = chance.randrange(2, 5)
        cuts = sorted(chance.randrange(len(rows)) for _ in range(pieces - 1)) + [len(rows)]
        moments = sorted(START + chance.randrange(3 * DAY, 45 * DAY) for _ in range(pieces))
        self.project.must("apply")
        self.edits = random.Random(f"{self.generated.seed}/edits")
        edited, served = self.edits.random() < 0.6, 0
        for number, (cut, moment) in enumerate(zip(cuts, moments)):
            if edited and number > 0:
                self.generated.edit_views(self.edits)
                self.project.write("definitions/all.yaml", self.generated.definitions())
                self.project.must("apply")
            self.generated.write_rows(self.landed, cut, self.project.path(f"data/{number:03d}.parquet"))
            self.landed = cut
            self.project.must("run", "--now", rfc3339(moment))
            self.ask_online(moment)
            served += ONLINE_KEYS * sum(len(view.features) for view in self.generated.views)
        self.verify(served)
        self.generated.write_spine(self.project.path("spine.parquet"))
        for known_at in ("label", "latest", START + chance.randrange(40 * DAY)):
            self.ask_offline(known_at)
        if self.clustered and not self.generated.versions:
            self.damage_log(moments[-1])

    def damage_log(self, moment: int) -> None:
        """A broken log is never believed, and the next run has a sound one."""
        files = sorted(glob.glob(self.project.path(".icecore/features/*/*")))
        runs = [file for file in files if file.endswith((".rows", ".keys"))]
        if not runs:
            raise Failed("no clustered log was kept")
        broken = self.other_chance.choice([file for file in files if not file.endswith("lock")])
        if self.other_chance.random() < 0.3:
            os.remove(broken)
        else:
            with open(broken, "r+b") as file:
                at = self.other_chance.randrange(os.path.getsize(broken))
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ (1 << self.other_chance.randrange(8))]))
        self.ask_offline("label")
        self.project.must("run", "--now", rfc3339(moment))
        self.ask_offline("label")

    def rows_by_key(self) -> dict:
        """Of a table with versions all versions of every id that the key ever had."""
        by_key, by_id, ids = defaultdict(list), defaultdict(list), defaultdict(dict)
        for row in self.generated.rows[:self.landed]:
            by_key[row.key].append(row)
            by_id[row.id].append(row)
            ids[row.key][row.id] = True
        if self.generated.versions:
            by_key.update({key: [row for id in of_key for row in by_id[id]] for key, of_key in ids.items()})
        return by_key

    def ask_offline(self, known_at) -> None:
        text = rfc3339(known_at) if isinstance(known_at, int) else known_at
        self.project.must("training-set", "all", "--spine", "spine.parquet", "--out", "out.parquet", "--known-at", text)
        table = pq.read_table(self.project.path("out.parquet"))
        if table.num_rows != len(self.generated.spine):
            raise Failed(f"{table.num_rows} rows came back, {len(self.generated.spine)} were asked")
        columns = {name: table.column(name).to_pylist() for name in table.column_names}
        if known_at == "label":
            self.explain(columns)
        by_key = self.rows_by_key()
        for number, (key, t) in enumerate(self.generated.spine):
            cut = t if known_at == "label" else INF if known_at == "latest" else known_at
            for view in self.generated.views:
                got = {name: values[number] for name, values in columns.items()}
                self.comparison.compare(view, answer(view, by_key[key], key, t, cut), got, f"{text}, {key} at {t}")

    def verify(self, expected: int) -> None:
        """All that was served, in every increment, recomputed at its time and position, by the definition that served it."""
        report = self.project.json("verify", "all")
        if report["equal"] != expected or not report["passed"]:
            raise Failed(f"verify: {report['equal']} of {expected} values are equal: {report['mismatches'][:3]}")
        self.comparison.passed += 1

    def explain(self, columns: dict) -> None:
        chance = self.generated.chance
        askable = [number for number, (key, t) in enumerate(self.generated.spine)
                   if t is not None and None not in key and key[1] not in ("", "ä\n")]
        for number in chance.sample(askable, min(EXPLAINED, len(askable))):
            key, t = self.generated.spine[number]
            view = chance.choice(self.generated.views)
            feature = chance.choice(view.features)
            name = f"{view.name}_{feature.name}"
            document = self.project.json("explain", "all", f"k1={key[0]}", f"k2={key[1]}", name, "--at", rfc3339(t))
            want = columns[name][number]
            got = typed(from_json(document["value"]), want, feature)
            if type(got) is not type(want) or bits(got) != bits(want):
                raise Failed(f"explain {name} of {key} at {t}: {got!r}, the training set has {want!r}")
            self.comparison.passed += 1

    def ask_online(self, run_at: int) -> None:
        """At the run's moment or up to an hour after it; the rows are those that have landed."""
        chance, by_key = self.generated.chance, self.rows_by_key()
        keys = [key for key in self.generated.keys if None not in key and key[1] not in ("", "ä\n")]
        for key in chance.sample(keys, ONLINE_KEYS):
            t = run_at + chance.choice([0, 1, chance.randrange(HOUR)])
            document = self.project.json("get", "all", f"k1={key[0]}", f"k2={key[1]}", "--now", rfc3339(t))
            got = {name: from_json(one["value"]) for name, one in document["features"].items()}
            for view in self.generated.views:
                want = answer(view, by_key[key], key, t, t)
                self.comparison.compare(view, want, as_typed(view, want, got), f"online, {key} at {t}")


def compared(icecore: str, number: int, seed: str, keep: str | None) -> tuple[int, int]:
    """(passed, failed) of one project."""
    comparison = Comparison(seed)
    with tempfile.TemporaryDirectory(prefix="oracle-") as temporary:
        try:
            kind = MergeCase if number % 3 == 1 else Case
            kind(icecore, os.path.join(keep or temporary, f"project-{number}"), seed, comparison).run()
        except Failed as wrong:
            comparison.failed += 1
            print(f"seed {seed}: {wrong}", flush=True)
        except Exception as error:  # a test that could not run has failed
            comparison.failed += 1
            print(f"seed {seed}: {type(error).__name__}: {error}", flush=True)
    return comparison.passed, comparison.failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares the binary with a naive reference.")
    parser.add_argument("--icecore", required=True)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="keep the projects in this folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    passed = failed = number = 0
    waiting: set[concurrent.futures.Future] = set()
    with concurrent.futures.ProcessPoolExecutor(given.jobs) as pool:
        while True:
            is_enough = passed + failed >= given.cases or failed >= 10 * given.cases or (failed and not passed)
            while not is_enough and len(waiting) < given.jobs:
                waiting.add(pool.submit(compared, given.icecore, number, f"{given.seed}/{number}", given.keep))
                number += 1
            if not waiting:
                break
            done, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for outcome in done:
                passed, failed = passed + outcome.result()[0], failed + outcome.result()[1]
    print(f"{number} projects")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
