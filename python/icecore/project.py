"""A project: training sets, online features, SQL, and the verbs of the command line."""
from __future__ import annotations

import ctypes
import datetime
import html
import json
import os
import threading
import weakref
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from . import _native, frames
from .errors import InvalidArgument, RunFailed
from .evidence import Comparison, DefinitionTests, Explanation, Verification
from .results import Rows, TrainingSet, Vectors

Time = str | datetime.datetime
Documents = list[dict[str, Any]]
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def open(path: str | os.PathLike = ".", *, now: Time | None = None) -> "Project":
    """Opens the project in the folder ``path``.

    now: the project's clock; default: ``now:`` of icecore.yaml, else the machine's clock. Naive datetimes are UTC.
    Raises InvalidDefinition with every error of the definitions and its file and line; NotFound without a project.
    """
    return Project(path, now=now)


def instant(time: Time) -> datetime.datetime:
    if isinstance(time, str):
        try:
            time = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
        except ValueError:
            raise InvalidArgument(f"'{time}' is no time such as 2013-12-01T12:00:00Z") from None
    return time.replace(tzinfo=datetime.timezone.utc) if time.tzinfo is None else time


def rfc3339(time: Time) -> str:
    return time if isinstance(time, str) else instant(time).astimezone(datetime.timezone.utc).isoformat()


