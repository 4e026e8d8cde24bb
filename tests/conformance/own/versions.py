"""Tables that keep versions: merge, replace with a key, snapshots."""
import pyarrow as pa

from case_writer import Ask, Case, add, asked_at, entity, get, rows, run, service, source, spine, sql, table, view

OPEN = "state <> 'gone'"
ORDERS = [entity("order", order_id="int64"), entity(),
          view("now", ["state", "x"], of="order", table="processing.orders", event_time="placed_at", known_at="told_at"),
          view("recent", [{"name": "orders", "aggregate": "count", "windows": ["1d"]},
                          {"name": "open", "aggregate": "count", "where": OPEN, "windows": ["1d"]},
                          {"name": "total", "aggregate": "sum", "of": "x", "where": OPEN, "windows": ["1d"]}], table="processing.orders",
               event_time="placed_at", known_at="told_at"),
          service("now", "recent")]
PLAIN = [source("orders"), table("orders", "merge", key=["order_id"]), *ORDERS]
BY_VERSION = [source("orders"), table("orders", "merge", key=["order_id"], order_by=["version"]), *ORDERS]
HEADER = "order_id:int64 user_id placed_at told_at version state x"
ASKED = spine("order_id:int64 user_id", *((order, user, time) for order, user in ((1, 7), (2, 8)) for time in ("10:00", "10:59:59.999999", "11:00",
                                                                                                               "12:00", "13:00", "14:00")))

PEOPLE = [entity(), view("latest", ["tier", {"name": "level", "of": "n"}], table="processing.people", event_time="since_at", known_at="arrival"),
          view("group", [{"name": "members", "aggregate": "count", "windows": ["3650d"]},
                         {"name": "sum", "aggregate": "sum", "of": "n", "windows": ["3650d"]}], of="team",
               table="processing.people", event_time="since_at", known_at="arrival"),
          entity("team", team="string"), service("latest", "group")]
NEWEST = "select user_id, since_at, team, tier, n from landing.people where batch = (select max(batch) from landing.people)"
PEOPLE_ASKED = spine("user_id team", *((user, team, time) for user, team in ((1, "red"), (2, "red"), (3, "blue")) for time in ("09:59:59.999999",
                                                                                                                               "10:00", "11:00",
                                                                                                                               "12:00", "13:00",
                                                                                                                               "14:00")))
BATCH = "batch:int64 user_id since_at team tier n"
PERSON = "user_id since_at team tier n"
ANN, BOB, CID = (1, "00:00", "red", "gold", 1), (2, "00:00", "red", "wood", 2), (3, "01:00", "blue", "iron", 4)


def batch(number: int, *people: tuple) -> pa.Table:
    return rows(BATCH, *((number, *one) for one in people))


def present(*people: tuple) -> list[dict]:
    return [{"user_id": one[0], "tier": one[3]} for one in people]


def vanish(first: str, step) -> tuple[dict, list]:
    """(later, steps): Bob vanishes, returns as he was, changes; Ann changes team, Cid comes late."""
    later = {f"people-{number}": step(number, *people) for number, people in
             ((2, (ANN,)), (3, (ANN, BOB, CID)), (4, ((1, "00:00", "blue", "gold", 1), (2, "00:00", "red", "steel", 8), CID)),
              (5, ((2, "00:00", "red", "steel", 8),)))}
    present_query = f"select user_id, tier from {first} order by user_id"
    steps = [run("10:00"), Ask(), sql(present_query, *present(ANN, BOB)), add("people-2"), run("11:00"), sql(present_query, *present(ANN)), Ask(),
             add("people-3"), run("12:00"), Ask(), add("people-4"), run("13:00"), Ask(), Ask("2024-03-01T11:30:00Z"), add("people-5"), run("14:00"),
             sql(present_query, {"user_id": 2, "tier": "steel"}), Ask(), Ask("latest"), run("14:00"), Ask()]
    return later, steps


REPLACED, REPLACED_STEPS = vanish("processing.people", batch)
SNAPSHOTS, SNAPSHOT_STEPS = vanish("landing.people", lambda _, *people: rows(PERSON, *people))

