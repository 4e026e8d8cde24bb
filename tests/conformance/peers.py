#!/usr/bin/env python3
"""Puts the conformance cases to another feature store, through an adapter. Needs Python 3.9+ and pyarrow only.

    peers.py --adapter "PYTHON adapters/feast_store.py" [-k SUBSTRING] [--markdown FILE] [--json FILE]
    peers.py --together Feast=feast.json DuckDB=duckdb.json …     results of several as one table

README.md, *Other feature stores*, says what an adapter is. Exit code 0 when every case was put; what a store cannot do
is its result, not ours. Last line: `N equal, N lost rows, N differ, N failed, N not expressible, N not asked`.
"""
import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq

from case_reader import find_cases, load_case
from comparison import difference

HERE = os.path.dirname(os.path.abspath(__file__))
OUTCOMES = ("equal", "lost rows", "differ", "failed", "not expressible", "not asked")
ROW = "__row"


class Adapter:
    """The adapter's program: a JSON line for each case in, a JSON line out."""

    def __init__(self, command):
        self.command = shlex.split(command)
        self.process = None

    def ask(self, question):
        if self.process is None or self.process.poll() is not None:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:                        # what libraries print beside it is passed over
            if line.startswith('{"outcome"'):
                return json.loads(line)
        return {"outcome": "failed", "why": f"the adapter ended with exit code {self.process.wait()}"}

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(60)


def compared(got, expected, case, left_out):
    """(outcome, why) of an answer. `__row` numbers the spine's rows, so that lost rows and order are told apart."""
    if ROW not in got.column_names:
        return "failed", f"the answer has no column {ROW}"
    numbers = got.column(ROW).to_pylist()
    got = got.drop_columns([ROW])
    asked = [name for name in expected.column_names if name not in left_out]
    missing = sorted(set(range(expected.num_rows)) - set(numbers))
    if len(set(numbers)) != len(numbers) or any(not 0 <= number < expected.num_rows for number in numbers):
        return "differ", f"{len(numbers)} rows for {expected.num_rows}: some come more than once"
    if sorted(got.column_names) != sorted(asked):
        return "differ", f"columns: got {got.column_names}, expected {asked}"
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    wanted = expected.select(asked).take(pa.array(sorted(numbers), pa.int64()))
    kept = {**case, "same_bits": {} if missing else {name: rows for name, rows in case.get("same_bits", {}).items() if name in asked}}
    wrong = difference(got.select(asked).take(pa.array(order, pa.int64())), wanted, kept)
    if wrong:
        return "differ", wrong + (f"; and {len(missing)} of {expected.num_rows} rows lost" if missing else "")
    if missing:
        return "lost rows", f"{len(missing)} of {expected.num_rows} rows lost; the others are equal"
    return "equal", ""


def put(adapter, name, folder):
    """(outcome, why, what was left out) of one case."""
    case, expected = load_case(folder)
    if "steps" in case:
        return "not asked", "steps of Icecore's own commands", {}
    if expected is None:
        return "not asked", "an error in Icecore's own language", {}
    with tempfile.TemporaryDirectory() as temporary:
        out = os.path.join(temporary, "got.parquet")
        answer = adapter.ask({"case": folder, "out": out})
        if answer["outcome"] != "answered":
            return answer["outcome"].replace("_", " "), answer.get("why", ""), {}
        left_out = answer.get("left_out", {})
        outcome, why = compared(pq.read_table(out), expected, case, left_out)
        return outcome, why, left_out


def sentence(outcome, why, left_out):
    reasons = sorted(set(left_out.values()))
    return why + (("; " if why else "") + "left out: " + "; ".join(reasons) if reasons else "")


def markdown(results):
    lines = ["| Case | What it is about | Result | |", "|---|---|---|---|"]
    for name, about, outcome, why, left_out in results:
        shown = outcome + (" (in part)" if left_out and outcome in ("equal", "lost rows") else "")
        cells = [name, about, shown, sentence(outcome, why, left_out)]
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


SHORT = {"not expressible": "–", "not asked": ""}


def together(given):
    """A table of the cases that could be put, from files that --json wrote; why, where none was asked, by the first."""
    stores = {}
    for one in given:
        store, _, path = one.partition("=")
        with open(path, encoding="utf-8") as file:
            stores[store] = {result["case"]: result for result in json.load(file)}
    lines = ["| Case | What it is about | " + " | ".join(stores) + " | |", "|---|---|" + "---|" * len(stores) + "---|"]
    for name, first in next(iter(stores.values())).items():
        results = [results[name] for results in stores.values()]
        if all(one["outcome"] == "not asked" for one in results):
            continue
        cells = [name, first["about"]]
        cells += [SHORT.get(one["outcome"], one["outcome"]) + (" (in part)" if one["left_out"] and one["outcome"] in ("equal",
                                                                                                                      "lost rows") else "") for one in results]
        reasons = {f"{store}: {one['why']}": one for store, one in zip(stores, results) if one["why"]}
        told = [reason for reason, one in reasons.items() if one["outcome"] not in SHORT]
        cells.append("; ".join(told) or results[0]["why"])
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapter", help="the adapter's command")
    parser.add_argument("--together", nargs="+", metavar="NAME=FILE", help="print the results in these files as one table")
    parser.add_argument("--cases", default=os.path.join(HERE, "cases"))
    parser.add_argument("-k", default="", metavar="SUBSTRING", help="only cases whose name contains this")
    parser.add_argument("--markdown", metavar="FILE", help="write a table of the results")
    parser.add_argument("--json", metavar="FILE", help="write the results")
    given = parser.parse_args()
    if given.together:
        print(together(given.together))
        return 0
    if not given.adapter:
        parser.error("--adapter is needed")
    adapter = Adapter(given.adapter)
    results = []
    for name, folder in find_cases(given.cases, given.k):
        outcome, why, left_out = put(adapter, name, folder)
        with open(os.path.join(folder, "case.json"), encoding="utf-8") as text:
            about = json.load(text)["about"]
        results.append((name, about, outcome, why, left_out))
        print(f"{outcome.upper()} {name}: {sentence(outcome, why, left_out)}", flush=True)
    adapter.close()
    if given.markdown:
        with open(given.markdown, "w", encoding="utf-8") as file:
            file.write(markdown(results))
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump([dict(zip(("case", "about", "outcome", "why", "left_out"), one)) for one in results], file, indent=1)
    counts = [sum(result[2] == outcome for result in results) for outcome in OUTCOMES]
    print(", ".join(f"{count} {outcome}" for count, outcome in zip(counts, OUTCOMES)))
    return 0 if results and sum(counts) == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
