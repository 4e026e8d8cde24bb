"""Values of a table or of JSON as Python's own, and as text."""
import base64
import datetime
import decimal
import math
import re
import struct

import pyarrow as pa

NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}


def family(kind):
    """Types that may stand for one another have one family."""
    if pa.types.is_dictionary(kind):
        return family(kind.value_type)
    if pa.types.is_integer(kind):
        return "integer"
    if pa.types.is_floating(kind):
        return "float"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if (pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)
            or pa.types.is_fixed_size_binary(kind)):
        return "binary"
    if pa.types.is_decimal(kind):
        return "decimal"
    if pa.types.is_timestamp(kind):
        return "timestamp in UTC" if kind.tz else "timestamp without zone"
    if pa.types.is_date(kind):
        return "date"
    if is_list(kind):
        return f"list of {family(kind.value_type)}"
    return str(kind)


def is_list(kind):
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def values_of(column):
    """Python values; a timestamp is a count of nanoseconds, so that units do not matter."""
    if isinstance(column, pa.ChunkedArray):
        return [value for chunk in column.chunks for value in values_of(chunk)]
    if pa.types.is_dictionary(column.type):
        return values_of(column.dictionary_decode())
    if pa.types.is_timestamp(column.type):
        scale = NS[column.type.unit]
        return [None if count is None else count * scale for count in column.cast(pa.int64()).to_pylist()]
    if is_list(column.type):
        return [values_of(part.values) if part.is_valid else None for part in column]
    return column.to_pylist()


def text_of(value, kind):
    if value is None:
        return "null"
    if family(kind).startswith("timestamp") and isinstance(value, int):
        micros, rest = divmod(value, 1000)
        try:
            moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros)
            return moment.isoformat() + (f" + {rest} ns" if rest else "") + ("Z" if kind.tz else "")
        except OverflowError:
            return f"{micros} us"
    return repr(value)


def bits_of(value):
    return b"nan" if math.isnan(value) else struct.pack(">d", value)


def from_json(got, kind):
    """The JSON of a value -> what values_of gives for a column of this Arrow type; ValueError if it is no such JSON."""
    if got is None:
        return None
    what = family(kind)
    if is_list(kind):
        if not isinstance(got, list):
            raise ValueError(f"{got!r} is no list")
        return [from_json(one, kind.value_type) for one in got]
    if what == "float":
        if isinstance(got, str):
            got = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}.get(got)
        if isinstance(got, bool) or not isinstance(got, (int, float)):
            raise ValueError(f"{got!r} is no float")
        number = float(got)
        return struct.unpack("f", struct.pack("f", number))[0] if kind.bit_width == 32 and math.isfinite(number) else number
    if what == "integer" and isinstance(got, int) and not isinstance(got, bool):
        return got
    if what == "bool" and isinstance(got, bool):
        return got
    if isinstance(got, str):
        if what == "string":
            return got
        if what == "binary":
            return base64.b64decode(got, validate=True)
        if what == "decimal":
            return decimal.Decimal(got)
        if what == "date":
            return datetime.date.fromisoformat(got)
        if what.startswith("timestamp"):
            return time_ns(got)
    raise ValueError(f"{got!r} is no {what}")


def time_ns(text):
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|\+00:00)", text)
    if not match:
        raise ValueError(f"{text!r} is no time in UTC")
    seconds = (datetime.datetime.fromisoformat(match.group(1)) - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
    return seconds * 10**9 + int((match.group(2) or "").ljust(9, "0"))


def rfc3339(nanoseconds):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=nanoseconds // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
