"""Features computed when asked, training sets of their own, and what must not change an answer: compaction, definitions, loads."""
import math
import struct

import pyarrow as pa

from case_writer import INSTANT, Ask, Case, add, asked_at, command, entity, get, rows, run, service, source, spine, table, us, view
from naive import Landed, Naive
from own.clocks import RECENT, project

EVENTS = "user_id happened_at told_at x"
LATEST = [source("events"), table("events"), entity(), view("latest", ["x", RECENT], known_at="told_at"), service("latest")]
MOVED = rows(EVENTS, (1, "09:00", "09:00", 1.0), (1, "09:30", "10:30", 2.0), (1, "10:00", "10:00", 4.0), (2, "09:00", "09:00", 8.0),
             (2, "10:00", "13:00", 16.0))
MOVED_SPINE = spine("user_id", *((user, time) for user in (1, 2, 3) for time in ("09:00", "10:00", "10:30", "12:00", "+1 08:00")))
LATER = rows(EVENTS, (1, "09:45", "09:50", 32.0), (1, "10:00", "11:00", 64.0), (2, "11:00", "11:00", 128.0), (3, "09:00", "09:00", 256.0))


def online(definitions: list[dict]) -> list[dict]:
    return [{**one, "online": True} if one.get("from", None) and "feature_view" in one else one for one in definitions]


# ---- XXH64, for the rule of samples (docs/formats/training-card.md)

MASK = 2**64 - 1
P1, P2, P3, P4, P5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def rotated(x: int, by: int) -> int:
    return (x << by | x >> 64 - by) & MASK


def xxh64_round(acc: int, lane: int) -> int:
    return rotated((acc + lane * P2) & MASK, 31) * P1 & MASK


