"""What we read from Spark's tables against what Spark read."""
import glob
import os
import subprocess
import sys

import pyarrow as pa


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
    if pa.types.is_large_string(kind):
        return "string"
    if pa.types.is_map(kind):
        return f"map<{plain(kind.key_type)}, {plain(kind.item_type)}>"
    if pa.types.is_list(kind):
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
    """Request line -> file with the wanted rows."""
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
    """Request line -> file that our reader wrote."""
    outputs = {request: os.path.join(scratch, f"{i}.arrow") for i, request in enumerate(requests)}
    listing = os.path.join(scratch, "requests")
    with open(listing, "w") as out:
        out.writelines(f"{request} {path}\n" for request, path in outputs.items())
    subprocess.run([reader, "--gtest_filter=InteropReadTest.*", "--gtest_brief=1"], check=True, timeout=600,
                   env={**os.environ, "ICECORE_DELTA_READ": listing}, stdout=sys.stderr)
    return outputs


def check_folder(reader, folder, scratch):
    """Yields (request, problem or None) for everything that Spark read."""
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
