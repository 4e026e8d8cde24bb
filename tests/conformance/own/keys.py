"""Keys of every kind, spines of every kind."""
import datetime
import decimal

import pyarrow as pa

from case_writer import Case, asked_at, entity, rows, service, source, spine, table, us, view
from own.clocks import RECENT, project

COUNT = {"name": "n", "aggregate": "count", "windows": ["1h"]}


def of_entity(kind: dict, *features) -> list[dict]:
    return [source("events"), table("events"), kind, view("latest", list(features), of=next(iter(kind.values()))), service("latest")]


def every(keys: list[tuple], time: str) -> list[tuple]:
    return [(*key, time) for key in keys]


TEXTS = [("a", "b\x1fc"), ("a\x1fb", "c"), ("a", "b\x00c"), ("a\x00b", "c"), ("a/b", "c"), ("a", "b/c"), ("é", "x"), ("e\u0301", "x"), ("ａ", "x"),
         ("a", "x"),
         ("🙂", "\U0010ffff"), ("\U0010ffff", "🙂"), ("", "ab"), ("ab", ""), ("%2F", "|"), ("|", "%2F"), ('"', "','"), ("','", '"'), ("null", "NaN"),
         ("  ", " ")]
SPINE_TYPES = pa.table({
    "user_id": pa.array([1, 2, 1], pa.int64()), "event_timestamp": pa.array([us("10:30")] * 3, pa.int64()).cast(pa.timestamp("us", "UTC")),
    "label": pa.array([None, 1.5, float("nan")], pa.float64()), "word": pa.array([None, "é\0", ""]), "bytes": pa.array([b"\0\xff", None, b""]),
    "day": pa.array([datetime.date(1600, 2, 29), None, datetime.date(9999, 12, 31)], pa.date32()),
    "price": pa.array([decimal.Decimal("-0.01"), None, decimal.Decimal("99999999.99")], pa.decimal128(10, 2)),
    "numbers": pa.array([[1, None], [], None], pa.list_(pa.int64())), "yes": pa.array([True, None, False]),
    "moment": pa.array([us("10:00") * 1000 + 1, None, -1], pa.int64()).cast(pa.timestamp("ns", "UTC")),
    "small": pa.array([-128, 127, None], pa.int8()), "single": pa.array([0.1, -0.0, None], pa.float32())})

