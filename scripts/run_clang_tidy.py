#!/usr/bin/env python3
"""clang-tidy over the sources, with the compile commands of build/tidy and the checks of .clang-tidy.

    run_clang_tidy.py [--all | FILE...]

A source that was clean with its headers, checks, arguments and clang-tidy as they are now is not read again: that is
kept in ~/.cache/icecore/clang-tidy (under $XDG_CACHE_HOME, if set), by content, so every clone on a machine shares it.
Of the others at most 40 are read, those that changed last first: what is not committed, then by the last commits; a
header counts through a source that includes it. What lies beyond counts as skipped; --all reads it too.
Sources of tests, fuzzers and benchmarks are left out. Last line: `N passed, N failed[, N skipped]`.
"""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "tidy")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "icecore", "clang-tidy")
KEEP_S = 60 * 86400
CLANG_TIDY = "clang-tidy-19"
LAST_COMMITS = 200
LIMIT = 40  # some three minutes on two cores
CPU_S = 300  # of the processor, so that a busy machine is no finding
LEFT_OUT = re.compile(r"_(test|fuzz|bench)\.cc$")
CPP = ("--", "*.cc", "*.h")


def git(*arguments):
    """Lines of output; none where git fails, as in a copy without history."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.splitlines() if done.returncode == 0 else []


def source_of(header, sources):
    """A source through which the header is seen; None for a header that only tests include."""
    own = re.sub(r"(_internal)?\.h$", ".cc", header)
    if own in sources:
        return own
    included = '#include "' + header.removeprefix("src/") + '"'
    found = [file for file in git("grep", "-lF", included, "--", "*.cc") if file in sources]
    folder = os.path.dirname(header)
    return min(found, key=lambda file: (os.path.dirname(file) != folder, file), default=None)


def newest_first(sources):
    """All the sources; those that changed last, in the work tree or the last commits, come first."""
    files = git("diff", "--name-only", "HEAD", *CPP) + git("ls-files", "--others", "--exclude-standard", *CPP)
    files += git("log", "--format=", "--name-only", "-n", str(LAST_COMMITS), *CPP)
    changed = (file if file.endswith(".cc") else source_of(file, sources) for file in dict.fromkeys(files))
    return list(dict.fromkeys([*(file for file in changed if file in sources), *sorted(sources)]))


def compile_commands():
    """Relative path of each source to check -> its compile command as a list."""
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as file:
        entries = json.load(file)
    commands = {os.path.relpath(entry["file"], ROOT): shlex.split(entry["command"]) for entry in entries}
    return {file: command for file, command in commands.items()
            if not LEFT_OUT.search(file) and not file.startswith("build/")}


def anywhere(text):
    """The same in every clone."""
    return text.replace(ROOT + os.sep, "").replace(ROOT, ".")


def content_now(path):
    """Digest of a file, None where there is none; relative paths are the clone's."""
    try:
        with open(os.path.join(ROOT, path), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None


content = functools.lru_cache(maxsize=None)(content_now)  # as this run found it


@functools.lru_cache(maxsize=None)
def checker():
    """What decides besides the source: this clang-tidy and the checks."""
    version = subprocess.run([CLANG_TIDY, "--version"], capture_output=True, text=True, check=True).stdout
    return version + content(".clang-tidy")


def digest(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class Memory:
    """What is known of one source: a file with the headers it had (by source and arguments), and a mark, which exists
    if the source was clean with all of them as they are (by the contents of all)."""

    def __init__(self, source, command):
        self.command = command
        self.arguments = digest(checker(), anywhere(" ".join(command)))
        self.headers_file = os.path.join(CACHE, "headers-" + digest(self.arguments, source, content(source)))

    def is_clean(self):
        try:
            with open(self.headers_file, encoding="utf-8") as file:
                mark = self.mark(file.read().splitlines())
            os.utime(mark)
            os.utime(self.headers_file)
        except OSError:
            return False
        return True

    def mark(self, headers, content_of=content):
        contents = (f"{path} {content_of(path)}" for path in headers)
        return os.path.join(CACHE, "clean-" + digest(self.arguments, *contents))

    def headers_now(self):
        """Every file the source is made of, the system's too; None if it does not compile."""
        command = self.command
        command = [part for i, part in enumerate(command) if part not in ("-c", "-o") and command[i - 1] != "-o"]
        done = subprocess.run([*command, "-M"], cwd=BUILD, capture_output=True, text=True)
        if done.returncode != 0:
            return None
        paths = done.stdout.split(": ", 1)[1].replace("\\\n", " ").split()
        return sorted({anywhere(os.path.normpath(os.path.join(BUILD, path))) for path in paths})

    def keep_clean(self, mark, headers):
        for path, text in ((mark, ""), (self.headers_file, "\n".join(headers))):
            with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(f"{path}.{os.getpid()}", path)


def check(source, memory):
    """Returns (whether it is clean, text to show)."""
    headers = memory.headers_now()
    mark = headers and memory.mark(headers, content_now)
    done = subprocess.run(["prlimit", f"--cpu={CPU_S}", CLANG_TIDY, "--quiet", "-p", BUILD, "--warnings-as-errors=*",
                           os.path.join(ROOT, source)], capture_output=True, text=True)
    if done.returncode == 0 and mark and mark == memory.mark(headers, content_now):  # nobody wrote meanwhile
        memory.keep_clean(mark, headers)
    return done.returncode == 0, done.stdout or done.stderr or f"ended with {done.returncode}"


def forget_old():
    """Bounds the cache: what no run looked at for two months goes."""
    for entry in os.scandir(CACHE):
        if entry.stat().st_mtime < time.time() - KEEP_S:
            os.unlink(entry.path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("file", nargs="*")
    arguments = parser.parse_args()
    commands = compile_commands()
    wanted = [os.path.relpath(os.path.abspath(file), ROOT) for file in arguments.file]
    for file in wanted:
        if file not in commands:
            parser.error(f"{file} is no source that is compiled for clang-tidy")
    os.makedirs(CACHE, exist_ok=True)
    forget_old()
    known = {file: Memory(file, commands[file]) for file in wanted or newest_first(set(commands))}
    unread = [file for file, memory in known.items() if not memory.is_clean()]
    reading = unread if arguments.all or wanted else unread[:LIMIT]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for source, (clean, text) in zip(reading, pool.map(lambda file: check(file, known[file]), reading)):
            if not clean:
                failed += 1
                print(f"{source}:\n{text}", flush=True)
    skipped = len(unread) - len(reading)
    print(f"{len(known) - len(unread)} were clean before, {len(reading)} read now")
    if skipped:
        print(f"{skipped} more that no clean result is known of: ./dev tidy --all")
    print(f"{len(known) - skipped - failed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not known else 0


if __name__ == "__main__":
    sys.exit(main())
