"""worker.py icecore|feast FOLDER: one side of row P4. Lines in: `run` or `save`; a JSON line out for each.

A run is one training set from a pandas frame to a pandas frame, with everything loaded and open.
"""
import datetime
import gc
import json
import os
import resource
import sys
import time

import data
import pandas


def icecore_call(folder):
    import icecore
    project = icecore.open(os.path.join(folder, "icecore"))
    return lambda spine: project.training_set("bench", spine).to_pandas()


def feast_call(folder):
    from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.types import Float64
    store = FeatureStore(repo_path=os.path.join(folder, "feast"))
    entities = {key: Entity(name=key[:-3], join_keys=[key], value_type=ValueType.INT64) for key in set(data.VIEWS.values())}
    views = [FeatureView(name=f"{name}_view", entities=[entities[key]], ttl=datetime.timedelta(days=data.TTL_DAYS),
                         schema=[Field(name=f"{name}_{i}", dtype=Float64) for i in range(data.FEATURES)],
                         source=FileSource(path=os.path.join(folder, f"{name}.parquet"), timestamp_field="event_timestamp"))
             for name, key in data.VIEWS.items()]
    service = FeatureService(name="bench", features=views)
    store.apply([*entities.values(), *views, service])
    return lambda spine: store.get_historical_features(entity_df=spine, features=service).to_df()


def main():
    side, folder = sys.argv[1:]
    call = icecore_call(folder) if side == "icecore" else feast_call(folder)
    spine = pandas.read_parquet(os.path.join(folder, "spine.parquet"))
    for line in sys.stdin:
        gc.collect()
        started = time.perf_counter()
        frame = call(spine)
        seconds = time.perf_counter() - started
        if line.strip() == "save":
            frame.to_parquet(os.path.join(folder, f"{side}.parquet"))
        print("\n" + json.dumps({"seconds": seconds, "rows": len(frame),
                                 "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}), flush=True)


if __name__ == "__main__":
    main()
