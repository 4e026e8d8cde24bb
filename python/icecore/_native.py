"""libicecore.so through ctypes: where it is, what it takes, and its errors as exceptions.

ctypes gives the interpreter's lock back during every call, so other threads go on.
"""
from __future__ import annotations

import ctypes
import os
import threading
import weakref
from ctypes import POINTER, byref, c_char_p, c_int32, c_int64, c_void_p
from typing import Any

import pyarrow

from . import errors

HERE = os.path.dirname(os.path.abspath(__file__))


class ArrowArrayStream(ctypes.Structure):
    """struct ArrowArrayStream of the Arrow C stream interface."""

    _fields_ = [(name, c_void_p) for name in ("get_schema", "get_next", "get_last_error", "release", "private_data")]


class NamedText(ctypes.Structure):
    """icecore_named_text."""

    _fields_ = [("name", c_char_p), ("value", c_char_p)]


Handle = c_void_p
Stream = POINTER(ArrowArrayStream)
Out = POINTER(c_void_p)

# What each function takes before its last argument, the error.
FALLIBLE = {
    "icecore_open": [c_char_p, c_char_p, Out],
    "icecore_reload": [Handle],
    "icecore_training_set_open": [Handle, c_char_p, c_char_p, Stream, Out],
    "icecore_training_set_again": [Handle, c_char_p, c_char_p, Stream, Out],
    "icecore_training_set_rows": [Handle, Stream],
    "icecore_training_set_report": [Handle, Out],
    "icecore_training_set_card": [Handle, Out],
    "icecore_training_set_save": [Handle, Stream, c_char_p],
    "icecore_service_open": [Handle, c_char_p, Out],
    "icecore_service_describe": [Handle, Out],
    "icecore_service_read": [Handle, Stream, POINTER(c_int64), Stream, Stream, Stream, Out],
    "icecore_sql": [Handle, c_char_p, Stream],
    "icecore_verify": [Handle, c_char_p, c_char_p, c_int64, Stream, Out],
    "icecore_explain": [Handle, c_char_p, c_char_p, POINTER(NamedText), c_int64, POINTER(NamedText), c_int64,
                        POINTER(c_int64), c_int64, Out],
    "icecore_compare": [Handle, c_char_p, c_int64, Stream, c_int64, Out],
    "icecore_test": [Handle, POINTER(c_char_p), c_int64, Out],
    "icecore_list": [Handle, c_char_p, Out],
    "icecore_show": [Handle, c_char_p, Out],
    "icecore_plan": [Handle, Out],
    "icecore_apply": [Handle, Out],
    "icecore_run": [Handle, POINTER(c_char_p), c_int64, c_int32, Out],
}
PLAIN = {
    "icecore_version": ([], c_char_p),
    "icecore_arrow_version": ([], c_char_p),
    "icecore_code_name": ([c_int32], c_char_p),
    "icecore_error_message": ([Handle], c_char_p),
    "icecore_error_free": ([Handle], None),
    "icecore_text_free": ([Handle], None),
    "icecore_close": ([Handle], None),
    "icecore_training_set_free": ([Handle], None),
    "icecore_service_free": ([Handle], None),
    "icecore_stop": ([Handle], None),
}


def find_library() -> str:
    """ICECORE_LIBRARY, else beside this file (an installed package), else the release build of the source tree."""
    asked = os.environ.get("ICECORE_LIBRARY")
    built = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "release", "lib", "libicecore.so")
    for path in [asked] if asked else [os.path.join(HERE, "libicecore.so"), built]:
        if os.path.exists(path):
            return path
    raise ImportError(f"libicecore.so is not at {asked or built}: run `./dev build release icecore_shared`, "
                      "then `pip install .`, or set ICECORE_LIBRARY")


def load() -> ctypes.CDLL:
    # libicecore was built for the libraries inside the pyarrow wheel. They are loaded first and from the pyarrow that
    # is in use, so that the process has one libarrow and buffers may be freed by whoever holds them last.
    version = pyarrow.cpp_version_info
    for name in ("arrow", "arrow_compute", "parquet"):
        for folder in pyarrow.get_library_dirs():
            path = os.path.join(folder, f"lib{name}.so.{version.major * 100 + version.minor}")
            if os.path.exists(path):
                ctypes.CDLL(path)
                break
    path = find_library()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"{path}: {error} (pyarrow {pyarrow.__version__})") from None
    for name, arguments in FALLIBLE.items():
        function = getattr(library, name)
        function.argtypes, function.restype = [*arguments, Out], c_int32
    for name, (arguments, result) in PLAIN.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
    wanted = library.icecore_arrow_version().decode()
    if pyarrow.cpp_version != wanted:
        raise ImportError(f"icecore needs pyarrow {wanted}, this is {pyarrow.__version__}: pip install pyarrow=={wanted}")
    return library


library = load()


def call(name: str, *arguments: Any) -> None:
    """Calls a function of FALLIBLE; its error becomes an exception of icecore.errors."""
    error = c_void_p()
    code = getattr(library, name)(*arguments, byref(error))
    if code != 0:
        kind = errors.BY_CODE.get(library.icecore_code_name(code).decode(), errors.Internal)
        text = library.icecore_error_message(error)
        library.icecore_error_free(error)
        raise kind(text.decode("utf-8", "replace") if text else kind.__doc__)


def text_of(pointer: c_void_p) -> str:
    """The text that a function gave out, freed."""
    try:
        return ctypes.string_at(pointer.value).decode() if pointer.value else ""
    finally:
        library.icecore_text_free(pointer)


def call_text(name: str, *arguments: Any) -> str:
    """Calls a function that gives a text out as its last result."""
    text = c_void_p()
    call(name, *arguments, byref(text))
    return text_of(text)


def exported(reader: pyarrow.RecordBatchReader) -> ArrowArrayStream:
    stream = ArrowArrayStream()
    reader._export_to_c(ctypes.addressof(stream))
    return stream


def imported(stream: ArrowArrayStream) -> pyarrow.RecordBatchReader:
    return pyarrow.RecordBatchReader._import_from_c(ctypes.addressof(stream))


class Waiting:
    """A stream that is read when somebody asks for its rows, and released unread when nobody does."""

    def __init__(self, stream: ArrowArrayStream):
        self._stream = stream
        self._table: pyarrow.Table | None = None
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, release, stream)

    def table(self) -> pyarrow.Table:
        with self._lock:
            if self._table is None:
                self._table = imported(self._stream).read_all()    # which takes the stream over
            return self._table


def release(stream: ArrowArrayStream) -> None:
    """Unless it was released, or taken over, before."""
    if stream.release:
        ctypes.CFUNCTYPE(None, c_void_p)(stream.release)(ctypes.addressof(stream))
