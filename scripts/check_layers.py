#!/usr/bin/env python3
"""Checks the arrows between modules, the third-party headers and the lengths of files under src/icecore.

    check_layers.py [ROOT]        checks ROOT/src/icecore (default: this repository) and itself

Rules (ARCHITECTURE.md):
  level      an include points to a lower level or stays in its module; the binary's *_main.cc may join the shells
  internal   x_internal.h is included by its own module only
  exclusive  a third-party library is included by one module; Arrow by all; test libraries by tests
  header     headers do not include heavy third-party or standard headers
  length     a .cc has at most 800 lines, a .h at most 400
The check proves itself first: it must notice one planted break of each rule. Last line: `N passed, N failed`.
"""
import os
import re
import sys
import tempfile

LEVELS = {
    "base": 0,
    "spec": 1, "expr": 1, "state": 1, "net": 1,
    "catalog": 2, "lake": 2, "sql": 2,
    "feature": 3, "online": 3, "ingest": 3, "quality": 3, "lineage": 3, "govern": 3,
    "pipeline": 4,
    "engine": 5,
    "cli": 6, "server": 6, "capi": 6,
}
MAX_LINES = {".cc": 800, ".h": 400}

# Library by the beginning of an included path. What is not listed and not of the standard library is an error.
LIBRARIES = {  # what stands first decides
    "arrow/flight/": "arrow-flight", "arrow/": "arrow", "parquet/": "arrow",
    "gtest/": "test", "gmock/": "test", "rapidcheck": "test", "benchmark/": "test",
    "duckdb.h": "duckdb", "sqlite3.h": "sqlite", "yaml-cpp/": "yaml-cpp", "CLI/": "cli11", "spdlog/": "spdlog",
    "nlohmann/": "nlohmann-json", "simdjson": "simdjson", "lmdb.h": "lmdb", "xxhash.h": "xxhash",
    "zip.h": "libzip", "zlib.h": "zlib", "zstd": "zstd", "prometheus/": "prometheus-cpp", "boost/": "boost",
    "openssl/": "openssl", "roaring/": "roaring", "curl/": "curl", "expat.h": "expat", "hiredis/": "hiredis", "librdkafka/": "rdkafka",
    "libpq": "libpq", "mariadb": "libmariadb", "arrow-adbc/": "adbc",
}
# Arrow is the language that modules speak; JSON of control paths stays inside .cc files (rule `header`).
SHARED = {"arrow", "test", "nlohmann-json"}
STANDARD = re.compile(r"^([a-z0-9_]+|c[a-z]+|(sys|netinet|arpa|linux|net)/[a-z0-9_]+\.h"
                      r"|(unistd|fcntl|dirent|dlfcn|elf|errno|link|limits|poll|pthread|sched|signal|stdlib|string|stdint|stdio"
                      r"|stddef|time|fnmatch|glob|malloc|getopt|immintrin|x86intrin|endian|math)\.h)$")
NOT_IN_HEADERS = ("arrow/api.h", "nlohmann/", "regex", "iostream", "filesystem", "simdjson", "boost/", "duckdb.h",
                  "yaml-cpp/", "sqlite3.h", "lmdb.h", "spdlog/", "CLI/", "curl/", "hiredis/", "expat.h",
                  "arrow/flight/")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def is_test_file(relative):
    """Tests, and headers that only tests include: contract suites and their data."""
    return relative.endswith(("_test.cc", "_contract.h", "_test_data.h", "_fixture.h", "_testing.h", "_fuzz.cc", "_bench.cc"))


def library_of(path):
    for start, library in LIBRARIES.items():
        if path.startswith(start):
            return library
    return None


def sources(root):
    top = os.path.join(root, "src", "icecore")
    for folder, folders, names in os.walk(top):
        folders.sort()
        for name in sorted(names):
            if name.endswith((".h", ".cc")):
                path = os.path.join(folder, name)
                yield path, os.path.relpath(path, top).replace(os.sep, "/")


def project_include(module, relative, target, where):
    """The problems of including "icecore/TARGET" in a file of MODULE."""
    other = target.split("/")[0]
    if other not in LEVELS:
        yield f"{where}: level: unknown module '{other}'"
        return
    if other == module:
        return
    joins_shells = relative.endswith("_main.cc") and LEVELS[other] == LEVELS[module]
    if LEVELS[other] >= LEVELS[module] and not joins_shells:
        yield (f"{where}: level: {module} (L{LEVELS[module]}) includes {other} (L{LEVELS[other]}); "
               f"includes point down only")
    if target.endswith("_internal.h"):
        yield f"{where}: internal: {target} belongs to {other}"


