"""data.py FOLDER SPINE ROWS: the data of row P4, an Icecore project and a Feast repository over the same files.

Customers and merchants, 20,000 each; two views of each, with ROWS rows over 30 days, 5 float features and a ttl of 30
days. Event times are whole milliseconds and no two rows of a key share one, so that nothing hangs on ties.
"""
import os
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

KEYS, DAYS, TTL_DAYS = 20_000, 30, 30
BEGIN_MS = 1_704_067_200_000                                    # 2024-01-01T00:00:00Z
VIEWS = {"spending": "customer_id", "visits": "customer_id", "sales": "merchant_id", "risk": "merchant_id"}
FEATURES = 5


def times(chance, count, from_day=0):
    return pa.array(BEGIN_MS + chance.integers(from_day * 86_400_000, DAYS * 86_400_000, count), pa.timestamp("ms", "UTC"))


def view_table(chance, name, key, rows):
    table = pa.table({key: chance.integers(0, KEYS, rows), "event_timestamp": times(chance, rows),
                      **{f"{name}_{i}": chance.normal(size=rows) for i in range(FEATURES)}})
    unique = table.group_by([key, "event_timestamp"]).aggregate([]).num_rows
    if unique != rows:
        raise SystemExit(f"{name}: {rows - unique} rows share key and time; take another seed")
    return table.cast(pa.schema([field.with_type(pa.timestamp("us", "UTC")) if pa.types.is_timestamp(field.type) else field
                                 for field in table.schema]))


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def icecore_project(folder):
    write(os.path.join(folder, "icecore.yaml"),
          "language: 1\nproject: p4\nlake: lake\ncatalog: .icecore/catalog.db\nonline: \"lmdb:.icecore/online\"\n")
    documents = [f"entity: {key[:-3]}\nkeys: [{{name: {key}, type: int64}}]\n" for key in sorted(set(VIEWS.values()))]
    for name, key in VIEWS.items():
        documents.append(f"source: {name}\nfrom:\n  files: {{path: \"../{name}.parquet\", format: parquet}}\n")
        documents.append(f"table: {name}\nzone: processing\nmode: append\nsql: select * from landing.{name}\n")
        features = ", ".join(f"{name}_{i}" for i in range(FEATURES))
        documents.append(f"feature_view: {name}_view\nentity: {key[:-3]}\nfrom: processing.{name}\nevent_time: event_timestamp\n"
                         f"ttl: {TTL_DAYS}d\nfeatures: [{features}]\n")
    documents.append(f"feature_service: bench\nfeatures: [{', '.join(f'{name}_view' for name in VIEWS)}]\n")
    write(os.path.join(folder, "definitions", "all.yaml"), "---\n".join(documents))


def main():
    folder, spine_rows, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chance = np.random.default_rng(4)
    for name, key in VIEWS.items():
        pq.write_table(view_table(chance, name, key, rows), os.path.join(folder, f"{name}.parquet"))
    spine = pa.table({"row": np.arange(spine_rows), "customer_id": chance.integers(0, KEYS, spine_rows),
                      "merchant_id": chance.integers(0, KEYS, spine_rows),
                      "event_timestamp": times(chance, spine_rows, 3).cast(pa.timestamp("us", "UTC"))})
    pq.write_table(spine, os.path.join(folder, "spine.parquet"))
    icecore_project(os.path.join(folder, "icecore"))
    write(os.path.join(folder, "feast", "feature_store.yaml"),
          "project: p4\nregistry: data/registry.db\nprovider: local\n"
          "online_store:\n  type: sqlite\n  path: data/online.db\noffline_store:\n  type: file\nentity_key_serialization_version: 3\n")
    os.makedirs(os.path.join(folder, "feast", "data"), exist_ok=True)


if __name__ == "__main__":
    main()