CASES = [
    Case("280-vanished-and-returned",
         "replace with key: a row that vanishes is gone from the run that found it, one that returns is there again from its run on, a change of team moves it.",
         [source("people"), table("people", "replace", sql=NEWEST, key=["user_id"]), *PEOPLE], {"people-1": batch(1, ANN, BOB)}, PEOPLE_ASKED,
         later=REPLACED, steps=REPLACED_STEPS),
    Case("281-snapshots",
         "A source of snapshots with a key: differences from file to file are versions, what is no longer there is gone, what comes back is there again.",
         [source("people", files={"load": "snapshot"}, key=["user_id"]), table("folk", "merge", sql="select * from landing.people", key=["user_id"]),
          *[{**one, "from": "processing.folk"} if "feature_view" in one else one for one in PEOPLE]],
         {"people-1": rows(PERSON, ANN, BOB)}, PEOPLE_ASKED, later=SNAPSHOTS, steps=SNAPSHOT_STEPS),
    Case("282-order-by-null",
         "merge with order_by: null is below every version, equal versions are decided by sequence, a lesser version that comes later changes nothing.",
         BY_VERSION, {"orders": rows(HEADER, (1, 7, "10:00", "10:00", None, "a", 1.0), (1, 7, "10:00", "11:00", 0, "b", 2.0),
                                     (1, 7, "10:00", "12:00", None, "c", 4.0),
                                     (1, 7, "10:00", "12:00", -1, "d", 8.0), (1, 7, "10:00", "13:00", 0, "e", 16.0),
                                     (2, 8, "10:00", "10:00", None, "f", 32.0),
                                     (2, 8, "10:00", "11:00", None, "g", 64.0), (2, 8, "10:00", "14:00", -9, "gone", 128.0))}, ASKED),
    Case("283-a-greater-version-known-later",
         "The greatest of the visible versions counts: one that is known later enters at its a, and lesser ones known after it do not come back.",
         BY_VERSION, {"orders": rows(HEADER, (1, 7, "10:00", "13:00", 9, "last", 1.0), (1, 7, "10:00", "10:00", 1, "first", 2.0),
                                     (1, 7, "10:00", "14:00", 5, "late", 4.0),
                                     (1, 7, "10:00", "11:00", 3, "third", 8.0), (2, 8, "10:00", "12:00", 2, "second", 16.0),
                                     (2, 8, "10:00", "12:00", 1, "first", 32.0))}, ASKED),
    Case("284-versions-without-time",
         "A version whose event time or known time is null is never visible and hides none of its predecessors.",
         PLAIN, {"orders": rows(HEADER, (1, 7, "10:00", "10:00", 1, "a", 1.0), (1, 7, None, "11:00", 2, "never", -1e300),
                                (1, 7, "10:00", None, 3, "never", -1e300),
                                (2, 8, None, None, 1, "never", -1e300), (2, 8, "10:00", "12:00", 2, "b", 2.0))}, ASKED),
    Case("285-from-key-to-key",
         "A version may belong to another entity than its predecessor, or to none: the row leaves the one window and joins the other from its a on.",
         PLAIN, {"orders": rows(HEADER, (1, 7, "10:00", "10:00", 1, "a", 1.0), (1, 8, "10:00", "11:00", 2, "a", 2.0),
                                (1, None, "10:00", "12:00", 3, "a", 4.0),
                                (1, 7, "10:00", "13:00", 4, "a", 8.0), (2, 8, "10:30", "10:30", 1, "b", 16.0))}, ASKED),
    Case("286-a-version-moves-in-time",
         "A version with another event time moves its row: a window counts it once, where the version in force puts it; one that has yet to happen leaves its predecessor in force.",
         PLAIN, {"orders": rows(HEADER, (1, 7, "10:00", "10:00", 1, "a", 1.0), (1, 7, "12:30", "11:00", 2, "b", 2.0),
                                (2, 8, "10:00", "10:00", 1, "c", 4.0),
                                (2, 8, "-2 10:00", "11:00", 2, "d", 8.0))}, ASKED),
    Case("287-a-filter-sees-the-version-chosen",
         "A version that fails the filter still hides its predecessors: no older value comes back, as of t and in windows.",
         [source("orders"), table("orders", "merge", key=["order_id"]), entity("order", order_id="int64"),
          view("now", ["state", "x", {"name": "n", "aggregate": "count", "windows": ["1d"]}], of="order", table="processing.orders",
               event_time="placed_at", known_at="told_at", where=OPEN), service("now")],
         {"orders": rows(HEADER, (1, 7, "10:00", "10:00", 1, "a", 1.0), (1, 7, "10:00", "11:00", 2, "gone", 2.0),
                         (1, 7, "10:00", "12:00", 3, None, 4.0), (1, 7, "10:00", "13:00", 4, "b", 8.0),
                         (2, 8, "10:00", "10:00", 1, "gone", 16.0), (2, 8, "10:00", "11:00", 2, "c", 32.0))},
         spine("order_id:int64", *((order, time) for order in (1, 2) for time in ("10:00", "11:00", "12:00", "13:00")))),
    Case("288-versions-of-one-moment",
         "--known-at a time shows each key's version of that time at every label, and only where e <= t.",
         PLAIN, {"orders": rows(HEADER, (1, 7, "10:00", "10:00", 1, "a", 1.0), (1, 7, "10:00", "11:00", 2, "b", 2.0),
                                (1, 7, "10:00", "12:00", 3, "c", 4.0), (2, 8, "13:00", "09:00", 1, "d", 8.0))},
         ASKED, known_at="2024-03-01T11:30:00Z"),
    Case("289-corrections-in-history",
         "history.x tells from when to when each version was the greatest known one; one that never was has an empty span.",
         [{**one, "known_at": "told_at"} if "table" in one else one for one in BY_VERSION],
         {"orders": rows(HEADER, (1, 7, "10:00", "10:00", 1, "a", 1.0), (1, 7, "10:00", "12:00", 3, "c", 4.0),
                         (1, 7, "10:00", "13:00", 2, "late", 8.0))},
         ASKED, later={"orders-2": rows(HEADER, (1, 7, "10:00", "11:00", 2, "b", 2.0), (2, 8, "10:00", "10:00", 1, "d", 1.0))},
         steps=[run(), sql("select state, _valid_from, _valid_to from history.orders order by _seq",
                           {"state": "a", "_valid_from": "2024-03-01T10:00:00Z", "_valid_to": "2024-03-01T12:00:00Z"},
                           {"state": "c", "_valid_from": "2024-03-01T12:00:00Z", "_valid_to": None},
                           {"state": "late", "_valid_from": "2024-03-01T13:00:00Z", "_valid_to": "2024-03-01T13:00:00Z"}),
                Ask(), add("orders-2"), run(),
                sql("select state, _valid_from, _valid_to, _op, _deleted from history.orders order by _seq",
                    {"state": "a", "_valid_from": "2024-03-01T10:00:00Z", "_valid_to": "2024-03-01T11:00:00Z", "_op": "insert", "_deleted": False},
                    {"state": "c", "_valid_from": "2024-03-01T12:00:00Z", "_valid_to": None, "_op": "update", "_deleted": False},
                    {"state": "late", "_valid_from": "2024-03-01T13:00:00Z", "_valid_to": "2024-03-01T13:00:00Z", "_op": "update", "_deleted": False},
                    {"state": "b", "_valid_from": "2024-03-01T11:00:00Z", "_valid_to": "2024-03-01T12:00:00Z", "_op": "update", "_deleted": False},
                    {"state": "d", "_valid_from": "2024-03-01T10:00:00Z", "_valid_to": None, "_op": "insert", "_deleted": False}),
                sql("select order_id, state from processing.orders order by order_id", {"order_id": 1, "state": "c"}, {"order_id": 2, "state": "d"}),
                Ask(), Ask("latest")]),
    Case("290-first-of-a-key-across-runs",
         "append with a key keeps the first row for good: later rows of the key, in the same file, in the next run, or corrected, change nothing.",
         [source("events"), table("events", key=["event_id"]), entity(), view("latest", ["x", {"name": "n", "aggregate": "count", "windows": ["1d"]}],
                                                                              known_at="told_at"), service("latest")],
         {"events-1": rows("event_id:int64 user_id happened_at told_at x", (1, 1, "10:00", "10:00", 1.0), (1, 1, "10:01", "10:01", 2.0),
                           (2, 2, "10:00", "10:00", 4.0))},
         spine("user_id", *asked_at(1, "10:30", "12:00"), *asked_at(2, "10:30")),
         later={"events-2": rows("event_id:int64 user_id happened_at told_at x", (2, 2, "10:00", "10:10", 8.0), (1, 2, "10:20", "10:20", 16.0),
                                 (3, 1, "11:00", "11:00", 32.0), (3, 1, "11:00", "11:00", 64.0))},
         steps=[run(), Ask(), add("events-2"), run(), Ask(), sql("select count(*) as n, sum(x) as x from processing.events", {"n": 3, "x": 37.0})]),
    Case("291-deleted-online",
         "A row that vanished is gone from the online store from the run that found it, as of t and in windows; one that returns is served again.",
         [source("people"), table("people", "replace", sql=NEWEST, key=["user_id"]),
          *[{**one, "online": True} if "feature_view" in one else one for one in PEOPLE]],
         {"people-1": batch(1, ANN, BOB)}, PEOPLE_ASKED, later={"people-2": batch(2, ANN), "people-3": batch(3, ANN, BOB, CID)},
         steps=[run("10:00"), get("10:00", {"tier": ("wood", "present"), "level": (2, "present"), "members_3650d": 2, "sum_3650d": 3},
                                  keys={"user_id": 2, "team": "red"}),
                add("people-2"), run("11:00"), get("11:00", {"tier": (None, "not_found"), "level": (None, "not_found"), "members_3650d": 1,
                                                             "sum_3650d": 1}, keys={"user_id": 2, "team": "red"}),
                add("people-3"), run("12:00"), get("12:30", {"tier": ("wood", "present"), "level": (2, "present"), "members_3650d": 2,
                                                             "sum_3650d": 3}, keys={"user_id": 2, "team": "red"}),
                get("12:30", {"tier": ("iron", "present"), "level": (4, "present"), "members_3650d": 1, "sum_3650d": 4},
                    keys={"user_id": 3, "team": "blue"})]),
]
