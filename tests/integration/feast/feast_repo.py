#!/usr/bin/env python3
"""A Feast repository over the rows that Icecore serves; runs in Feast's own environment.

    feast_repo.py make FOLDER STORE ROWS     STORE: the address of a remote online store, or sqlite (filled with ROWS)
    feast_repo.py read FOLDER REQUESTS       JSON in, JSON out: get_online_features as a Feast client has it
"""
import json
import os
import sys
from datetime import timedelta

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Float64, Int64, String

CONFIG = """\
project: shop
registry: {folder}/registry.db
provider: local
entity_key_serialization_version: 3
online_store: {store}
auth: {{type: no_auth}}
"""


def make(folder: str, store: str, rows: str) -> None:
    os.makedirs(folder)
    remote = store.startswith("http")
    online = f"{{type: remote, path: '{store}'}}" if remote else f"{{type: sqlite, path: {folder}/online.db}}"
    with open(os.path.join(folder, "feature_store.yaml"), "w", encoding="utf-8") as out:
        out.write(CONFIG.format(folder=folder, store=online))
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
    source = FileSource(path=rows, timestamp_field="happened_at")
    seen = FeatureView(name="seen", entities=[user], ttl=timedelta(days=0), source=source, schema=[
        Field(name="user_id", dtype=Int64), Field(name="amount", dtype=Float64), Field(name="items", dtype=Int64),
        Field(name="city", dtype=String)])
    feast = FeatureStore(repo_path=folder)
    visits = PushSource(name="visits", batch_source=FileSource(name="visits_batch", path=rows, timestamp_field="event_timestamp"))
    visited = FeatureView(name="visited", entities=[user], ttl=timedelta(days=0), source=visits, schema=[
        Field(name="user_id", dtype=Int64), Field(name="visits", dtype=Int64)])
    views = [seen, visited] if remote else [seen]
    feast.apply([user, *views, FeatureService(name="shop_model", features=[seen])])
    if not remote:
        feast.write_to_online_store("seen", pd.read_parquet(rows))


def read(folder: str, requests: list[dict]) -> list[dict]:
    store, answers = FeatureStore(repo_path=folder), []
    for request in requests:
        features = store.get_feature_service(request["service"]) if "service" in request else request["features"]
        try:
            answer = store.get_online_features(features=features, entity_rows=request["rows"],
                                               full_feature_names=request.get("full", False))
            answers.append({"values": answer.to_dict(),
                            "statuses": {name: [int(status) for status in result.statuses] for name, result in
                                         zip(answer.proto.metadata.feature_names.val, answer.proto.results)}})
        except Exception as error:
            answers.append({"error": type(error).__name__, "message": str(error)})
    return answers


def write(folder: str, view: str, columns: dict) -> None:
    rows = pd.DataFrame(columns)
    rows["event_timestamp"] = pd.to_datetime(rows["event_timestamp"])
    FeatureStore(repo_path=folder).write_to_online_store(view, rows)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(*sys.argv[2:5])
    elif sys.argv[1] == "write":
        write(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))
    else:
        print(json.dumps(read(sys.argv[2], json.loads(sys.argv[3]))))
