"""Tables as text: a line of names, then a line per row, values parted by ` | `.

Null is null; floats are the shortest text that reads back to the same bits; instants end in Z, local times do not; text
stands bare where nothing could be mistaken and as a JSON string elsewhere; lists and structs are JSON.
"""
import base64
import datetime
import decimal
import json

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq


def read_table(path: str) -> pa.Table:
    if path.endswith(".parquet"):
        return pq.read_table(path)
    if path.endswith(".arrow"):
        with pa.ipc.open_file(path) as reader:
            return reader.read_all()
    return pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(strings_can_be_null=True))


def text_of_table(table: pa.Table) -> str:
    lines = [" | ".join(table.column_names)]
    for row in range(table.num_rows):
        lines.append(" | ".join(text_of(table.column(index)[row].as_py(), table.schema.field(index).type)
                                for index in range(table.num_columns)))
    return "\n".join(lines)


def text_of(value, kind: pa.DataType) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return text_of_string(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat() + ("Z" if pa.types.is_timestamp(kind) and kind.tz else "")
    if isinstance(value, (datetime.date, datetime.time, decimal.Decimal)):
        return str(value)
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def text_of_string(value: str) -> str:
    plain = value and value == value.strip() and value.isprintable() and "|" not in value and value[0] not in '"['
    return value if plain and value not in ("null", "true", "false") and not is_number(value) \
        else json.dumps(value, ensure_ascii=False)


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