def third_party_include(relative, path, where, users):
    """The problems of including <PATH>; records in USERS which module uses which library."""
    is_test = is_test_file(relative)
    if relative.endswith(".h") and not is_test:
        for banned in NOT_IN_HEADERS:
            if path == banned or (banned.endswith("/") and path.startswith(banned)):
                if not relative.endswith("_internal.h"):
                    yield f"{where}: header: <{path}> belongs in a .cc or an _internal.h"
    library = library_of(path)
    if library is None:
        if not STANDARD.match(path):
            yield f"{where}: exclusive: <{path}> is of no known library; add it to scripts/check_layers.py"
        return
    if library == "test" and not is_test:
        yield f"{where}: exclusive: <{path}> belongs in tests"
    if library not in SHARED:
        users.setdefault(library, {}).setdefault(relative.split("/")[0], where)


def check(root):
    """Returns (number of files, problems)."""
    problems, users, files = [], {}, 0
    for path, relative in sources(root):
        files += 1
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        module, extension = relative.split("/")[0], os.path.splitext(relative)[1]
        if module not in LEVELS:
            problems.append(f"src/icecore/{relative}: level: '{module}' is no module of ARCHITECTURE.md")
            continue
        most = MAX_LINES[".cc" if is_test_file(relative) else extension]
        if len(lines) > most:
            problems.append(f"src/icecore/{relative}: length: {len(lines)} lines, at most {most}")
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, target = match.groups()
            where = f"src/icecore/{relative}:{number}"
            if target.startswith("icecore/"):
                problems += project_include(module, relative, target[len("icecore/"):], where)
            elif quote == '"' and library_of(target) is None:
                problems.append(f"{where}: level: \"{target}\": write the path from src, \"icecore/MODULE/...\"")
            else:
                problems += third_party_include(relative, target, where, users)
    for library, modules in sorted(users.items()):
        if len(modules) > 1:
            problems.append(f"{library}: exclusive: included by {', '.join(sorted(modules))} "
                            f"({'; '.join(sorted(modules.values()))})")
    return files, problems


PLANTED = {  # rule: files that break it once
    "level up": ("level", {"base/a.h": '#include "icecore/spec/b.h"\n'}),
    "level same": ("level", {"lake/a.cc": '#include "icecore/sql/b.h"\n'}),
    "level relative": ("level", {"lake/a.cc": '#include "b.h"\n'}),
    "level unknown": ("level", {"helpers/a.cc": "\n"}),
    "internal": ("internal", {"sql/a.cc": '#include "icecore/base/b_internal.h"\n'}),
    "exclusive": ("exclusive", {"sql/a.cc": "#include <sqlite3.h>\n", "catalog/a.cc": "#include <sqlite3.h>\n"}),
    "exclusive part": ("exclusive", {"server/a.cc": "#include <arrow/flight/server.h>\n",
                                     "cli/a.cc": "#include <arrow/flight/client.h>\n"}),
    "exclusive unknown": ("exclusive", {"sql/a.cc": "#include <leveldb/db.h>\n"}),
    "exclusive test": ("exclusive", {"sql/a.cc": "#include <gtest/gtest.h>\n"}),
    "header": ("header", {"sql/a.h": "#include <regex>\n"}),
    "length cc": ("length", {"sql/a.cc": "\n" * 801}),
    "length h": ("length", {"sql/a.h": "\n" * 401}),
}
CLEAN = {"cli/icecore_main.cc": '#include "icecore/server/b.h"\n', "sql/a.cc": '#include "icecore/base/b.h"\n'
         "#include <duckdb.h>\n#include <vector>\n#include <sys/stat.h>\n",
         "sql/a_test.cc": "#include <gtest/gtest.h>\n"}


def check_planted(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = os.path.join(root, "src", "icecore", name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        return check(root)[1]


def self_test():
    """Returns (number of tests, problems)."""
    problems = []
    for name, (rule, files) in PLANTED.items():
        found = check_planted(files)
        if len(found) != 1 or f": {rule}: " not in found[0]:
            problems.append(f"self-test '{name}': expected one problem of rule {rule}, got {found}")
    found = check_planted(CLEAN)
    if found:
        problems.append(f"self-test 'clean': expected no problem, got {found}")
    return len(PLANTED) + 1, problems


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    tests, broken = self_test()
    files, problems = check(root)
    for line in broken + problems:
        print(line)
    at_fault = {line.split(":")[0] for line in problems}
    failed = len(broken) + len(at_fault)
    print(f"{max(tests + files - failed, 0)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
