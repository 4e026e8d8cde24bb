#!/usr/bin/env python3
"""clang-tidy over the sources, with the compile commands of build/tidy and the checks of .clang-tidy.

    run_clang_tidy.py [FILE...]

A source that was clean with its headers, checks, arguments and clang-tidy as they are now is not read again: that is
kept in ~/.cache/icecore/clang-tidy (under $XDG_CACHE_HOME, if set), by content, so every clone on a machine shares it.
The others are read together with those of their module that are compiled alike, up to a dozen at a time: of one source
alone the headers of Arrow and the standard library are most of the work.
Sources of tests, fuzzers and benchmarks are left out. Last line: `N passed, N failed`.
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
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "tidy")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "icecore", "clang-tidy")
KEEP_S = 60 * 86400
CLANG_TIDY = "clang-tidy-19"
CPU_S = 300  # of the processor, so that a busy machine is no finding
LEFT_OUT = re.compile(r"_(test|fuzz|bench)\.cc$")
GROUP = 12  # a unit of more says as little as its slowest source, and one finding reads more of them again
INCLUDE = re.compile(r'^#include "(icecore/[^"]+)"', re.MULTILINE)
FINDING = re.compile(r"^(/[^:]+):\d+:\d+: (?:error|warning): ", re.MULTILINE)


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

    def keep_clean(self, mark, headers):
        for path, text in ((mark, ""), (self.headers_file, "\n".join(headers))):
            with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(f"{path}.{os.getpid()}", path)


def groups(sources, commands):
    """Sources that are compiled alike, up to GROUP of them together: headers are parsed and matched once for all."""
    alike = {}
    for source in sources:
        command = [part for part in commands[source] if source not in part and not part.endswith(".o")]
        alike.setdefault((os.path.dirname(source), *command), []).append(source)
    for found in alike.values():
        pieces = -(-len(found) // GROUP)
        yield from (found[i::pieces] for i in range(pieces))


def included(path, seen):
    """Adds the repository's files that a file includes, whatever #if says."""
    if path in seen or not os.path.exists(os.path.join(ROOT, path)):
        return seen
    seen.add(path)
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        for name in INCLUDE.findall(file.read()):
            included("src/" + name, seen)
    return seen


class Unit:
    """A source that includes those of a group, with their compile command."""

    def __init__(self, folder, sources, command):
        self.sources = sources
        self.path = os.path.join(folder, digest(*sources) + ".cc")
        with open(self.path, "w", encoding="utf-8") as file:
            file.writelines(f'#include "{os.path.join(ROOT, source)}"\n' for source in sources)
        kept = [part for i, part in enumerate(command) if part not in ("-c", "-o") and command[i - 1] != "-o"]
        self.arguments = [part for part in kept[1:] if not part.endswith(sources[0])]
        self.compiler = kept[0]

    def headers(self):
        """Source -> every file it is made of, the system's too; None where the unit does not compile."""
        done = subprocess.run([self.compiler, *self.arguments, "-M", self.path], cwd=BUILD, capture_output=True, text=True)
        if done.returncode != 0:
            return None
        paths = done.stdout.split(": ", 1)[1].replace("\\\n", " ").split()
        paths = {anywhere(os.path.normpath(os.path.join(BUILD, path))) for path in paths} - {self.path}
        foreign = {path for path in paths if not path.startswith("src/")}
        return {source: sorted(foreign | included(source, set())) for source in self.sources}

    def run(self):
        return subprocess.run(
            ["prlimit", f"--cpu={CPU_S * len(self.sources)}", CLANG_TIDY, "--quiet", "--warnings-as-errors=*",
             "--config-file=" + os.path.join(ROOT, ".clang-tidy"), "--checks=-bugprone-suspicious-include",
             self.path, "--", *self.arguments], cwd=BUILD, capture_output=True, text=True)


def check(sources, known, folder):
    """Pairs of a source and what is to be said about it, nothing where it is clean."""
    unit = Unit(folder, sources, known[sources[0]].command)
    headers = unit.headers()
    marks = headers and {source: known[source].mark(headers[source], content_now) for source in sources}
    done = unit.run()
    texts = dict.fromkeys(sources, "")
    if done.returncode != 0:
        found = FINDING.findall(done.stdout)
        if len(sources) > 1 and (not found or "clang-diagnostic-error" in done.stdout):  # they do not go together
            return [pair for source in sources for pair in check([source], known, folder)]
        named = [source for source in sources if any(path.endswith("/" + source) for path in found)] or sources[:1]
        texts[named[0]] = done.stdout or done.stderr or f"ended with {done.returncode}"
        texts.update(dict.fromkeys(named[1:], f"see {named[0]}"))
    for source in sources if marks else ():
        if not texts[source] and marks[source] == known[source].mark(headers[source], content_now):  # still as read
            known[source].keep_clean(marks[source], headers[source])
    return list(texts.items())


def forget_old():
    """Bounds the cache: what no run looked at for two months goes."""
    for entry in os.scandir(CACHE):
        if entry.stat().st_mtime < time.time() - KEEP_S:
            os.unlink(entry.path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", nargs="*")
    arguments = parser.parse_args()
    commands = compile_commands()
    wanted = [os.path.relpath(os.path.abspath(file), ROOT) for file in arguments.file]
    for file in wanted:
        if file not in commands:
            parser.error(f"{file} is no source that is compiled for clang-tidy")
    os.makedirs(CACHE, exist_ok=True)
    forget_old()
    known = {file: Memory(file, commands[file]) for file in wanted or sorted(commands)}
    unread = [file for file, memory in known.items() if not memory.is_clean()]
    failed = 0
    together = sorted(groups(unread, commands), key=len, reverse=True)
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for pairs in pool.map(lambda sources: check(sources, known, folder), together):
            for source, text in pairs:
                if text:
                    failed += 1
                    print(f"{source}:\n{text}", flush=True)
    print(f"{len(known) - len(unread)} were clean before, {len(unread)} read now")
    print(f"{len(known) - failed} passed, {failed} failed")
    return 1 if failed or not known else 0


if __name__ == "__main__":
    sys.exit(main())