CASES = [
    Case("260-composite-keys-of-texts",
         "Composite text keys with separators, NUL, composed and decomposed letters inside stay apart, in windows too.",
         of_entity(entity("pair", left="string", right="string"), "x", COUNT),
         {"events": rows("left right happened_at x:int64", *((*key, "10:00", number) for number, key in enumerate(TEXTS)),
                         *((*key, "10:10", number) for number, key in enumerate(TEXTS[::3])))},
         spine("left right", *every(TEXTS[::-1], "10:30"), *every([(b, a) for a, b in TEXTS], "10:30"),
               *every([(a + b, "") for a, b in TEXTS], "10:30"))),
    Case("261-composite-keys-of-types",
         "Keys of three parts of different types: text, integer, truth; equal digits in other parts are other keys.",
         of_entity(entity("triple", word="string", n="int64", flag="bool"), "x", COUNT),
         {"events": rows("word n flag:bool happened_at x:int64", ("1", 2, True, "10:00", 1), ("2", 1, True, "10:00", 2), ("1", 2, False, "10:00", 3),
                         ("1", -2, True, "10:00", 4),
                         ("12", 0, True, "10:00", 5), ("", -2**63, False, "10:00", 6), ("é", 2**63 - 1, True, "10:00", 7),
                         (None, 2, True, "10:00", 8), ("1", None, True, "10:00", 9), ("1", 2, None, "10:00", 10))},
         spine("word n flag:bool", *every([("1", 2, True), ("2", 1, True), ("1", 2, False), ("1", -2, True), ("12", 0, True), ("1", 20, True),
                                           ("", -2**63, False), ("é", 2**63 - 1, True),
                                           ("1", 2, None), (None, 2, True), ("1", None, True), ("é", 2**63 - 1, False)], "10:30"))),
    Case("262-keys-of-time",
         "Dates and times are keys, too: by instant, whatever unit the spine writes them in.",
         [source("events"), table("events"), entity("day", day="date"), entity("moment", moment="timestamp"),
          view("of_day", ["x", COUNT], of="day"), view("of_moment", [{"name": "y", "of": "x"}], of="moment"), service("of_day", "of_moment")],
         {"events": rows("day:date moment:timestamp happened_at x", (datetime.date(2024, 2, 29), "10:00", "10:00", 1.0),
                         (datetime.date(1960, 1, 1), "1960-01-01 00:00", "10:00", 2.0),
                         (datetime.date(2024, 3, 1), "10:00:00.000001", "10:00", 3.0))},
         rows("day:date moment:nanoseconds event_timestamp label", (datetime.date(2024, 2, 29), "10:00:00.000001", "10:30", 0),
              (datetime.date(2024, 3, 1), "10:00", "10:30", 1),
              (datetime.date(1960, 1, 1), "1960-01-01 00:00", "10:30", 2), (datetime.date(1970, 1, 1), "1970-01-01 00:00", "10:30", 3),
              (None, None, "10:30", 4))),
    Case("263-several-mappings",
         "One view under three mappings, two parts of its key swapped in one: sender to receiver, back, and either to itself.",
         [source("events"), table("events"), entity("pair", sender="int64", receiver="int64"),
          view("sent", ["x", {"name": "n", "aggregate": "count", "windows": ["1d"]}], of="pair"),
          service("sent", {"view": "sent", "keys": {"sender": "receiver", "receiver": "sender"}, "prefix": "back_"},
                  {"view": "sent", "keys": {"receiver": "sender"}, "only": ["n_1d"], "as": {"n_1d": "own"}})],
         {"events": rows("sender:int64 receiver:int64 happened_at x", (1, 2, "10:00", 1.0), (2, 1, "10:10", 2.0), (1, 1, "10:20", 3.0),
                         (1, 2, "11:00", 4.0), (3, None, "10:00", 5.0))},
         rows("sender:int64 receiver:int64 event_timestamp label", (1, 2, "10:30", 0), (2, 1, "10:30", 1), (1, 1, "10:30", 2), (1, 2, "11:00", 3),
              (3, None, "11:00", 4), (None, 1, "11:00", 5), (2, 2, "11:00", 6))),
    Case("264-mappings-of-a-view-and-a-service",
         "`keys` of a view name the table's columns, `keys` of a service the spine's, and both at once compose.",
         [source("events"), table("events"), entity("place", place="string"), view("here", ["x"], of="place", keys={"place": "city"}),
          view("there", ["x"], of="place", keys={"place": "word"}),
          service({"view": "here", "prefix": "a_"}, {"view": "here", "keys": {"place": "goal"}, "prefix": "b_"},
                  {"view": "there", "keys": {"place": "goal"}, "prefix": "c_"})],
         {"events": rows("city word happened_at x", ("p", "q", "10:00", 1.0), ("q", "p", "10:10", 2.0), ("r", "r", "10:20", 3.0))},
         rows("goal place event_timestamp label", ("q", "p", "10:30", 0), ("p", "q", "10:30", 1), ("r", "p", "10:30", 2), (None, "r", "10:30", 3),
              ("q", None, "10:05", 4))),
    Case("265-duplicate-spine-rows",
         "Spine rows that are equal in everything come back as often as they were asked, each in its place; equal but for the label, each with its own.",
         project("x", RECENT, known_at="told_at"),
         {"events": rows("user_id happened_at told_at x", (1, "10:00", "10:00", 1.0), (1, "10:00", "10:30", 2.0))},
         rows("user_id event_timestamp label", *((1, "10:15", label) for label in (7, 7, None, 8, None, 7)), (None, "10:15", None),
              (None, "10:15", None), (2, "10:15", 7), (1, "10:30", 7),
              (1, "10:15", 7), (1, None, 7), (1, None, 7))),
    Case("266-spine-columns-of-every-type",
         "Columns of the spine pass through unchanged, whatever their type: null labels, NaN, nanoseconds, lists, decimals, bytes.",
         project("x", RECENT), {"events": rows("user_id happened_at x", (1, "10:00", 1.0))}, SPINE_TYPES),
    Case("267-spine-in-seconds",
         "A spine's times in whole seconds are the instants that they name.",
         project("x", RECENT), {"events": rows("user_id happened_at x", (1, "10:00", 1.0), (1, "10:00:00.000001", 2.0), (1, "10:00:01", 3.0),
                                               (1, "09:05", 4.0), (1, "09:04:59.999999", 5.0))},
         rows("user_id event_timestamp:seconds label", (1, "10:00", 0), (1, "10:00:01", 1), (1, "10:00:02", 2), (1, "10:05", 3),
              (1, "1969-12-31 23:59:59", 4))),
    Case("268-text-keys-by-dictionary",
         "A spine whose key column is encoded by a dictionary, with values that no row uses, asks as plain texts do.",
         of_entity(entity("place", place="string"), "x", COUNT),
         {"events": rows("place happened_at x", ("p", "10:00", 1.0), ("q", "10:10", 2.0), ("", "10:20", 3.0))},
         pa.table({"place": pa.DictionaryArray.from_arrays(pa.array([3, 0, None, 1, 0], pa.int8()), pa.array(["p", "", "unused", "q"])),
                   "event_timestamp": pa.array([us("10:30")] * 5, pa.int64()).cast(pa.timestamp("us", "UTC")),
                   "label": pa.array(range(5), pa.int64())})),
    Case("269-wide-and-narrow-keys",
         "An entity of int32 asked by int64: values beyond 32 bits match nothing, and do not wrap onto others.",
         of_entity(entity("small", small="int32"), "x", COUNT),
         {"events": rows("small:int32 happened_at x", (0, "10:00", 1.0), (-1, "10:00", 2.0), (2**31 - 1, "10:00", 3.0), (-2**31, "10:00", 4.0))},
         rows("small:int64 event_timestamp label", *((value, "10:30", number) for number,
                                                     value in enumerate([0, 2**32, -2**32, 2**32 - 1, -1, 2**31, 2**31 - 1, -2**31, -2**31 - 1,
                                                                         2**63 - 1, -2**63]))), modes=["increments"]),
    Case("270-keys-asked-and-absent",
         "Keys that only the spine knows, that only rows know, and that have no row yet are told apart from zero.",
         project("x", RECENT, {"name": "sum", "aggregate": "sum", "of": "x", "windows": ["1h"]}),
         {"events": rows("user_id happened_at x", (1, "10:00", 0.0), (2, "12:00", 5.0), (0, "10:00", 7.0), (-1, "10:00", 8.0))},
         spine("user_id", *asked_at(1, "10:30"), *asked_at(2, "10:30"), *asked_at(99, "10:30"), *asked_at(0, "10:30"), *asked_at(-1, "10:30"),
               *asked_at(None, "10:30"))),
]
