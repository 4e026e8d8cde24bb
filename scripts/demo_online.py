"""Served = offline: the demo's questions over HTTP beside a training set for the same keys and time."""
import json
import os
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request

import pyarrow as pa
import pyarrow.parquet as pq

KEYS = {"carrier": pa.string(), "origin": pa.string(), "dest": pa.string(), "tailnum": pa.string()}
REQUEST = {"distance_mi": pa.float64(), "scheduled_min": pa.float64()}
BATCH = 100
START_S = 20
# Windows that every flight of these carriers, origins and destinations should fill.
USUAL = ("carrier_arr_delay_min_mean_7d", "origin_arr_delay_min_mean_1d", "dest_arr_delay_min_mean_7d", "origin_temp")


class Server:
    """`icecore serve` on a free port, stopped by SIGTERM at the end."""

    def __init__(self, project, now):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.log = project.path("serve.log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([project.binary, "-C", project.folder, "serve", "--http", self.address,
                                             "--now", now], stdout=log, stderr=log)

    def __enter__(self):
        deadline = time.monotonic() + START_S
        while True:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                with open(self.log, encoding="utf-8", errors="replace") as log:
                    raise RuntimeError(f"icecore serve did not start: {log.read()[-2000:]}")
            try:
                urllib.request.urlopen(f"http://{self.address}/readyz", timeout=5).read()
                return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def features(self, service, rows):
        """POST /v1/features; one {feature: {value, status}} a row."""
        body = {"service": service,
                "entities": {name: [row[name] for row in rows] for name in KEYS},
                "request": {name: [row[name] for row in rows] for name in REQUEST}}
        request = urllib.request.Request(f"http://{self.address}/v1/features", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return vectors(json.load(reply), len(rows))
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"/v1/features: {error.code} {error.read().decode(errors='replace')[:500]}") from None


def vectors(reply, rows):
    """The columns of an answer as a list of {feature: {value, status}}."""
    if reply["num_rows"] != rows:
        raise RuntimeError(f"{reply['num_rows']} vectors for {rows} questions")
    return [{name: {"value": column["values"][row], "status": column["statuses"][row]}
             for name, column in reply["features"].items()} for row in range(rows)]


def bits(value):
    """A value so that two are equal only if their bits are."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, float):
        return struct.pack(">d", value).hex()
    return value


def same_bits(served, offline):
    """JSON has one kind of number: a float of the offline store is compared as a float."""
    if isinstance(offline, float) and isinstance(served, int) and not isinstance(served, bool):
        served = float(served)
    if isinstance(offline, float) and served in ("NaN", "Infinity", "-Infinity"):
        served = float(served)
    return type(served) is type(offline) and bits(served) == bits(offline)


def ask_offline(project, now, rows):
    spine = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in {**KEYS, **REQUEST}.items()})
    moment = pa.scalar(now.replace("Z", ""), pa.string()).cast(pa.timestamp("us")).value
    times = pa.array([moment] * len(rows), pa.int64()).cast(pa.timestamp("us", "UTC"))
    spine = spine.append_column("event_timestamp", times)
    path = project.path("parity_spine.parquet")
    pq.write_table(spine, path)
    answer, _ = project.training_set("delay_model", path, project.path("parity.parquet"))
    return answer.select(answer.column_names[spine.num_columns:])


def ask_online(project, now, rows):
    """Returns (vectors, seconds of the questions)."""
    with Server(project, now) as server:
        started = time.monotonic()
        answers = []
        for first in range(0, len(rows), BATCH):
            answers += server.features("delay_model", rows[first:first + BATCH])
        return answers, time.monotonic() - started


def compare(story, project, now, rows):
    """Checks parity bit for bit and that the answers are not mostly nothing."""
    online, seconds = ask_online(project, now, rows)
    offline = ask_offline(project, now, rows)
    names = offline.column_names
    story.say(f"{len(rows):,} keys in {-(-len(rows) // BATCH)} requests, {seconds:.2f} s; {len(names)} features")
    columns = {name: offline[name].to_pylist() for name in names}
    different = [(name, row, online[row].get(name, {}).get("value"), columns[name][row])
                 for name in names for row in range(len(rows))
                 if name not in online[row] or not same_bits(online[row][name]["value"], columns[name][row])]
    for name, row, got, expected in different[:5]:
        story.say(f"  row {row} {name}: served {got!r}, offline {expected!r}")
    story.check(f"served = offline for {len(rows):,} keys × {len(names)} features, bit for bit: "
                f"{len(different)} differences", len(rows) > 0 and not different)
    story.check("1,000 keys were asked", len(rows) == 1000)
    share(story, names, online, rows)


def share(story, names, online, rows):
    """How many values there are per feature, and whether those that should be there are."""
    present = {name: sum(vector[name]["value"] is not None for vector in online) for name in names}
    full = [name for name in names if present[name] == len(rows)]
    story.say(f"share of keys with a value: 100 % in {len(full)} features; in the others")
    texts = [f"{name} {100 * present[name] / len(rows):.1f}" for name in names if name not in full]
    width = max(map(len, texts), default=0) + 2
    for first in range(0, len(texts), 3):
        story.say("  " + "".join(f"{text:<{width}}" for text in texts[first:first + 3]).rstrip())
    filled = sum(all(vector[name]["value"] is not None for name in USUAL) for vector in online)
    story.check(f"{100 * filled / len(rows):.1f} % of the keys have the mean delay of carrier, origin and destination,"
                " and the weather (at least 95 %)", filled >= 0.95 * len(rows))
    origins = {}
    day = [name for name in names if name.startswith("origin_") and name.endswith("_1d")]
    for row, vector in zip(rows, online):
        origins.setdefault(row["origin"], []).append(all(vector[name]["value"] is not None for name in day))
    story.check(f"the 1d windows of {', '.join(sorted(origins))} hold values",
                sorted(origins) == ["EWR", "JFK", "LGA"] and all(all(values) for values in origins.values()))
