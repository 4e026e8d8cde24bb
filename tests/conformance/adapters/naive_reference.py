"""The naive reference of tests/oracle behind the conformance cases: what it cannot read of a case is not expressible.

Run by the Python of .deps/feast (PyYAML) with DuckDB from .deps/bench on its path.
"""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.dirname(HERE))
from naive import Landed, Naive, Unsaid  # noqa: E402
from question import ROW, Answer, Case, NotExpressible, serve  # noqa: E402


def with_plain_tables(documents):
    """Quotes and line ends of YAML in `select * from landing.x` do not matter."""
    return [{**one, "sql": " ".join(str(one["sql"]).split()), "mode": one.get("mode", "append")} if "table" in one and "sql" in one else one for one in documents]


def checked(case):
    """The definitions, where the reference knows what they say."""
    documents = with_plain_tables(case.documents)
    if "{{" in str(documents):
        raise NotExpressible("variables")
    for one in documents:
        kind = next(iter(one))
        if kind == "feature_view" and ("request" in one or "inputs" in one):
            raise NotExpressible("features computed when asked: expressions are not translated")
        if kind == "feature_view" and ("{" in one["feature_view"] or one.get("event_time") == "always" or one.get("known_at") == "arrival"):
            raise NotExpressible("templates, facts without time, known times by arrival")
        if kind == "entity" and "keys" not in one:
            one["keys"] = [{"name": one["entity"], "type": "string"}]
    return documents


def answer_of(case):
    documents = checked(case)
    landed = {name: [Landed(case.source_rows(source))] for name, source in case.of("source").items()}
    spine = case.spine()
    try:
        got = Naive(documents, landed).answer(case.case["service"], spine.drop_columns([ROW]), case.case.get("known_at", "label"))
    except Unsaid as reason:
        raise NotExpressible(str(reason)) from None
    return Answer(got.append_column(ROW, spine.column(ROW)), {})


if __name__ == "__main__":
    serve(answer_of, asked=lambda case: case)
