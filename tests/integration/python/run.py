#!/usr/bin/env python3
"""The Python package, installed by `pip install .` into an environment of its own, beside other libraries.

    run.py --icecore BINARY [-k SUBSTRING]

libicecore.so is looked for beside the binary, in ../lib. The other libraries are those of .deps/bench. checks.py holds
what is checked; each group runs in a process of its own. Last line: `N passed, N failed`.
"""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv

import project_files

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
PEERS = os.path.join(ROOT, ".deps", "bench", "venv", "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
GROUPS = ("package", "frames", "parity", "online", "errors", "evidence", "verbs", "threads", "forks", "memory", "bindings", "header")


def install(folder: str, library: str) -> str:
    """An environment with the package and, on its path, the other libraries; returns its Python."""
    venv.create(folder, with_pip=True)
    python = os.path.join(folder, "bin", "python")
    done = subprocess.run([python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--no-deps",
                           "--no-index", ROOT], env={**os.environ, "ICECORE_LIBRARY": library}, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"pip install .: {done.stdout[-3000:]}{done.stderr[-3000:]}\n0 passed, 1 failed")
    packages = os.path.join(folder, "lib", os.path.basename(os.path.dirname(PEERS)), "site-packages")
    with open(os.path.join(packages, "peers.pth"), "w", encoding="utf-8") as file:
        file.write(PEERS + "\n")
    return python


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--icecore", required=True)
    parser.add_argument("-k", default="", help="only groups with this in their name")
    given = parser.parse_args()
    icecore = os.path.abspath(given.icecore)
    library = os.path.join(os.path.dirname(os.path.dirname(icecore)), "lib", "libicecore.so")
    for path in (icecore, library, PEERS):
        if not os.path.exists(path):
            print(f"{path} does not exist\n0 passed, 1 failed")
            return 1
    passed = failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        python = install(os.path.join(temporary, "venv"), library)
        project_files.write(os.path.join(temporary, "shop"))
        environment = {name: value for name, value in os.environ.items() if name not in ("ICECORE_LIBRARY", "PYTHONPATH")}
        environment.update(ICECORE_BINARY=icecore, ICECORE_HEADER=os.path.join(ROOT, "src", "icecore", "capi", "icecore.h"))
        for group in GROUPS:
            if given.k not in group:
                continue
            folder = os.path.join(temporary, group)
            shutil.copytree(os.path.join(temporary, "shop"), folder)
            done = subprocess.run([python, os.path.join(HERE, "checks.py"), group, folder], env=environment,
                                  cwd=temporary, capture_output=True, text=True, timeout=600)
            lines = done.stdout.splitlines()
            passed += sum(line.startswith("ok ") for line in lines)
            wrong = [line for line in lines if line.startswith("FAIL ")]
            if done.returncode != 0 and not wrong:
                wrong = [f"FAIL {group}: exit code {done.returncode}: {done.stderr[-2000:]}"]
            failed += len(wrong)
            print(f"{group}: {sum(line.startswith('ok ') for line in lines)} ok", *wrong, sep="\n", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