def xxh64(data: bytes) -> int:
    """Seed 0."""
    at = 0
    if len(data) >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= len(data):
            lanes = [xxh64_round(lane, word) for lane, word in zip(lanes, struct.unpack_from("<4Q", data, at))]
            at += 32
        h = sum(rotated(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            h = ((h ^ xxh64_round(0, lane)) * P1 + P4) & MASK
    else:
        h = P5
    h = (h + len(data)) & MASK
    while at + 8 <= len(data):
        h = (rotated(h ^ xxh64_round(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(data):
        h = (rotated(h ^ struct.unpack_from("<I", data, at)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotated(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


assert xxh64(b"") == 0xEF46DB3751D8E999 and xxh64(b"abc") == 0x44BC2CF5AD770999


def sampled(fraction: float, seed: int, *values) -> bool:
    data = struct.pack("<q", seed)
    for value in values:
        if value is None:
            data += b"n"
        elif isinstance(value, str):
            data += b"t" + struct.pack("<q", len(value.encode())) + value.encode()
        else:
            data += b"i" + struct.pack("<q", value)
    return xxh64(data) < fraction * 2.0**64


# ---- training sets of their own

def with_columns(asked: pa.Table, definitions: list[dict], events: pa.Table, **more: pa.Array) -> pa.Table:
    """The spine, what the training set adds, and the features."""
    answer = Naive(definitions, {"events": [Landed(events)]}).answer("training", asked, "label")
    columns = {name: asked.column(name) for name in asked.column_names}
    columns.update(more)
    columns.update({name: answer.column(name) for name in answer.column_names[asked.num_columns:]})
    return pa.table(columns)


LABELLED = rows("user_id event_timestamp label:float64 label_known_at", (1, "10:00", 1.0, "11:00"), (1, "10:00", None, "11:00"),
                (1, "10:00", 2.0, None), (2, "10:00", 3.0, "+1 12:00"),
                (2, "10:00", 4.0, "+1 12:00:00.000001"), (1, "+1 10:00", 5.0, "+1 11:00"), (1, "+1 10:00:00.000001", 6.0, "+1 11:00"),
                (1, "+2 00:00", 7.0, "+2 01:00"), (1, "10:00", None, None))
# At the cut, a day and twelve hours on, what was asked before +1 10:00 is mature (two hours); a label known later is pending.
STATUS = ["known", "missing", "missing", "known", "pending", "known", "pending", "pending", "missing"]
HIDDEN = [status == "pending" for status in STATUS]
LABEL_SET = {"training_set": "labelled", "service": "training", "spine": {"file": "spine.parquet"},
             "label": {"column": "label", "known_at": "label_known_at", "mature_after": "2h"},
             "cut": "2024-03-02T12:00:00Z"}


def labelled() -> pa.Table:
    shown = {name: pa.array([None if hidden else value for value, hidden in zip(LABELLED.column(name).cast(kind).to_pylist(), HIDDEN)],
                            kind).cast(LABELLED.schema.field(name).type)
             for name, kind in (("label", pa.float64()), ("label_known_at", pa.int64()))}
    out = with_columns(LABELLED, LATEST, MOVED, label_status=pa.array(STATUS))
    for name, column in shown.items():
        out = out.set_column(out.column_names.index(name), name, column)
    return out


SPLIT_TIMES = {"00:00": "train", "23:59:59.999999": "train", "+1 00:00": "gap", "+1 11:59:59.999999": "gap", "+1 12:00": "valid", "+2 00:00": "valid",
               "+2 00:00:00.000001": "gap",
               "+2 11:59:59.999999": "gap", "+2 12:00": "test", "+3 00:00": "outside", "2030-01-01 00:00": "outside", "1969-12-31 00:00": "train"}
SPLIT_SPINE = spine("user_id", *((1, time) for time in SPLIT_TIMES), (1, None))
SPLIT_SET = {"training_set": "parted", "service": "training", "spine": {"file": "spine.parquet"},
             "split": {"train": "< 2024-03-02", "valid": "<= 2024-03-03T00:00:00Z", "test": "< 2024-03-04", "gap": "12h"}}

SAMPLE_SPINE = rows("user_id event_timestamp word", *((user, "10:00", word) for user in range(-3, 12) for word in ("a", "", "é", None)),
                    (None, "10:00", "a"), (5, None, "a"), (5, "10:00", "a"))
SAMPLE_SETS = [{"training_set": f"part_{name}", "service": "training", "spine": {"file": "spine.parquet"},
                "sample": {"fraction": fraction, "by": by, "seed": seed}}
               for name, fraction, by, seed in (("users", 0.3, ["user_id"], 7), ("more_users", 0.6, ["user_id"], 7), ("others", 0.3, ["user_id"], 8),
                                                ("rows", 0.5, ["user_id", "word"], 0))]


def sample_of(one: dict) -> pa.Table:
    rule = one["sample"]
    kept = [row for row, values in enumerate(zip(*(SAMPLE_SPINE.column(name).to_pylist() for name in rule["by"]))) if sampled(rule["fraction"],
                                                                                                                              rule["seed"], *values)]
    return with_columns(SAMPLE_SPINE.take(pa.array(kept, pa.int64())), LATEST, MOVED)


def hour_of(inputs: dict) -> int:
    return inputs["event_timestamp"] // 1000 // 3_600_000_000 % 24


def ratio(inputs: dict):
    amount, mean = inputs["amount"], inputs["mean"]
    return None if amount is None or mean is None or mean == 0 else amount / mean


CASES = [
    Case("300-request-and-features",
         "Features computed when asked from request data, stored features after their default, and the time asked for; division by zero and null give null.",
         [source("events"), table("events"), entity(), view("recent", [{"name": "mean", "aggregate": "mean", "of": "x", "windows": ["1h"],
                                                                        "default": 0.0}, "x"]),
          {"feature_view": "asked", "request": [{"name": "amount", "type": "float64"}, {"name": "word", "type": "string"}],
           "inputs": {"mean": "recent.mean_1h", "x": "recent.x"},
           "features": [{"name": "ratio", "expression": "amount / mean"}, {"name": "above", "expression": "amount > mean and word is not null"},
                        {"name": "hour", "expression": "date_part('hour', event_timestamp)"}, {"name": "size", "expression": "length(word)"},
                        {"name": "known", "expression": "case when x is null then 'no' else 'yes' end"},
                        {"name": "rest", "expression": "nullif(x, 2.0)", "default": -1.0}]},
          service("recent", "asked")],
         {"events": rows("user_id happened_at x", (1, "10:00", 1.0), (1, "10:30", 2.0), (2, "10:00", None), (3, "10:00", 0.0))},
         rows("user_id event_timestamp amount:float64 word", (1, "10:15", 3.0, "é🙂"), (1, "10:45", 3.0, ""), (2, "10:15", 3.0, None),
              (3, "10:15", -1.0, "a"), (4, "10:15", 0.0, "abc"),
              (1, "10:15", None, "x"), (1, "23:59:59.999999", 5.0, "null"), (1, "1969-12-31 23:00", 1.0, "a"), (1, None, 1.0, "a")),
         request=["amount", "word"],
         computed={"asked.ratio": (pa.float64(), ratio),
                   "asked.above": (pa.bool_(), lambda i: False if i["word"] is None else None if i["amount"] is None else i["amount"] > i["mean"]),
                   "asked.hour": (pa.int64(), hour_of), "asked.size": (pa.int64(), lambda i: None if i["word"] is None else len(i["word"])),
                   "asked.known": (pa.string(), lambda i: "no" if i["x"] is None else "yes"),
                   "asked.rest": (pa.float64(), lambda i: None if i["x"] == 2.0 else i["x"])}),
    Case("301-request-alone",
         "A view of request data alone needs no key that a table knows: it is computed of what the spine brings.",
         [source("events"), table("events"), entity(), view("latest", ["x"]),
          {"feature_view": "asked", "request": [{"name": "n", "type": "int64"}, {"name": "y", "type": "float64"}],
           "features": [{"name": "half", "expression": "n / 2"}, {"name": "rest", "expression": "n % 3"}, {"name": "root", "expression": "sqrt(y)"},
                        {"name": "same", "expression": "y = y"},
                        {"name": "least", "expression": "least(n, 4)"}, {"name": "filled", "expression": "coalesce(y, 0.5)"}]},
          service("latest", "asked")],
         {"events": rows("user_id happened_at x", (1, "10:00", 1.0))},
         rows("user_id event_timestamp n y:float64", (1, "10:30", 7, 4.0), (1, "10:30", -7, 0.25), (2, "10:30", 2**53, float("inf")),
              (2, "10:30", None, None), (3, "10:30", 0, -0.0), (1, "10:30", 3, float("nan"))),
         request=["n", "y"], computed={
             "asked.half": (pa.float64(), lambda i: None if i["n"] is None else i["n"] / 2),
             "asked.rest": (pa.int64(), lambda i: None if i["n"] is None else int(math.fmod(i["n"], 3))),
             "asked.root": (pa.float64(), lambda i: None if i["y"] is None else math.sqrt(i["y"])),
             "asked.same": (pa.bool_(), lambda i: None if i["y"] is None else i["y"] == i["y"]),
             "asked.least": (pa.int64(), lambda i: 4 if i["n"] is None else min(i["n"], 4)),
             "asked.filled": (pa.float64(), lambda i: 0.5 if i["y"] is None else i["y"])}),
    Case("302-labels-of-a-cut",
         "Labels are known, missing or pending at the cut: mature ones that were known by then, and no others; pending labels are not shown.",
         [*LATEST, LABEL_SET], {"events": MOVED}, LABELLED, steps=[run(), Ask(of="labelled", spine=None, expected=labelled())]),
    Case("303-splits-with-gaps",
         "A split parts the rows by time, what follows a bound within the gap belongs to no part; no row is lost.",
         [*LATEST, SPLIT_SET], {"events": MOVED}, SPLIT_SPINE,
         steps=[run(), Ask(of="parted", spine=None, expected=with_columns(SPLIT_SPINE, LATEST, MOVED,
                                                                          split=pa.array([*SPLIT_TIMES.values(), "outside"])))]),
    Case("304-samples",
         "A sample keeps whole groups by the hash of their values and the seed: the same rows each time, those of the lesser fraction among those of the greater.",
         [*LATEST, *SAMPLE_SETS], {"events": MOVED}, SAMPLE_SPINE,
         steps=[run(), *(Ask(of=one["training_set"], spine=None, expected=sample_of(one)) for one in SAMPLE_SETS), run(),
                Ask(of="part_users", spine=None, expected=sample_of(SAMPLE_SETS[0]))]),
    Case("305-a-set-again-after-compaction",
         "--at-version makes the rows of a card again, though rows came, were corrected and compacted since.",
         LATEST, {"events-1": MOVED}, MOVED_SPINE, later={"events-2": LATER},
         steps=[run(), Ask(), add("events-2"), run(), Ask(), command("compact"), Ask(),
                Ask(expected=Naive(LATEST, {"events": [Landed(MOVED)]}).answer("training", MOVED_SPINE, "label"),
                more={"at_version": "got-01.parquet.card.json"}), command("compact", "processing.events", "--cluster"), Ask(), Ask("latest"),
                Ask(expected=Naive(LATEST, {"events": [Landed(MOVED)]}).answer("training", MOVED_SPINE, "label"),
                    more={"at_version": "got-01.parquet.card.json"})]),
    Case("306-clustered-logs",
         "Answers do not depend on how rows rest: with logs clustered by key and time they are those of plain tables, with late rows in later runs.",
         LATEST, {"events-1": MOVED}, MOVED_SPINE, later={"events-2": LATER, "events-3": MOVED}, settings="feature_log_rows: 0\n",
         steps=[run(), Ask(), Ask("latest"), add("events-2"), run(), Ask(), Ask("2024-03-01T10:30:00Z"), add("events-3"), run(), Ask(),
                Ask("latest")]),
    Case("307-a-late-row-in-an-answered-window",
         "A row that comes late enters the online answers from its arrival on, and no answer given before it was wrong.",
         online(project("x", RECENT, {"name": "sum", "aggregate": "sum", "of": "x", "windows": ["1h"]}, known_at="arrival")),
         {"events-1": rows("user_id happened_at x", (1, "10:00", 1.0), (1, "10:20", 2.0))}, spine("user_id", *asked_at(1, "10:30", "10:40", "11:10")),
         later={"events-2": rows("user_id happened_at x", (1, "10:10", 4.0), (1, "10:20", 8.0))},
         steps=[run("10:30"), get("10:30", {"x": (2.0, "present"), "n_1h": 2, "n_1d": 2, "sum_1h": 3.0}, keys={"user_id": 1}), add("events-2"),
                run("10:40"),
                get("10:40", {"x": (8.0, "present"), "n_1h": 4, "n_1d": 4, "sum_1h": 15.0}, keys={"user_id": 1}),
                get("11:10", {"x": (8.0, "present"), "n_1h": 3, "n_1d": 4, "sum_1h": 14.0}, keys={"user_id": 1}),
                Ask()]),
    Case("308-loaded-anew",
         "Materialising anew from all rows gives the answers of the increments: with corrections, late rows and rows yet to come.",
         online([source("events"), table("events"), entity(), view("latest", ["x", RECENT,
                                                                              {"of": "x", "aggregates": ["sum", "last_n(2)", "max"],
                                                                               "windows": ["1d"]}], known_at="told_at", ttl="2h"),
                 service("latest")]),
         {"events-1": MOVED}, MOVED_SPINE, later={"events-2": LATER},
         steps=[run("10:00"), get("10:30", {"x": (4.0, "present"), "n_1h": 2, "n_1d": 3, "x_sum_1d": 7.0, "x_last_2_1d": [2.0, 4.0], "x_max_1d": 4.0},
                                  keys={"user_id": 1}), add("events-2"), run("11:00"),
                *(part for _ in range(2) for part in (
                    get("11:00", {"x": (64.0, "present"), "n_1h": 2, "n_1d": 5, "x_sum_1d": 103.0, "x_last_2_1d": [4.0, 64.0], "x_max_1d": 64.0},
                        keys={"user_id": 1}),
                    get("11:00", {"x": (128.0, "present"), "n_1h": 1, "n_1d": 2, "x_sum_1d": 136.0, "x_last_2_1d": [8.0, 128.0], "x_max_1d": 128.0},
                        keys={"user_id": 2}),
                    get("11:00:00.000001", {"x": (None, "expired"), "n_1h": 0, "n_1d": 1, "x_sum_1d": 256.0, "x_last_2_1d": [256.0],
                                            "x_max_1d": 256.0}, keys={"user_id": 3}),
                    command("materialize", "--full", "--now", "2024-03-01T11:00:00Z"))), Ask()]),
]
