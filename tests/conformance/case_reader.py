"""Cases as they lie in their folders: found, read, shown as text."""
import json
import os

import pyarrow.parquet as pq

from values import text_of, values_of


def find_cases(folder, substring):
    names = sorted(name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name, "case.json")))
    return [(name, os.path.join(folder, name)) for name in names if substring in name]


def load_case(folder):
    with open(os.path.join(folder, "case.json"), encoding="utf-8") as text:
        case = json.load(text)
    plain = "error_at" not in case and "steps" not in case
    return case, pq.read_table(os.path.join(folder, "expected.parquet")) if plain else None


def table_text(table):
    cells = [table.column_names]
    columns = [[text_of(v, field.type) for v in values_of(table.column(field.name))] for field in table.schema]
    cells += [list(row) for row in zip(*columns)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(table.column_names))]
    return "\n".join("  " + "  ".join(text.ljust(width) for text, width in zip(row, widths)).rstrip() for row in cells)


def read_any(path):
    if path.endswith(".parquet"):
        return table_text(pq.read_table(path))
    with open(path, encoding="utf-8") as text:
        return "".join("  " + line for line in text).rstrip()


def show(name, folder):
    print(f"==== {name}")
    print(read_any(os.path.join(folder, "case.json")))
    for part in ("definitions", "data", "later"):
        for base, _, files in sorted(os.walk(os.path.join(folder, part))):
            for file in sorted(files):
                path = os.path.join(base, file)
                print(f"-- {os.path.relpath(path, folder)}\n{read_any(path)}")
    for file in sorted(os.listdir(folder)):
        if file.startswith(("spine.", "spine-", "expected.", "expected-")) and not file.endswith(".arrow"):
            print(f"-- {file}\n{read_any(os.path.join(folder, file))}")
