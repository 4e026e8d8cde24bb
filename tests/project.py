"""A project on disk and the binary that works on it, for the runners of this folder."""
import json
import os
import subprocess
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

TIMEOUT_S = 120


class Failed(Exception):
    """What is wrong, in words that name the command or the rows."""


@dataclass
class Ended:
    """A command that has ended."""
    code: int
    out: str
    err: str

    @property
    def says(self) -> str:
        return self.out + self.err


class Project:
    def __init__(self, icecore: str, folder: str):
        self.icecore, self.folder = os.path.abspath(icecore), folder
        self.answers = 0
        os.makedirs(folder, exist_ok=True)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def write(self, name: str, content: str | bytes) -> None:
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content.encode() if isinstance(content, str) else content)

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen([self.icecore, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self, process: subprocess.Popen, timeout_s: float = TIMEOUT_S) -> Ended:
        try:
            out, err = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failed(f"{' '.join(process.args[1:])}: no end after {timeout_s} s") from None
        return Ended(process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def call(self, *arguments: str, timeout_s: float = TIMEOUT_S) -> Ended:
        return self.end(self.start(*arguments), timeout_s)

    def must(self, *arguments: str, timeout_s: float = TIMEOUT_S) -> str:
        """stdout of a command that has to succeed."""
        ended = self.call(*arguments, timeout_s=timeout_s)
        if ended.code != 0:
            raise Failed(f"icecore {' '.join(arguments)}: exit code {ended.code}\n{ended.says}".rstrip())
        return ended.out

    def json(self, *arguments: str):
        return json.loads(self.must(*arguments, "--json"))

    def sql(self, query: str) -> pa.Table:
        self.answers += 1
        out = f"answer-{self.answers}.parquet"
        self.must("sql", query, "--out", out)
        return pq.read_table(self.path(out))

    def rows(self, query: str) -> list[dict]:
        return self.sql(query).to_pylist()

    def value(self, query: str):
        """The one value of the one row of an answer."""
        (row,) = self.rows(query)
        (value,) = row.values()
        return value
