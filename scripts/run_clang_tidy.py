#!/usr/bin/env python3
"""clang-tidy over what changed, with the compile commands of build/tidy and the checks of .clang-tidy.

    run_clang_tidy.py [--all] [--limit N]

On a branch: the files changed since it left main. On main, or where no main is to be found: those of the last
20 commits. Uncommitted and new files always. --all: every file. --limit: at most N, the newest changes first; what a
branch changed beyond that counts as skipped. A changed header is read through a source that includes it. Sources of
tests, fuzzers and benchmarks are left out. A source that was clean, with its headers and checks as they are now, is
not read again (build/tidy/clean). Last line: `N passed, N failed[, N skipped]`.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "tidy")
CLEAN = os.path.join(BUILD, "clean")
CLANG_TIDY = "clang-tidy-19"
MAIN_REFS = ("main", "origin/main", "origin/HEAD")
LAST_COMMITS = 20
TIMEOUT_S = 900
LEFT_OUT = re.compile(r"_(test|fuzz|bench)\.cc$")
CPP = ("--", "*.cc", "*.h")


def git(*arguments):
    """Lines of output; none where git fails, e.g. for a ref that is not there."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed_files():
    """(files, newest change first; whether they are a branch's own)."""
    files = git("diff", "--name-only", "HEAD", *CPP) + git("ls-files", "--others", "--exclude-standard", *CPP)
    head = git("rev-parse", "HEAD")
    base = next((found for ref in MAIN_REFS if (found := git("merge-base", "HEAD", ref))), head)
    since = [f"{base[0]}..HEAD"] if base != head else ["-n", str(LAST_COMMITS)]
    # Not -m: a merge's own changes are those of the commits it merged.
    files += git("log", "--format=", "--name-only", *since, *CPP)
    return [file for file in dict.fromkeys(files) if os.path.exists(os.path.join(ROOT, file))], base != head


def source_of(header, sources):
    """A source through which the header is seen; None for a header that only tests include."""
    own = re.sub(r"(_internal)?\.h$", ".cc", header)
    if own in sources:
        return own
    included = '#include "' + header.removeprefix("src/") + '"'
    found = [file for file in git("grep", "-lF", included, "--", "*.cc") if file in sources]
    folder = os.path.dirname(header)
    return min(found, key=lambda file: (os.path.dirname(file) != folder, file), default=None)


def compile_commands():
    """Relative path of each source -> its compile command as a list."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    return {os.path.relpath(entry["file"], ROOT): shlex.split(entry["command"]) for entry in entries}


def clean_mark(command):
    """The file that says this source was clean, named after all that decides it; None if it does not compile."""
    arguments = [part for i, part in enumerate(command) if part not in ("-c", "-o") and command[i - 1] != "-o"]
    done = subprocess.run([*arguments, "-MM"], cwd=BUILD, capture_output=True, text=True)
    if done.returncode != 0:
        return None
    digest = hashlib.sha256(" ".join(command).encode())
    for path in (os.path.join(ROOT, ".clang-tidy"), *done.stdout.replace("\\\n", " ").split()[1:]):
        with open(os.path.join(BUILD, path), "rb") as file:
            digest.update(path.encode() + b"\0" + hashlib.sha256(file.read()).digest())
    return os.path.join(CLEAN, digest.hexdigest())


def check(source, command):
    """Returns (whether it is clean, text to show)."""
    mark = clean_mark(command)
    if mark is not None and os.path.exists(mark):
        return True, ""
    try:
        done = subprocess.run([CLANG_TIDY, "--quiet", "-p", BUILD, "--warnings-as-errors=*", os.path.join(ROOT, source)],
                              capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False, f"no end after {TIMEOUT_S} s"
    if done.returncode == 0 and mark is not None:
        with open(mark, "w", encoding="utf-8"):
            pass
    return done.returncode == 0, done.stdout or done.stderr


def chosen(commands, everything, limit):
    """(sources to check, number of sources beyond the limit that count as skipped)."""
    sources = {file for file in commands if not LEFT_OUT.search(file) and not file.startswith("build/")}
    if everything:
        return sorted(sources), 0
    files, is_branch = changed_files()
    wanted = [file if file.endswith(".cc") else source_of(file, sources) for file in files]
    wanted = [file for file in dict.fromkeys(wanted) if file in sources]
    beyond = wanted[limit:] if limit else []
    return wanted[:limit], len(beyond) if is_branch else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--limit", type=int)
    arguments = parser.parse_args()
    commands = compile_commands()
    sources, skipped = chosen(commands, arguments.all, arguments.limit)
    os.makedirs(CLEAN, exist_ok=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for source, (clean, text) in zip(sources, pool.map(lambda file: check(file, commands[file]), sources)):
            if not clean:
                failed += 1
                print(f"{source}:\n{text}", flush=True)
    if skipped:
        print(f"{skipped} changed sources more than are read here: ./dev tidy")
    print(f"{len(sources) - failed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
