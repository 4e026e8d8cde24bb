"""Tables as we read them against tables as another engine reads them; and statistics against the files."""
import glob
import math
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def load(path):
    with pa.memory_map(path) as source:
        return pa.ipc.open_file(source).read_all()


def key(value):
    """Sorts and compares any value; NaN equals NaN, -0.0 is not 0.0."""
    return repr(value)


def rows_of(table, names):
    # Times as integers: Python's datetime cannot say all of them.
    columns = []
    for name in names:
        column = table.column(name).combine_chunks()
        columns.append([key(value.as_py() if not pa.types.is_timestamp(column.type) else value.value)
                        for value in column])
    return sorted(zip(*columns))


def plain(kind):
    """The type without names of list elements and nullability, which engines choose as they like."""
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "string"
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return "binary"
    if pa.types.is_timestamp(kind):
        return f"timestamp({kind.unit}, {kind.tz is not None})"
    if pa.types.is_map(kind):
        return f"map<{plain(kind.key_type)}, {plain(kind.item_type)}>"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{plain(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return "struct<" + ", ".join(f"{f.name}: {plain(f.type)}" for f in kind) + ">"
    return str(kind)


def different(wanted, found, ignored=()):
    """Nothing, or how the two tables differ."""
    names = [n for n in wanted.schema.names if n not in ignored]
    if names != [n for n in found.schema.names if n not in ignored]:
        return f"columns {found.schema.names} instead of {wanted.schema.names}"
    for name in names:
        ours, theirs = plain(found.schema.field(name).type), plain(wanted.schema.field(name).type)
        if ours != theirs:
            return f"column {name}: {ours} instead of {theirs}"
    ours, theirs = rows_of(found, names), rows_of(wanted, names)
    if ours != theirs:
        extra, missing = [r for r in ours if r not in theirs][:3], [r for r in theirs if r not in ours][:3]
        return f"{len(ours)} rows instead of {len(theirs)}; not wanted {extra}; missing {missing}"
    return None


def requests_of(folder):
    """Request line -> file with the rows that the writer of the tables in the folder read itself."""
    requests = {}
    for wanted in sorted(glob.glob(os.path.join(folder, "*.arrow"))):
        name, *what = os.path.basename(wanted).split(".")[:-1]
        table = os.path.join(folder, name)
        if what[0] == "changes":
            first, last = what[1].split("-")
            requests[f"changes {table} {first} {last}"] = wanted
        else:
            requests[f"rows {table} {what[0]}"] = wanted
    return requests


def read_ours(reader, requests, scratch):
    """Request line -> file that our reader wrote, or file.error with the reason."""
    outputs = {request: os.path.join(scratch, f"{i}.arrow") for i, request in enumerate(requests)}
    listing = os.path.join(scratch, "requests")
    with open(listing, "w") as out:
        out.writelines(f"{request} {path}\n" for request, path in outputs.items())
    subprocess.run([reader, "--gtest_filter=InteropReadTest.*", "--gtest_brief=1"], check=True, timeout=600,
                   env={**os.environ, "ICECORE_DELTA_READ": listing}, stdout=sys.stderr)
    return outputs


def check_folder(reader, folder, scratch):
    """Yields (request, problem or None) for everything that the tables' writer read."""
    requests = requests_of(folder)
    outputs = read_ours(reader, requests, scratch)
    for request, wanted in requests.items():
        name = request.replace(folder + "/", "")
        if os.path.exists(outputs[request] + ".error"):
            with open(outputs[request] + ".error") as error:
                yield name, error.read()
        else:
            # The time of a commit is that of the log's file, which a copy does not keep.
            yield name, different(load(wanted), load(outputs[request]), ignored=("_commit_timestamp",))


STORED = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.decimal128(20, 0)}


def as_stored(table):
    """Our declared types as the types in which they rest (docs/formats/delta-details.md, section Schema)."""
    for i, field in enumerate(table.schema):
        kind = STORED.get(field.type, field.type)
        if pa.types.is_time(kind) or (pa.types.is_timestamp(kind) and kind.unit == "ns"):
            kind = pa.int64()
        elif pa.types.is_fixed_size_list(kind):
            kind = pa.list_(kind.value_type)
        if kind != field.type:
            table = table.set_column(i, pa.field(field.name, kind), table.column(i).cast(kind))
    return table


def leaves(table):
    """(dotted name, column) of everything that may have statistics; a null struct counts in each member."""
    for name, column in zip(table.schema.names, table.columns):
        if pa.types.is_struct(column.type):
            members = pa.table({f.name: pc.struct_field(column, [i]) for i, f in enumerate(column.type)})
            yield from ((f"{name}.{inner}", leaf) for inner, leaf in leaves(members))
        else:
            yield name, column


def has_bounds(kind):
    return (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or
            pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def wrong_statistics(file, numbers):
    """Nothing, or what the statistics of a file, {"rows", "nulls", "min", "max"} by dotted names, say wrongly of it."""
    table = pq.ParquetFile(file, coerce_int96_timestamp_unit="us").read()
    if numbers["rows"] != table.num_rows:
        return f"{numbers['rows']} rows, the file has {table.num_rows}"
    for name, column in leaves(table):
        nulls, low, high = (numbers[what].get(name) for what in ("nulls", "min", "max"))
        if nulls is not None and nulls != column.null_count:
            return f"{name}: {nulls} nulls, the file has {column.null_count}"
        if not has_bounds(column.type):
            continue
        values = [value for value in column.to_pylist() if value is not None]
        if not values or any(isinstance(value, float) and math.isnan(value) for value in values):
            if low is not None or high is not None:
                return f"{name}: bounds {low}, {high} of {'no values' if not values else 'values with NaN'}"
            continue
        endless = any(isinstance(value, float) and math.isinf(value) for value in values)
        cut = pa.types.is_string(column.type) or pa.types.is_timestamp(column.type)
        if low is None or high is None:
            if not endless and not pa.types.is_timestamp(column.type) and not pa.types.is_date(column.type):
                return f"{name}: no bounds"
            continue
        if low > min(values) or high < max(values) or not cut and (low, high) != (min(values), max(values)):
            return f"{name}: bounds {low!r}, {high!r}; the file has {min(values)!r}, {max(values)!r}"
    return None