def microseconds(time: Time | None) -> ctypes.c_int64 | None:
    return None if time is None else ctypes.c_int64((instant(time) - EPOCH) // datetime.timedelta(microseconds=1))


def text_of(name: str, value: Any) -> str:
    """A value as the command line takes it."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()                                    # a scalar of numpy
    if hasattr(value, "as_py"):
        value = value.as_py()                                   # and of pyarrow
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return rfc3339(value)
    text = value if isinstance(value, str) else str(value)
    if value is None or isinstance(value, (bytes, list, tuple, Mapping)) or "\0" in text:
        raise InvalidArgument(f"'{name}' is {value!r}; expected one value that can be written as text")
    return text


def named_texts(values: Mapping[str, Any] | None, what: str) -> Any:
    """An array of icecore_named_text."""
    if not isinstance(values or {}, Mapping):
        raise InvalidArgument(f"{what} is a {type(values).__qualname__}; expected a dict with one value per column")
    texts = [_native.NamedText(name.encode(), text_of(name, value).encode()) for name, value in (values or {}).items()]
    return (_native.NamedText * len(texts))(*texts)


def exported(frame: Any, what: str) -> _native.ArrowArrayStream | None:
    return None if frame is None else _native.exported(frames.reader_of(frame, what))


def c_texts(names: tuple[str, ...]) -> Any:
    return (ctypes.c_char_p * len(names))(*(name.encode() for name in names))


class Handle:
    """A handle of the library, freed with its last user; refused in a forked child."""

    def __init__(self, pointer: ctypes.c_void_p, free: str):
        self._pointer, self._process = pointer, os.getpid()
        self._finalizer = weakref.finalize(self, Handle._free, pointer, free, self._process)

    @staticmethod
    def _free(pointer: ctypes.c_void_p, free: str, process: int) -> None:
        if os.getpid() == process:
            getattr(_native.library, free)(pointer)

    def get(self) -> ctypes.c_void_p:
        if not self._finalizer.alive:
            raise ValueError("the project is closed")
        if os.getpid() != self._process:
            raise RuntimeError("this project was opened before a fork; open it anew in the child")
        return self._pointer

    def close(self) -> None:
        self._finalizer()


def opened(name: str, free: str, *arguments: Any) -> Handle:
    pointer = ctypes.c_void_p()
    _native.call(name, *arguments, ctypes.byref(pointer))
    return Handle(pointer, free)


class Service:
    """A feature service made ready for online reads. Any number of threads may read at the same time."""

    def __init__(self, handle: Handle):
        self._handle = handle
        described = json.loads(_native.call_text("icecore_service_describe", handle.get()))
        self.name: str = described["name"]
        #: Name and type, as in definitions, of each column.
        self.keys: dict[str, str] = {one["name"]: one["type"] for one in described["keys"]}
        self.request: dict[str, str] = {one["name"]: one["type"] for one in described["request"]}
        self.features: dict[str, str] = {one["name"]: one["type"] for one in described["features"]}

    def read(self, entities: Any, request: Any = None, *, at: Time | None = None) -> Vectors:
        """As Project.get_online_features, for this service."""
        asked = frames.table_of(entities, "entities")
        if request is not None:
            asked = beside(asked, frames.table_of(request, "request"))
        given = _native.exported(asked.to_reader())
        features, statuses, event_times = (_native.ArrowArrayStream() for _ in range(3))
        info = ctypes.c_void_p()
        _native.call("icecore_service_read", self._handle.get(), given, microseconds(at), features, statuses,
                     event_times, ctypes.byref(info))
        known = json.loads(_native.text_of(info))
        values = _native.imported(features).read_next_batch()
        return Vectors(asked, values, _native.Waiting(statuses), _native.Waiting(event_times), known)

    def __repr__(self) -> str:
        return f"<icecore.Service {self.name}: keys {', '.join(self.keys)}; {len(self.features)} features>"


def beside(entities: pa.Table, request: pa.Table) -> pa.Table:
    """Both tables' columns; one request row stands for every entity."""
    if request.num_rows == 1 and entities.num_rows != 1:
        request = request.take([0] * entities.num_rows)
    if request.num_rows != entities.num_rows:
        raise InvalidArgument(f"request has {request.num_rows} rows, entities {entities.num_rows}")
    for name in request.column_names:
        entities = entities.append_column(request.schema.field(name), request.column(name))
    return entities


class Project:
    """An open project. Threads may share it: calls wait for one another, online reads run at the same time.

    A ``with`` statement closes it; so does the end of its last user.
    """

    def __init__(self, path: str | os.PathLike = ".", *, now: Time | None = None):
        self.path = os.path.abspath(os.fspath(path))
        self._handle = opened("icecore_open", "icecore_close", os.fsencode(self.path),
                              None if now is None else rfc3339(now).encode())
        self._services: dict[str, Service] = {}
        self._services_lock = threading.Lock()

    # ---- data

    def training_set(self, name: str, spine: Any = None, *, known_at: str | datetime.datetime = "label",
                     at_version: Mapping[str, Any] | str | os.PathLike | None = None) -> TrainingSet:
        """The features of the service ``name`` for every row of ``spine``, as they were known at its time; without a spine
        the training_set ``name`` of the definitions, which gives its own, with label, sample and split.

        spine: pyarrow, pandas, Polars, DuckDB (anything with ``__arrow_c_stream__``), a dict of columns or a list of
            dicts. It holds the service's key columns, ``event_timestamp`` (timestamp, date or RFC 3339 text; naive is
            UTC), the request's columns, and whatever else should pass through unchanged, such as labels.
        known_at: "label", what serving could have known at each row's time; "latest", corrected history; or a time.
        at_version: a card (TrainingSet.card) or the path of one: its rows again, bit for bit, whatever came or was
            compacted since; of a service over the spine it had then.

        Returns the spine's columns, then the features; every row once, in its place. Of a service they are computed as they
        are read; a training_set by definition is computed at once and held whole. Raises NotFound for an unknown name and
        where the rows of a card are gone (over a spine: from the last read), InvalidArgument naming a column that is missing
        or of a wrong type, InvalidDefinition where the definitions differ from what was applied.
        """
        if at_version is not None and known_at != "label":
            raise InvalidArgument("known_at is what the card of at_version says; give one of them")
        stream = exported(spine, "spine")
        if at_version is None:
            handle = opened("icecore_training_set_open", "icecore_training_set_free", self._handle.get(), name.encode(),
                            rfc3339(known_at).encode(), stream)
        else:
            card = json.dumps(at_version).encode() if isinstance(at_version, Mapping) else os.fsencode(at_version)
            handle = opened("icecore_training_set_again", "icecore_training_set_free", self._handle.get(), name.encode(),
                            card, stream)
        rows = _native.ArrowArrayStream()
        _native.call("icecore_training_set_rows", handle.get(), rows)
        return TrainingSet(_native.imported(rows), handle)

    def get_online_features(self, service: str, entities: Any, request: Any = None, *, at: Time | None = None) -> Vectors:
        """One vector per entity from the online store: one consistent read with one time for all views.

        entities: the service's key columns as ``{"carrier": ["UA", "AA"], …}``, as ``[{"carrier": "UA", …}, …]``, or a
            frame. A scalar stands for every row; a null key matches nothing.
        request: the request's columns in the same forms; one row stands for every entity.
        at: the time asked for; default: the project's clock. Naive datetimes are UTC.

        Raises NotFound for an unknown service or a view that was never loaded, InvalidArgument naming a column that is
        missing, unknown or of a wrong type, or a time that the store no longer holds, and Corrupt where the store's bytes
        are damaged for every entity; where they are for some, DamagedValuesWarning tells, and ``Vectors.errors``.
        """
        return self.service(service).read(entities, request, at=at)

    def service(self, name: str) -> Service:
        """A service made ready for reads; kept, so that the next call finds it."""
        with self._services_lock:
            if name not in self._services:
                self._services[name] = Service(
                    opened("icecore_service_open", "icecore_service_free", self._handle.get(), name.encode()))
            return self._services[name]

    def sql(self, query: str) -> Rows:
        """One SELECT over the tables of every zone: ``processing.flights``, ``curated.x@3`` (version 3), …

        The SQL is DuckDB's, in UTC, in a sandbox: no files, no network, no settings.
        """
        rows = _native.ArrowArrayStream()
        _native.call("icecore_sql", self._handle.get(), query.encode(), rows)
        return Rows(_native.imported(rows))

    # ---- evidence (docs/verify.md)

    def verify(self, service: str, spine: Any = None, *, since: Time | datetime.timedelta | None = None,
               limit: int = 100_000) -> Verification:
        """Recomputes what ``service`` served and compares it bit for bit, as ``icecore verify``.

        spine: keys and request data in any form of training_set, to be asked now; default: the log of what was served
            (``served_log`` of icecore.yaml; one key in a hundred unless it says otherwise).
        since: only vectors served for this time or later; a duration ("24h" or a timedelta) counts back from the project's
            present. Of the log alone.
        limit: vectors of the log at most, the newest.

        What differs is told, not raised: ask ``.passed``. Raises NotFound where there is nothing to compare.
        """
        if isinstance(since, datetime.timedelta):
            since = f"{-(-since // datetime.timedelta(milliseconds=1))}ms"
        return Verification(json.loads(_native.call_text(
            "icecore_verify", self._handle.get(), service.encode(), None if since is None else rfc3339(since).encode(), limit,
            exported(spine, "spine"))))

    def explain(self, service: str, entity: Mapping[str, Any], feature: str, at: Time | None = None, *,
                request: Mapping[str, Any] | None = None, rows: int = 10) -> Explanation:
        """The rows, versions and definition behind one value, as ``icecore explain``.

        entity: the key columns that the feature needs, a value each: ``{"origin": "JFK"}``.
        feature: its name in the service, or ``"view.feature"``.
        at: the time asked for; default: the project's clock.
        request: the request's columns that the feature needs.
        rows: how many rows and tiles of the key to list; all are counted.

        The value is that of a training set for this key and time. Raises NotFound for an unknown service or feature and
        InvalidArgument for keys that are missing, unknown or of a wrong type; both name the nearest.
        """
        keys, asked = named_texts(entity, "entity"), named_texts(request, "request")
        return Explanation(json.loads(_native.call_text(
            "icecore_explain", self._handle.get(), service.encode(), feature.encode(), keys, len(keys), asked, len(asked),
            microseconds(at), rows)))

    def compare(self, view: str, with_version: int, spine: Any, *, examples: int = 3) -> Comparison:
        """A view as the files define it now, applied or not, against a version of the catalog, as ``icecore compare``.

        with_version: of the catalog, as apply gives it out.
        spine: the entity's keys and ``event_timestamp`` in any form of training_set; what else it holds is passed over.
        examples: of values that differ, for each feature.

        Reads the definitions anew. Raises NotFound for an unknown view, and a version without it.
        """
        told = _native.call_text("icecore_compare", self._handle.get(), view.encode(), with_version, exported(spine, "spine"),
                                 examples)
        self._forget_services()
        return Comparison(json.loads(told))

    def test(self, *names: str) -> DefinitionTests:
        """Asks the project's tests, or those named, offline and online, as ``icecore test``.

        Each runs in a folder of its own: neither lake nor online store are touched. Reads the definitions anew. What differs
        is told, not raised: ask ``.passed``. Raises InvalidArgument for an unknown test.
        """
        told = _native.call_text("icecore_test", self._handle.get(), c_texts(names), len(names))
        self._forget_services()
        return DefinitionTests(json.loads(told))

    # ---- what there is

    def list(self, what: str = "all") -> Documents:
        """all (definitions), sources, tables, entities, views, services, runs or quarantine; a dict each."""
        document = json.loads(_native.call_text("icecore_list", self._handle.get(), what.encode()))
        return document if what == "quarantine" else next(iter(document.values()))

    def show(self, name: str) -> dict:
        """A definition by its full or short name with its columns or features, or a run by its id."""
        return json.loads(_native.call_text("icecore_show", self._handle.get(), name.encode()))

    # ---- verbs

    def reload(self) -> None:
        """Reads the definitions anew, after files were edited or applied elsewhere."""
        _native.call("icecore_reload", self._handle.get())
        self._forget_services()

    def plan(self) -> dict:
        """What apply and run would change: ``changes``, ``findings``, ``pending``. Reads the definitions anew."""
        plan = json.loads(_native.call_text("icecore_plan", self._handle.get()))
        self._forget_services()
        return plan

    def apply(self) -> dict:
        """Commits the definitions as one catalog version: ``version``, ``changes``, ``findings``. Reads them anew."""
        applied = json.loads(_native.call_text("icecore_apply", self._handle.get()))
        self._forget_services()
        return applied

    def run(self, *names: str, full: bool = False) -> dict:
        """Brings everything, or what ``names`` select, up to date; only what is new unless ``full``.

        Returns run, status, balanced, duration_us and steps. Raises RunFailed, which holds the same, when a step failed
        or the rows do not add up. An interrupt (Ctrl-C, "stop" of a notebook) ends it after the commit it is at.
        """
        texts = c_texts(names)
        done: dict[str, Any] = {}

        def work() -> None:
            try:
                done["report"] = json.loads(_native.call_text("icecore_run", self._handle.get(), texts, len(names), int(full)))
            except BaseException as error:                     # carried over to the caller's thread
                done["error"] = error

        worker = threading.Thread(target=work, name="icecore run", daemon=True)
        worker.start()
        try:
            worker.join()
        except KeyboardInterrupt:
            _native.library.icecore_stop(self._handle.get())
            worker.join()
            raise
        if "error" in done:
            raise done["error"]
        report = done["report"]
        failed = [f"{step['thing']}: {step['error']}" for step in report["steps"] if step.get("error")]
        if report["status"] != "done" or not report["balanced"]:
            raise RunFailed("; ".join(failed) or "the rows do not add up", report)
        return report

    def close(self) -> None:
        """Frees the project. What was read stays; streams that are still read keep what they need."""
        self._forget_services()
        self._handle.close()

    def _forget_services(self) -> None:
        with self._services_lock:
            self._services.clear()

    def __enter__(self) -> "Project":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<icecore.Project {self.path}>"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{html.escape(one['name'])}</td><td>{html.escape(one['kind'])}</td>"
                       f"<td>{html.escape(one['description'])}</td></tr>" for one in self.list())
        return (f"<p>{html.escape(self.path)}</p><table><thead><tr><th>name</th><th>kind</th><th>description</th></tr>"
                f"</thead><tbody>{rows}</tbody></table>")
