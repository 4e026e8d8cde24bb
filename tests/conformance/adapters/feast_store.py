"""Feast (pip install feast) behind the conformance cases: its local provider and file offline store, as `feast init` has them.

What is done in Feast's favour: every use of a view gets a Parquet file of its own with the columns named as the features
are; known times of every kind become the created timestamp, and Feast is told to filter by it; names are given after the
fact; the order of rows is restored; numbers are brought back to the type that they had where that loses nothing.
"""
import datetime
import os
import tempfile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import from_value_type
from feast.type_map import pa_to_feast_value_type
from feast.value_type import ValueType as Kind
from question import ROW, Answer, NotExpressible, serve, utc

STORE = """project: conformance
registry: registry.db
provider: local
online_store: {type: sqlite, path: online.db}
offline_store: {type: file}
entity_key_serialization_version: 3
"""


def feast_type(kind):
    """The value type by Feast's own table of Arrow types; None: it has none."""
    name = f"list<item: {kind.value_type}>" if pa.types.is_list(kind) else str(kind)
    try:
        known = pa_to_feast_value_type(name)
    except KeyError:
        return None
    return None if known == Kind.UNKNOWN else from_value_type(known)


def without_foreign_types(question):
    """The question without features of types that Feast has not."""
    for view in question.views:
        for feature in view.features:
            kind = view.rows.column(feature.column).type
            if feast_type(kind) is None:
                question.left_out[feature.name] = f"columns of type {kind}"
        view.features = [feature for feature in view.features if feature.name not in question.left_out]
    question.views = [view for view in question.views if view.features]
    if not question.views:
        raise NotExpressible("; ".join(sorted(set(question.left_out.values()))))


def key_type(kind):
    return ValueType.STRING if pa.types.is_string(kind) else ValueType.INT32 if kind.bit_width <= 32 else ValueType.INT64


def write_rows(view, number, folder):
    """The file of one use: its keys by the spine's names, its times, its features. Returns (path, stand-in names)."""
    columns = {f"key_{number}_{spine}": view.rows.column(column) for spine, column in view.keys.items()}
    columns["event_timestamp"] = utc(view.rows.column(view.event_time))
    if view.known_at:
        columns["created"] = utc(view.rows.column(view.known_at))
    names = {}
    for index, feature in enumerate(view.features):
        names[f"f{number}_{index}"] = feature
        columns[f"f{number}_{index}"] = view.rows.column(feature.column)
    path = os.path.join(folder, f"view_{number}.parquet")
    pq.write_table(pa.table(columns), path)
    return path, names


def define(view, number, folder):
    path, names = write_rows(view, number, folder)
    entities = [Entity(name=f"entity_{number}_{spine}", join_keys=[f"key_{number}_{spine}"],
                       value_type=key_type(view.rows.column(column).type)) for spine, column in view.keys.items()]
    source = FileSource(name=f"source_{number}", path=path, timestamp_field="event_timestamp",
                        created_timestamp_column="created" if view.known_at else "")
    made = FeatureView(name=f"view_{number}", entities=entities, source=source,
                       ttl=datetime.timedelta(microseconds=view.ttl_us or 0),
                       schema=[Field(name=name, dtype=feast_type(view.rows.column(feature.column).type))
                               for name, feature in names.items()])
    return entities, made, names


def as_before(column, kind):
    """The column in the type that it had, where every value survives: pandas makes floats of integers with gaps."""
    if column.type == kind:
        return column
    try:
        return column.cast(kind)
    except pa.ArrowException:
        return column


def answer(question):
    if question.known_at not in ("label", "latest"):
        raise NotExpressible("the knowledge of one moment for every label")
    without_foreign_types(question)
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "feature_store.yaml"), "w", encoding="utf-8") as file:
            file.write(STORE)
        store = FeatureStore(repo_path=folder)
        defined = [define(view, number, folder) for number, view in enumerate(question.views)]
        store.apply([thing for entities, view, _ in defined for thing in (*entities, view)])
        spine = question.spine.to_pandas()
        for number, view in enumerate(question.views):
            for name in view.keys:
                spine[f"key_{number}_{name}"] = spine[name]
        wanted = [f"view_{number}:{name}" for number, (_, _, names) in enumerate(defined) for name in names]
        job = store.get_historical_features(entity_df=spine, features=wanted,
                                            filter_by_created_timestamp=question.known_at == "label")
        got = pa.Table.from_pandas(job.to_df(), preserve_index=False)
    columns = {ROW: got.column(ROW).cast(pa.int64())}
    rows = pc.index_in(columns[ROW], value_set=question.spine.column(ROW))
    columns.update({name: question.spine.column(name).take(rows) for name in question.spine.column_names if name != ROW})
    for (_, _, names), view in zip(defined, question.views):
        for name, feature in names.items():
            columns[feature.name] = as_before(got.column(name), view.rows.column(feature.column).type)
    return Answer(pa.table(columns), question.left_out)


if __name__ == "__main__":
    serve(answer)
