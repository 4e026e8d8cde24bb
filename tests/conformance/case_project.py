"""The copy of a case that one binary works on, and what its commands say."""
import os
import shutil
import subprocess
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from comparison import last_line


class Failed(Exception):
    """What is wrong, in one line."""


class Skipped(Exception):
    """Why a case has nothing to say in this mode."""


@dataclass
class Settings:
    """How every case is asked."""
    mode: str = "plain"
    seed: int = 1
    timeout_s: float = 300              # for one command
    label_times: int = 40               # mode online asks at no more moments of a case than these
    project_lines: str = ""             # more settings of every case's project


class Project:
    """The copy of a case that one binary works on."""

    def __init__(self, icecore, folder, case, temporary, settings):
        self.icecore, self.case_folder, self.case, self.temporary, self.timeout_s = icecore, folder, case, temporary, settings.timeout_s
        self.folder = os.path.join(temporary, "project")
        self.outputs = 0
        kept = shutil.ignore_patterns("case.json", "expected*.parquet", "later")
        shutil.copytree(folder, self.folder, ignore=kept)
        if settings.project_lines:
            with open(os.path.join(self.folder, "icecore.yaml"), "a", encoding="utf-8") as file:
                file.write("\n" + settings.project_lines)

    def call(self, *arguments):
        """(exit code, stdout, stderr)."""
        try:
            done = subprocess.run([self.icecore, "-C", self.folder, *arguments], cwd=self.temporary, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=self.timeout_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{arguments[0]}: no end after {self.timeout_s} s") from None
        except (OSError, ValueError) as error:
            raise Failed(f"{arguments[0]}: {error}") from None
        return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")

    def must(self, *arguments):
        """stdout of a command that has to succeed."""
        code, out, err = self.call(*arguments)
        if code != 0:
            raise Failed(f"{arguments[0]}: exit code {code}: {last_line(err or out)}")
        return out

    def out(self):
        self.outputs += 1
        return f"got-{self.outputs:02d}.parquet"              # relative to -C, as in git

    def table(self, path):
        try:
            return pq.read_table(os.path.join(self.folder, path))
        except (OSError, pa.ArrowException) as error:
            raise Failed(f"{path}: {error}".splitlines()[0]) from None

    def training_set_arguments(self, what, out):
        arguments = ["training-set", what["service"], "--out", out]
        spine = what.get("spine", "spine.parquet")
        arguments += ["--spine", spine] if spine else []
        arguments += ["--at-version", what["at_version"]] if "at_version" in what else []
        return arguments + (["--known-at", what["known_at"]] if what.get("known_at", "label") != "label" else [])


def check_error(command, code, output, names):
    if code not in (1, 2):
        raise Failed(f"{command}: exit code {code}, expected an error (1 or 2)")
    if names and not any(name in output for name in names):
        raise Failed(f"{command}: the error names none of {names}: {last_line(output)}")


def agree(wrong, where=""):
    if wrong:
        raise Failed(where + wrong)
