"""A training set by Feast, for bench/joins.py, with its local provider and file offline store.

    join.py prepare REPOSITORY KEYS FEATURES TABLE...      a view v0, v1, … over each table's file, in place, and a service
    join.py REPOSITORY SPINE OUT                           the training set, from Parquet to Parquet

KEYS: names, parted by commas; tables have them, `at` and f0 … f{FEATURES - 1}, which are v0_f0 … in OUT.
"""
import datetime
import os
import sys

import pandas
import pyarrow as pa
import pyarrow.parquet as pq

STORE = """project: joins
registry: registry.db
provider: local
online_store: {type: sqlite, path: online.db}
offline_store: {type: file}
entity_key_serialization_version: 3
"""


def prepare(repository, keys, features, tables):
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64
    os.makedirs(repository, exist_ok=True)
    with open(os.path.join(repository, "feature_store.yaml"), "w", encoding="utf-8") as file:
        file.write(STORE)
    schema = pq.read_schema(tables[0])
    entities = [Entity(name=key, join_keys=[key], value_type=ValueType.STRING if pa.types.is_string(schema.field(key).type)
                       else ValueType.INT64) for key in keys]
    views = [FeatureView(name=f"v{v}", entities=entities, ttl=datetime.timedelta(0),
                         schema=[Field(name=f"f{i}", dtype=Float64) for i in range(features)],
                         source=FileSource(name=f"t{v}", path=table, timestamp_field="at")) for v, table in enumerate(tables)]
    FeatureStore(repo_path=repository).apply([*entities, *views, FeatureService(name="all", features=views)])


def join(repository, spine, out):
    from feast import FeatureStore
    store = FeatureStore(repo_path=repository)
    frame = store.get_historical_features(entity_df=pandas.read_parquet(spine), features=store.get_feature_service("all"),
                                          full_feature_names=True).to_df()
    frame.rename(columns=lambda name: name.replace("__", "_")).to_parquet(out, compression="zstd", index=False)


def main():
    if sys.argv[1] == "prepare":
        repository, keys, features, *tables = sys.argv[2:]
        prepare(repository, keys.split(","), int(features), tables)
    else:
        join(*sys.argv[1:])


if __name__ == "__main__":
    main()
