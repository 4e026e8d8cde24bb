"""What the Python expressions of `make` and `check` blocks may use. An expression of `make` gives the file's bytes."""
import glob as _glob
import gzip as _gzip
import hashlib
import io
import os
import zipfile

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq


def bytes_of(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def gz(content: str | bytes) -> bytes:
    return _gzip.compress(bytes_of(content), mtime=0)


def zst(content: str | bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(bytes_of(content))
    return out.getvalue().to_pybytes()


def zip_of(**members: str | bytes) -> bytes:
    """zip_of(a=…, b=…): the members a.csv, b.csv."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name + ".csv", bytes_of(content))
    return out.getvalue()


def rows(csv: str, **types: str) -> pa.Table:
    """A table from CSV text; types as Arrow names them: rows("a,t\\n1,…", t="timestamp[us, tz=UTC]")."""
    named = {"timestamp": pa.timestamp("us", "UTC"), "local_timestamp": pa.timestamp("us"),
             "nanoseconds": pa.timestamp("ns", "UTC")}
    kinds = {name: named.get(kind) or pa.type_for_alias(kind) for name, kind in types.items()}
    options = pa.csv.ConvertOptions(column_types=kinds, strings_can_be_null=True)
    return pa.csv.read_csv(io.BytesIO(csv.encode()), convert_options=options)


def parquet(table: pa.Table | dict) -> bytes:
    out = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), out)
    return out.getvalue()


def arrow(table: pa.Table | dict) -> bytes:
    table = table if isinstance(table, pa.Table) else pa.table(table)
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def content_of(expression: str) -> bytes:
    """The bytes that the expression of a `make` block gives."""
    return bytes_of(eval(expression, dict(globals())))  # the specs are ours


def holds(expression: str, folder: str) -> bool:
    """Whether the expression of a `check` block is true in the project's folder."""
    def files(pattern: str) -> list[str]:
        return sorted(os.path.relpath(path, folder) for path in
                      _glob.glob(os.path.join(folder, pattern), recursive=True) if os.path.isfile(path))

    def read(name: str) -> bytes:
        with open(os.path.join(folder, name), "rb") as file:
            return file.read()

    def digest(name: str) -> str:
        return hashlib.sha256(read(name)).hexdigest()

    return bool(eval(expression, {"files": files, "read": read, "digest": digest}))
