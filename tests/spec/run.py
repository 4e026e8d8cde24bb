#!/usr/bin/env python3
"""Runs the spec files: each is a small project, commands, and what they must answer. README.md tells their form.

    run.py --icecore BINARY [-k SUBSTRING] [--rewrite] [--jobs N] [--keep DIR]

--rewrite puts the tables that the binary gives into the files, for a human to review. Last line: `N passed, N failed`.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import re
import shlex
import sys
import tempfile
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import generators  # noqa: E402
from project import Ended, Failed, Project  # noqa: E402
from tables import read_table, text_of_table  # noqa: E402

DEFAULT_PROJECT = "language: 1\nproject: spec\n"
BLOCK = re.compile(r"^== (.*)$", re.M)


@dataclass
class Block:
    kind: str           # file, append, make, remove, icecore, at_once, sql, table, check
    subject: str        # what follows the kind in the line of the block
    body: str
    line: int


@dataclass
class Spec:
    path: str
    text: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def name(self) -> str:
        return os.path.relpath(self.path, HERE)


def parse(path: str) -> Spec:
    with open(path, encoding="utf-8") as text:
        spec = Spec(path, text.read())
    head, *parts = BLOCK.split(spec.text)
    if not re.match(r"name: .+\nabout: .+", head):
        raise Failed("line 1: a spec begins with `name:` and `about:`")
    line = head.count("\n") + 1
    for title, body in zip(parts[::2], parts[1::2]):
        kind, _, subject = title.partition(" ")
        if kind not in KINDS:
            raise Failed(f"line {line}: unknown block {kind!r}; there are {', '.join(KINDS)}")
        spec.blocks.append(Block(kind, subject.strip(), body.strip("\n"), line))
        line += body.count("\n")
    return spec


def check_answer(ended: Ended, body: str) -> None:
    """Each line of the body is one thing that must be so."""
    expected_code, lines = 0, []
    for line in filter(None, body.splitlines()):
        key, _, value = line.partition(" ")
        if key == "exit":
            expected_code = int(value)
        else:
            lines.append((key, value))
    whole = f"\n--- stdout\n{ended.out}--- stderr\n{ended.err}"
    if ended.code != expected_code:
        raise Failed(f"exit code {ended.code}, expected {expected_code}{whole}")
    for key, value in lines:
        if not holds(ended, key, value):
            raise Failed(f"not so: {key} {value}{whole}")


def holds(ended: Ended, key: str, value: str) -> bool:
    streams = {"out:": ended.out, "err:": ended.err, "says:": ended.says}
    if key in streams:
        return value in streams[key]
    if key == "not:":
        return value not in ended.says
    if key == "json:":
        path, _, expected = value.partition(" = ")
        return value_at(json.loads(ended.out), path) == json.loads(expected)
    raise Failed(f"unknown expectation {key!r}; there are exit out: err: says: not: json:")


def value_at(document, path: str):
    """features.x.value, findings[0].line, length(changes)"""
    if path.startswith("length("):
        return len(value_at(document, path[7:-1]))
    for part in re.findall(r"[^.\[\]]+", path):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


# ---------------------------------------------------------------- the kinds of blocks

def do_file(project: Project, block: Block) -> None:
    project.write(block.subject, block.body + "\n" if block.body else "")


def do_append(project: Project, block: Block) -> None:
    with open(project.path(block.subject), "ab") as out:
        out.write((block.body + "\n").encode())


def do_make(project: Project, block: Block) -> None:
    project.write(block.subject, generators.content_of(block.body))


def do_remove(project: Project, block: Block) -> None:
    os.remove(project.path(block.subject))


def do_icecore(project: Project, block: Block) -> None:
    check_answer(project.call(*shlex.split(block.subject)), block.body)


def do_at_once(project: Project, block: Block) -> None:
    """Commands that run beside one another; all must succeed."""
    processes = [project.start(*shlex.split(line)) for line in block.body.splitlines()]
    for ended in [project.end(process) for process in processes]:
        check_answer(ended, "")


def do_check(project: Project, block: Block) -> None:
    if not generators.holds(block.body, project.folder):
        raise Failed(f"not so: {block.body}")


def table_of_sql(project: Project, block: Block) -> str:
    return text_of_table(project.sql(block.subject))


def table_of_file(project: Project, block: Block) -> str:
    return text_of_table(read_table(project.path(block.subject)))


ACTIONS = {"file": do_file, "append": do_append, "make": do_make, "remove": do_remove, "icecore": do_icecore,
           "at_once": do_at_once, "check": do_check}
TABLES = {"sql": table_of_sql, "table": table_of_file}
KINDS = [*ACTIONS, *TABLES]


def run_spec(icecore: str, path: str, rewrite: bool, keep: str | None) -> str | None:
    """None when the spec holds, else what is wrong with it."""
    with tempfile.TemporaryDirectory(prefix="spec-") as temporary:
        spec = None
        try:
            spec = parse(path)
            project = Project(icecore, os.path.join(keep or temporary, spec.name))
            if not any(block.subject == "icecore.yaml" for block in spec.blocks):
                project.write("icecore.yaml", DEFAULT_PROJECT)
            run_blocks(project, spec, rewrite)
        except Failed as failed:
            return str(failed)
        except Exception as error:  # a spec that could not run has failed
            return f"{type(error).__name__}: {error}"
    return None


def run_blocks(project: Project, spec: Spec, rewrite: bool) -> None:
    text = spec.text
    for block in spec.blocks:
        try:
            if block.kind in ACTIONS:
                ACTIONS[block.kind](project, block)
                continue
            got = TABLES[block.kind](project, block)
        except Failed as failed:
            raise Failed(f"line {block.line}: {block.kind} {block.subject}: {failed}") from None
        if got == block.body:
            continue
        if not rewrite:
            raise Failed(f"line {block.line}: {block.kind} {block.subject}: got\n{got}\nexpected\n{block.body}")
        title = f"== {block.kind} {block.subject}\n"
        text = text.replace(title + block.body, title + got + ("" if block.body else "\n"), 1)
    if text != spec.text:
        with open(spec.path, "w", encoding="utf-8") as out:
            out.write(text)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the spec files.")
    parser.add_argument("--icecore", required=True)
    parser.add_argument("-k", default="", help="only specs with this in their path")
    parser.add_argument("--rewrite", action="store_true", help="put the tables given into the files")
    parser.add_argument("--keep", help="keep the projects in this folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    given = parser.parse_args()
    paths = sorted(path for path in glob.glob(os.path.join(HERE, "*", "*.test")) if given.k in path)
    passed = failed = 0
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        outcomes = pool.map(lambda path: run_spec(given.icecore, path, given.rewrite, given.keep), paths)
        for path, wrong in zip(paths, outcomes):
            if wrong is None:
                passed += 1
            else:
                failed += 1
                print(f"FAIL {os.path.relpath(path, HERE)}: {wrong}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
