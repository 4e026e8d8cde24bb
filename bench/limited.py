"""A program ended where it takes too long or too much memory, with all that it began; and what a process has used."""
import contextlib
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

SECONDS = 600                  # of a peer
MEMORY = 20 << 30
LOOK_S = 0.25
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Ended:
    status: int
    out: str
    err: str
    over: str = ""             # the limit that it met

    def why(self):
        """One line; empty where it ended well."""
        if self.over:
            return f"did not finish in {self.over}"
        said = self.err.strip().splitlines()
        return "" if self.status == 0 else said[-1][-300:] if said else f"exit code {self.status}"


def alone(command):
    """The command below a shell: a child that Python begins itself would report Python's peak memory as its own."""
    return ["sh", "-c", '"$@"; exit $?', "sh", *[str(part) for part in command]]


def stat(process):
    """The fields of /proc/PROCESS/stat that follow the name; None when the process is gone."""
    try:
        with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def members(session):
    """(process, fields) of each process of the session."""
    for entry in os.listdir("/proc"):
        fields = stat(entry) if entry.isdigit() else None
        if fields and int(fields[3]) == session:
            yield int(entry), fields


def run(command, environment=None, seconds=SECONDS, memory=MEMORY):
    """In a session of its own, so that what a peer begins (Spark's Java) is counted and ends with it."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                 env=environment, start_new_session=True)
        over, until = "", time.monotonic() + seconds
        try:
            while not over:
                try:
                    child.wait(LOOK_S)
                    break
                except subprocess.TimeoutExpired:
                    if time.monotonic() > until:
                        over = f"{seconds} s"
                    elif sum(int(fields[21]) for _, fields in members(child.pid)) * PAGE > memory:
                        over = f"{memory >> 30} GiB"
        finally:
            for process, _ in members(child.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            child.wait()
        out.seek(0)
        err.seek(0)
        return Ended(child.returncode, out.read(), err.read(), over)


def peak_bytes(process):
    """The most memory that a process ever had resident."""
    with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) * 1024


def processor_seconds(process):
    fields = stat(process)
    return (int(fields[11]) + int(fields[12])) / TICKS
