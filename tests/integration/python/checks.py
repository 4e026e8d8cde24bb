"""What is checked of the installed package. checks.py GROUP FOLDER, in the environment that run.py makes.

A line per check: `ok NAME` or `FAIL NAME: why`. FOLDER holds a project that was not applied yet.
"""
import datetime
import gc
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings

import pyarrow as pa
import pyarrow.parquet as pq

import icecore
import project_files
from icecore import errors

BINARY = os.environ["ICECORE_BINARY"]
NOW = project_files.NOW
ARROW = os.path.realpath(os.path.dirname(pa.__file__))


def equal(got, expected, what="values"):
    if got != expected:
        raise AssertionError(f"{what}: got {str(got)[:500]}, expected {str(expected)[:500]}")


def same_table(got, expected):
    """Names, types and every bit: NaN payloads and null masks too."""
    equal(got.schema.names, expected.schema.names, "columns")
    equal([field.type for field in got.schema], [field.type for field in expected.schema], "types")
    if not got.combine_chunks().equals(expected.combine_chunks()):
        for name in got.column_names:
            equal(got.column(name).to_pylist(), expected.column(name).to_pylist(), name)


def refused(kind, call, *texts):
    try:
        call()
    except kind as error:
        for text in texts:
            if text not in str(error):
                raise AssertionError(f"the error does not name {text!r}: {error}") from None
        return error
    raise AssertionError(f"no {kind.__name__}")


def cli(folder, *arguments):
    done = subprocess.run([BINARY, "-C", folder, *arguments], capture_output=True, text=True)
    equal(done.returncode, 0, f"icecore {arguments[0]}: {done.stderr}")
    return done.stdout


def loaded(folder):
    project = icecore.open(folder, now=NOW)
    project.apply()
    project.run()
    return project


SPINE = pa.table(project_files.spine_columns()).cast(pa.schema([
    ("customer_id", pa.int64()), ("city", pa.string()), ("event_timestamp", pa.timestamp("us", "UTC")),
    ("basket", pa.float64()), ("label", pa.bool_())]))


# ---------------------------------------------------------------- groups

def package(folder):
    from importlib import metadata

    def it_says_what_it_is():
        equal(metadata.version("icecore"), icecore.__version__)
        assert os.path.exists(os.path.join(os.path.dirname(icecore.__file__), "py.typed"))

    def it_is_the_installed_one():
        assert "site-packages" in icecore.__file__, icecore.__file__

    def the_process_has_one_libarrow():
        loaded(folder).sql("select 1").to_arrow()
        with open("/proc/self/maps", encoding="utf-8") as maps:
            files = {line.split()[-1] for line in maps if "libarrow.so" in line or "libparquet.so" in line}
        equal(len(files), 2, f"files mapped: {files}")
        assert all(file.startswith(ARROW) for file in files), files

    def any_order_of_imports_works():
        for first in ("pyarrow", "pandas", "polars", "duckdb", "ssl", "icecore"):
            code = (f"import {first}; import icecore, pandas, polars, duckdb, ssl, hashlib, urllib.request\n"
                    f"p = icecore.open({folder!r}); p.sql('select 1 as n').to_arrow()\n"
                    "duckdb.sql('select 1').fetchall(); hashlib.sha256(b'x').hexdigest(); ssl.create_default_context()\n"
                    "import pyarrow.parquet, io; pyarrow.parquet.write_table(p.sql('select 1 as n').to_arrow(), io.BytesIO())")
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
            equal(done.returncode, 0, f"{first} first: {done.stderr[-500:]}")

    def signals_are_left_alone():
        before = signal.getsignal(signal.SIGINT)
        loaded(folder)
        assert signal.getsignal(signal.SIGINT) is before
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            return
        raise AssertionError("SIGINT does not arrive")

    return it_says_what_it_is, it_is_the_installed_one, the_process_has_one_libarrow, any_order_of_imports_works, signals_are_left_alone


def frames(folder):
    import duckdb
    import pandas
    import polars
    project = loaded(folder)
    expected = project.training_set("shop", SPINE).to_arrow()
    features = [name for name in expected.column_names if name not in SPINE.column_names]

    def features_of(table):
        return pa.table(table).select(features).to_pylist()

    def pyarrow_comes_back_as_it_was():
        same_table(expected.select(SPINE.column_names), SPINE)
        same_table(project.training_set("shop", SPINE.to_reader(max_chunksize=37)).to_arrow(), expected)
        same_table(project.training_set("shop", SPINE.combine_chunks().to_batches()[0]).to_arrow(), expected)

    def pandas_comes_back_as_it_was():
        spine = SPINE.to_pandas()
        got = project.training_set("shop", spine).to_pandas()
        pandas.testing.assert_frame_equal(got[spine.columns], spine)
        equal(features_of(pa.Table.from_pandas(got[features])), expected.select(features).to_pylist())

    def an_index_of_pandas_comes_back():
        spine = SPINE.to_pandas()
        spine.index = pandas.Index([f"row {i}" for i in range(len(spine))], name="name")
        got = project.training_set("shop", spine).to_pandas()
        assert got.index.equals(spine.index), got.index

    def polars_comes_back_as_it_was():
        spine = polars.DataFrame(SPINE)
        got = project.training_set("shop", spine).to_polars()
        assert got.select(spine.columns).equals(spine)
        equal(features_of(got.to_arrow()), expected.select(features).to_pylist())
        lazy = project.training_set("shop", spine.lazy()).to_polars()
        assert lazy.equals(got)

    def duckdb_takes_part():
        spine = SPINE
        relation = duckdb.sql("select * from spine")
        got = project.training_set("shop", relation).to_arrow()
        equal(features_of(got), expected.select(features).to_pylist())
        equal(duckdb.sql("select count(*), count(amount) from got").fetchone(),
              (len(SPINE), len(SPINE) - expected.column("amount").null_count))

    def dicts_come_as_columns_and_as_rows():
        equal(features_of(project.training_set("shop", project_files.spine_columns()).to_arrow()),
              expected.select(features).to_pylist())
        equal(features_of(project.training_set("shop", SPINE.to_pylist()).to_arrow()), expected.select(features).to_pylist())

    def results_are_arrow_streams():
        made = project.training_set("shop", SPINE)
        assert polars.DataFrame(made).height == len(SPINE) and pa.table(made).equals(expected)
        reader = project.training_set("shop", SPINE).to_reader()
        equal(sum(len(batch) for batch in reader), len(SPINE))

    def no_rows_are_a_frame_too():
        got = project.training_set("shop", SPINE.slice(0, 0)).to_arrow()
        equal((got.num_rows, got.column_names), (0, expected.column_names))

    def notebooks_show_tables():
        assert "<table>" in project.training_set("shop", SPINE)._repr_html_() and "<table>" in project._repr_html_()
        assert "<table>" in project.sql("select '<b>' as x")._repr_html_()
        assert "<td><b>" not in project.sql("select '<b>' as x")._repr_html_()

    def notebooks_show_the_columns_of_rows_given_out():
        for rows in (project.training_set("shop", SPINE), project.sql("select 1 as n, 'x' as t")):
            rows.to_reader().read_all()
            shown = rows._repr_html_()
            assert all(name in shown and str(rows.schema.field(name).type) in shown for name in rows.column_names), shown
        gathered = project.sql("select 7 as n")
        gathered.to_arrow()
        gathered.to_reader()
        assert "<td>7</td>" in gathered._repr_html_()

    def a_column_without_a_digest_passes_through():
        words = pa.array(["a", "b"]).dictionary_encode()
        tags = pa.ListArray.from_arrays(pa.array(range(len(SPINE) + 1), pa.int32()), words.take(pa.array([0] * len(SPINE))))
        made = project.training_set("shop", SPINE.append_column("tags", tags))
        equal(made.to_arrow().column("tags").to_pylist(), [["a"]] * len(SPINE))
        assert "digest" not in made.report, made.report

    def a_path_is_no_frame():
        refused(errors.InvalidArgument, lambda: project.training_set("shop", "spine.parquet"), "read_table")
        refused(errors.InvalidArgument, lambda: project.training_set("shop", 7), "__arrow_c_stream__")

    return (pyarrow_comes_back_as_it_was, pandas_comes_back_as_it_was, an_index_of_pandas_comes_back, polars_comes_back_as_it_was,
            duckdb_takes_part, dicts_come_as_columns_and_as_rows, results_are_arrow_streams, no_rows_are_a_frame_too,
            notebooks_show_tables, notebooks_show_the_columns_of_rows_given_out, a_column_without_a_digest_passes_through,
            a_path_is_no_frame)


def parity(folder):
    project = loaded(folder)
    spine_file, out_file = os.path.join(folder, "spine.parquet"), os.path.join(folder, "out.parquet")
    pq.write_table(SPINE, spine_file)

    def training_sets_equal_the_commands():
        for known_at in ("label", "latest", "2024-02-01T00:00:00Z"):
            cli(folder, "training-set", "shop", "--spine", spine_file, "--out", out_file, "--known-at", known_at)
            same_table(project.training_set("shop", SPINE, known_at=known_at).to_arrow(), pq.read_table(out_file))

    def a_moment_may_be_a_datetime():
        moment = datetime.datetime(2024, 2, 1, tzinfo=datetime.timezone.utc)
        same_table(project.training_set("shop", SPINE, known_at=moment).to_arrow(),
                   project.training_set("shop", SPINE, known_at="2024-02-01T00:00:00Z").to_arrow())

    def sql_equals_the_command():
        query = "select * from processing.orders order by _seq"
        cli(folder, "sql", query, "--out", out_file)
        same_table(project.sql(query).to_arrow(), pq.read_table(out_file))

    def online_equals_offline():
        keys = SPINE.slice(0, 100)
        at = datetime.datetime(2024, 3, 1, tzinfo=datetime.timezone.utc)
        spine = keys.set_column(2, "event_timestamp", pa.array([at] * 100, pa.timestamp("us", "UTC")))
        vectors = project.get_online_features("shop", keys.select(["customer_id", "city"]), keys.select(["basket"]))
        offline = project.training_set("shop", spine).to_arrow()
        same_table(vectors.to_arrow().select(vectors.feature_names), offline.select(vectors.feature_names))

    def documents_equal_the_commands():
        import json
        equal(project.show("customers"), json.loads(cli(folder, "show", "customers", "--json")))
        for what in ("all", "services", "views", "tables", "quarantine"):
            document = json.loads(cli(folder, "list", what, "--json"))
            equal(project.list(what), document if what == "quarantine" else next(iter(document.values())), what)

    def digests_equal_the_commands():
        import json
        told = json.loads(cli(folder, "training-set", "shop", "--spine", spine_file, "--out", out_file, "--json"))
        made = project.training_set("shop", SPINE)
        equal((made.report["digest"], made.report["spine"]["digest"]), (told["digest"], told["spine"]["digest"]))
        parts = project.training_set("shop", SPINE.to_reader(max_chunksize=37))
        reader = parts.to_reader()
        reader.read_next_batch()
        assert "digest" not in parts.report, "known before the rows have ended"
        reader.read_all()
        equal(parts.report["digest"], told["digest"])

    def the_report_counts():
        made = project.training_set("shop", SPINE)
        by_name = {one["name"]: one for one in made.report["features"]}
        equal(made.report["rows"], len(SPINE))
        equal(by_name["amount"]["nulls"], made.to_arrow().column("amount").null_count)
        equal(list(made.report["tables"]), ["processing.orders"])

    return (training_sets_equal_the_commands, a_moment_may_be_a_datetime, sql_equals_the_command, online_equals_offline,
            documents_equal_the_commands, digests_equal_the_commands, the_report_counts)


def online(folder):
    project = loaded(folder)

    def one_vector():
        vector = project.get_online_features("shop", {"customer_id": 1, "city": "Oslo"}, {"basket": 10})
        equal(len(vector), 1)
        equal(vector.at, "2024-03-01T00:00:00.000000Z")
        equal(set(vector.views), {"customers", "cities"})
        equal(vector.views["customers"]["stale"], False)
        assert vector.to_dict()["price"][0].as_tuple().exponent == -2

    def columns_rows_and_frames_are_the_same():
        columns = {"customer_id": [1, 2, None, 500], "city": ["Oslo", "nowhere", "Oslo", None]}
        rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
        first = project.get_online_features("shop", columns, {"basket": 2.0})
        same_table(project.get_online_features("shop", rows, {"basket": 2.0}).to_arrow(), first.to_arrow())
        same_table(project.get_online_features("shop", pa.table(columns), {"basket": [2.0] * 4}).to_arrow(), first.to_arrow())
        equal(first.statuses.column("amount").to_pylist()[2:], ["not_found", "not_found"])
        equal(first.to_dict()["orders_1d"][2:], [0, 0])

    def times_are_those_of_the_rows():
        vector = project.get_online_features("shop", {"customer_id": [1], "city": ["Oslo"]}, {"basket": 2.0})
        equal(vector.event_times.column("spent_1h").null_count, 1)
        assert vector.event_times.column("amount")[0].as_py() <= datetime.datetime(2024, 3, 1, tzinfo=datetime.timezone.utc)

    def a_service_tells_of_itself():
        service = project.service("shop")
        equal(service.keys, {"customer_id": "int64", "city": "string"})
        equal(service.request, {"basket": "float64"})
        equal(list(service.features)[:2], ["amount", "price"])

    def what_is_wrong_is_named():
        entities = {"customer_id": [1], "city": ["Oslo"]}
        refused(errors.InvalidArgument, lambda: project.get_online_features("shop", {"custmer_id": [1], "city": "x"}, {"basket": 1}),
                "custmer_id", "customer_id")
        refused(errors.InvalidArgument, lambda: project.get_online_features("shop", entities), "basket")
        refused(errors.InvalidArgument, lambda: project.get_online_features("shop", {"customer_id": ["1"], "city": "x"},
                                                                              {"basket": 1}), "int64")
        refused(errors.InvalidArgument, lambda: project.get_online_features("shop", {"customer_id": [1, 2], "city": ["x"]},
                                                                              {"basket": 1}), "length")
        refused(errors.InvalidArgument, lambda: project.get_online_features("shop", entities, {"basket": 1}, at="2020-01-01T00:00:00Z"))
        refused(errors.NotFound, lambda: project.get_online_features("shopp", entities), "shop")

    def what_is_damaged_is_marked():                       # the last: the store stays so
        path = os.path.join(folder, ".icecore", "online", "data.mdb")
        with open(path, "r+b") as file:
            content = file.read()
            # The head of the town's cells: its key (view, generation), magic, flags, checksum.
            head = "Zürich".encode() + rb"\x00\x01\x00\x00\x00[\x01\x02]\x00\x00\x00\x01\xc1\x00"
            places = [found.end() for found in re.finditer(head, content)]
            assert places
            for place in places:
                file.seek(place)
                file.write(bytes([content[place] ^ 1]))
        entities = {"customer_id": [1, 2, 3], "city": ["Oslo", "Zürich", "nowhere"]}
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            vector = project.get_online_features("shop", entities, {"basket": 2.0})
        equal([one.category for one in said], [errors.DamagedValuesWarning])
        equal(vector.statuses.column("city_mean_7d").to_pylist(), ["present", "error", "null"])
        equal(vector.to_dict()["city_mean_7d"][1], None)
        equal([(one["view"], one["features"], one["rows"], one["code"]) for one in vector.errors],
              [("cities", ["city_mean_7d"], [1], "corrupt")])
        assert "error" not in vector.statuses.column("amount").to_pylist()
        equal(project.get_online_features("shop", {"customer_id": 1, "city": "Oslo"}, {"basket": 1.0}).errors, [])
        refused(errors.Corrupt, lambda: project.get_online_features("shop", {"customer_id": 1, "city": "Zürich"}, {"basket": 1.0}),
                "materialize --full cities")

    return (one_vector, columns_rows_and_frames_are_the_same, times_are_those_of_the_rows, a_service_tells_of_itself,
            what_is_wrong_is_named, what_is_damaged_is_marked)


def errors_group(folder):
    def no_project():
        refused(errors.NotFound, lambda: icecore.open("/no/such/folder"), "/no/such/folder")

    def not_applied_yet():
        project = icecore.open(folder)
        error = refused(errors.InvalidDefinition, lambda: project.training_set("shop", SPINE), "apply")
        equal(error.code, "invalid_definition")
        assert isinstance(error, icecore.IcecoreError) and isinstance(error, ValueError)

    def a_column_that_is_missing_or_wrong():
        project = loaded(folder)
        refused(errors.InvalidArgument, lambda: project.training_set("shop", SPINE.drop_columns(["city"])), "city")
        refused(errors.InvalidArgument, lambda: project.training_set("shop", SPINE.rename_columns(
            ["customer_ids", *SPINE.column_names[1:]])), "customer_id")
        refused(errors.NotFound, lambda: project.training_set("shap", SPINE), "shop")
        refused(errors.InvalidArgument, lambda: project.training_set("shop", SPINE, known_at="soon"), "label")
        refused(errors.IcecoreError, lambda: project.sql("select * from processing.ordres"), "processing.orders")
        refused(errors.InvalidArgument, lambda: project.list("servces"), "services")

    def a_stream_that_fails():
        project = loaded(folder)

        def batches():
            yield SPINE.slice(0, 10).combine_chunks().to_batches()[0]
            raise RuntimeError("the source broke")
        reader = pa.RecordBatchReader.from_batches(SPINE.schema, batches())
        refused(icecore.IcecoreError, lambda: project.training_set("shop", reader).to_arrow(), "the source broke")

    def definitions_with_errors():
        project = loaded(folder)
        path = os.path.join(folder, "definitions", "all.yaml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("aggregate: sum", "aggregate: summ"))
        refused(errors.InvalidDefinition, project.apply, "definitions/all.yaml:", "summ")
        equal(project.training_set("shop", SPINE).to_arrow().num_rows, len(SPINE))   # by the old ones
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def closed():
        project = loaded(folder)
        service, rows = project.service("shop"), project.training_set("shop", SPINE)
        with project:
            pass
        refused(ValueError, lambda: project.sql("select 1"), "closed")
        equal(len(rows), len(SPINE))
        equal(rows.report["rows"], len(SPINE))
        equal(len(service.read({"customer_id": 1, "city": "Oslo"}, {"basket": 1.0})), 1)

    return no_project, not_applied_yet, a_column_that_is_missing_or_wrong, a_stream_that_fails, definitions_with_errors, closed


def evidence(folder):
    import json
    with open(os.path.join(folder, "icecore.yaml"), "a", encoding="utf-8") as file:
        file.write("served_log: {fraction: 1}\n")
    project = loaded(folder)
    spine_file, out_file, saved = (os.path.join(folder, name) for name in ("spine.parquet", "out.parquet", "saved.parquet"))
    pq.write_table(SPINE, spine_file)
    keys = SPINE.select(["customer_id", "city", "basket"]).slice(0, 20)

    def document(*arguments):
        return json.loads(cli(folder, *arguments, "--json", "--now", NOW))

    def card_of(path):
        with open(path + ".card.json", encoding="utf-8") as file:
            return json.load(file)

    def but_when_and_where(card):
        return {**card, "made_at": "", "now": "", "set": {**card["set"], "file": ""}}

    def a_training_set_by_its_definition():
        made = project.training_set("spending")
        cli(folder, "training-set", "spending", "--out", out_file)
        same_table(made.to_arrow(), pq.read_table(out_file))
        equal(but_when_and_where(made.card), but_when_and_where(card_of(out_file)))
        equal(project.training_set("training_set.spending", known_at="latest").card["known_at"], "latest")
        assert made.card["features"][0]["leakage"] and "<table>" in made._repr_html_()

    def sets_are_saved_as_the_command_does():
        for keep in (True, False):
            made = project.training_set("shop", SPINE)
            equal(made.save(saved, keep=keep), saved + ".card.json")
            cli(folder, "training-set", "shop", "--spine", spine_file, "--out", out_file)
            same_table(pq.read_table(saved), pq.read_table(out_file))
            equal(made.card["set"]["digest"], card_of(out_file)["set"]["digest"])
            equal((card_of(saved)["set"]["file"], card_of(saved)["spine"]["from"]), ("saved.parquet", "memory"))
            equal(card_of(saved)["features"], card_of(out_file)["features"])
        refused(RuntimeError, made.to_arrow, "save")
        assert "basket_by_last" in made._repr_html_()
        refused(errors.InvalidArgument, lambda: project.training_set("shop", SPINE).save("x.txt"), ".parquet")
        import polars
        project.training_set("shop", polars.DataFrame(SPINE)).save(saved)
        equal(pq.read_table(saved).num_rows, len(SPINE))

    def sets_are_made_again():
        first = project.training_set("shop", SPINE, known_at="latest")
        path = first.save(saved)
        cli(folder, "compact")
        same_table(project.training_set("shop", SPINE, at_version=first.card).to_arrow(), first.to_arrow())
        same_table(project.training_set("shop", SPINE.to_reader(max_chunksize=41), at_version=path).to_arrow(), first.to_arrow())
        cli(folder, "training-set", "shop", "--spine", spine_file, "--out", out_file, "--at-version", path)
        same_table(pq.read_table(out_file), first.to_arrow())
        by_name = project.training_set("spending")
        same_table(project.training_set("spending", at_version=by_name.card).to_arrow(), by_name.to_arrow())
        refused(errors.NotFound, lambda: project.training_set("shop", SPINE.slice(1), at_version=path).to_arrow(), "spine")
        refused(errors.InvalidArgument, lambda: project.training_set("spending", at_version=path), "shop")
        refused(errors.InvalidArgument, lambda: project.training_set("shop", SPINE, at_version=path, known_at="latest"), "card")
        refused(errors.NotFound, lambda: project.training_set("shop", SPINE, at_version="no.json"), "no.json")
        refused(errors.BadInput, lambda: project.training_set("shop", SPINE, at_version={"card": 1}), "card")

    def a_spine_goes_with_a_service():
        refused(errors.InvalidArgument, lambda: project.training_set("shop"), "spine")
        refused(errors.InvalidArgument, lambda: project.training_set("spending", SPINE), "spine")
        refused(errors.NotFound, lambda: project.training_set("spendin"), "spending")

    def a_set_may_be_the_spine_of_another():
        towns = project.training_set("towns", SPINE)
        same_table(project.training_set("shop", towns.to_reader()).to_arrow(),
                   project.training_set("shop", project.training_set("towns", SPINE).to_arrow()).to_arrow())

    def what_was_served_is_verified():
        project.get_online_features("shop", keys.select(["customer_id", "city"]), keys.select(["basket"])).to_arrow()
        told = project.verify("shop")
        assert told.passed and told.source == "log" and told.vectors > 0 and told.equal == told.values, told
        equal(told.document, document("verify", "shop"))
        equal(project.verify("shop", since=datetime.timedelta(hours=1)).vectors, told.vectors)
        equal(len(told.to_pandas()), 0)
        assert "mismatched" in told._repr_html_()
        now = project.verify("shop", keys)
        equal((now.source, now.vectors, now.passed), ("spine", 20, True))
        refused(errors.InvalidArgument, lambda: project.verify("shop", keys, since="1h"), "since")
        refused(errors.InvalidArgument, lambda: project.verify("shop", since="yesterday"), "24h")
        refused(errors.InvalidArgument, lambda: project.verify("shop", limit=0), "limit")
        refused(errors.NotFound, lambda: project.verify("shap"), "shop")

    def values_are_explained():
        at = datetime.datetime(2024, 2, 1, tzinfo=datetime.timezone.utc)
        told = project.explain("shop", {"customer_id": 1}, "amount", at)
        equal(told.document, document("explain", "shop", "customer_id=1", "amount", "--at", "2024-02-01T00:00:00Z"))
        spine = {"customer_id": [1], "city": ["Oslo"], "event_timestamp": [at], "basket": [10.0]}
        row = project.training_set("shop", spine).to_pylist()[0]
        equal((told.value, told.status), (row["amount"], "present"))
        frame = told.to_pandas()
        equal(list(frame.columns), ["view", "feature", "event_time", "known_at", "seq", "value", "verdict"])
        assert (frame.verdict == "chosen").sum() == 1 and str(frame.event_time.dtype).endswith("UTC]"), frame
        ratio = project.explain("shop", {"customer_id": 1}, "basket_by_last", at, request={"basket": 10})
        equal((ratio.value, ratio.expression["text"]), (row["basket_by_last"], "basket / amount"))
        assert all("<table>" in one._repr_html_() for one in (told, ratio))
        window = project.explain("shop", {"customer_id": 1}, "customers.orders_1d", at, rows=0)
        assert window.value == row["orders_1d"] and "over 1d" in window._repr_html_(), window.document
        refused(errors.InvalidArgument, lambda: project.explain("shop", {"customer": 1}, "amount"), "customer_id")
        refused(errors.InvalidArgument, lambda: project.explain("shop", {"customer_id": None}, "amount"), "customer_id")
        refused(errors.InvalidArgument, lambda: project.explain("shop", {"customer_id": [1]}, "amount"), "one value")
        refused(errors.IcecoreError, lambda: project.explain("shop", {"customer_id": 1}, "amuont"), "amount")

    def definitions_are_compared():
        equal((project.compare("cities", 1, SPINE).different, project.compare("cities", 1, SPINE).same_definition), (0, True))
        path = os.path.join(folder, "definitions", "all.yaml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text.replace("aggregate: mean, of: amount, windows: [7d]", "aggregate: mean, of: price, windows: [7d, 3d]"))
            told = project.compare("cities", 1, SPINE, examples=2)
            equal(told.document, document("compare", "cities", "--with", "1", "--spine", spine_file, "--examples", "2"))
        finally:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        project.reload()
        frame = told.to_pandas().set_index("feature")
        assert frame.kind["city_mean_3d"] == "added" and frame.different["city_mean_7d"] > 0, frame
        equal(len(told.examples), 2)
        assert "city_mean_3d" in told._repr_html_()
        refused(errors.NotFound, lambda: project.compare("cities", 99, SPINE), "99")
        refused(errors.InvalidArgument, lambda: project.compare("cities", 0, SPINE), "version")

    def the_projects_tests_are_asked():
        told = project.test()
        equal([(one["name"], one["passed"], one["differences"]) for one in told.tests], [("last_order", True, [])])
        assert told.passed and len(told) == 1 and list(told.to_pandas().passed) == [True] and "last_order" in told._repr_html_()
        refused(errors.InvalidArgument, lambda: project.test("last_ordr"), "last_order")
        extra = os.path.join(folder, "definitions", "wrong.yaml")
        with open(extra, "w", encoding="utf-8") as file:
            file.write("test: wrong\ngiven: {processing.orders: []}\n"
                       "ask: {service: shop, at: 2024-01-05T12:00:00Z, customer_id: 1, city: Oslo, basket: 5}\n"
                       "expect: {orders_1d: 3}\n")
        told = project.test("wrong")
        os.remove(extra)
        project.reload()
        equal((told.passed, told.failures[0]["differences"][0]["expected"]), (False, 3))
        assert "orders_1d" in told._repr_html_()

    return (a_training_set_by_its_definition, sets_are_saved_as_the_command_does, sets_are_made_again, a_spine_goes_with_a_service,
            a_set_may_be_the_spine_of_another, what_was_served_is_verified, values_are_explained, definitions_are_compared,
            the_projects_tests_are_asked)


def verbs(folder):
    project = icecore.open(folder, now=NOW)

    def plan_apply_run():
        plan = project.plan()
        assert {change["name"] for change in plan["changes"]} >= {"source.orders", "view.customers"}, plan["changes"]
        equal(project.apply()["version"], 1)
        report = project.run()
        equal((report["status"], report["balanced"]), ("done", True))
        equal({step["status"] for step in project.run()["steps"]}, {"nothing"})

    def only_what_is_named():
        report = project.run("processing.orders", full=True)
        equal({step["thing"] for step in report["steps"]}, {"processing.orders"})

    def a_failed_step_raises():
        os.makedirs(os.path.join(folder, "data2"))
        definitions = os.path.join(folder, "definitions", "more.yaml")
        with open(definitions, "w", encoding="utf-8") as file:
            file.write("source: bad\nfrom:\n  files: {path: \"data2/*.parquet\", format: parquet}\n")
        with open(os.path.join(folder, "data2", "a.parquet"), "w", encoding="utf-8") as file:
            file.write("no parquet")
        project.apply()
        error = refused(icecore.errors.RunFailed, project.run, "bad")
        equal(error.report["status"], "failed")
        os.remove(definitions)
        project.apply()
        project.run()

    def a_changed_definition_is_served_after_a_run():
        before = project.service("shop").features
        path = os.path.join(folder, "definitions", "all.yaml")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace("windows: [7d]", "windows: [3d]"))
        project.apply()
        project.run()
        assert "city_mean_7d" in before and "city_mean_3d" in project.service("shop").features

    return plan_apply_run, only_what_is_named, a_failed_step_raises, a_changed_definition_is_served_after_a_run


def threads(folder):
    project = loaded(folder)
    expected = project.training_set("shop", SPINE).to_arrow()
    vector = project.get_online_features("shop", SPINE.select(["customer_id", "city"]), SPINE.select(["basket"])).to_arrow()

    def in_threads(count, work):
        failures = []

        def guarded():
            try:
                work()
            except Exception:
                failures.append(traceback.format_exc())
        running = [threading.Thread(target=guarded) for _ in range(count)]
        for one in running:
            one.start()
        for one in running:
            one.join()
        equal(failures, [], "failures")

    def one_project_serves_many_threads():
        def work():
            for _ in range(5):
                same_table(project.training_set("shop", SPINE).to_arrow(), expected)
                same_table(project.get_online_features("shop", SPINE.select(["customer_id", "city"]),
                                                       SPINE.select(["basket"])).to_arrow(), vector)
                equal(project.sql("select count(*) as n from processing.orders").to_pylist(), [{"n": 3000}])
        in_threads(6, work)

    def each_thread_may_have_its_own_project():
        def work():
            own = icecore.open(folder, now=NOW)
            same_table(own.training_set("shop", SPINE).to_arrow(), expected)
            equal(len(own.get_online_features("shop", {"customer_id": 1, "city": "Oslo"}, {"basket": 1.0})), 1)
        in_threads(4, work)

    def the_interpreter_goes_on_during_a_call():
        ticks, done = [0], threading.Event()

        def tick():
            while not done.is_set():
                ticks[0] += 1
                done.wait(0.0005)
        ticker = threading.Thread(target=tick)
        ticker.start()
        spine = pa.concat_tables([SPINE] * 200)
        project.training_set("shop", spine).to_arrow()
        done.set()
        ticker.join()
        assert ticks[0] > 5, f"{ticks[0]} ticks during a call"

    return one_project_serves_many_threads, each_thread_may_have_its_own_project, the_interpreter_goes_on_during_a_call


def forks(folder):
    project = loaded(folder)

    def a_child_is_told_to_open_anew():
        child = os.fork()
        if child == 0:
            try:
                refused(RuntimeError, lambda: project.sql("select 1"), "fork")
                os._exit(0)
            except BaseException:
                os._exit(1)
        equal(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0, "exit code of the child")
        equal(project.sql("select 1 as n").to_pylist(), [{"n": 1}])

    def spawned_processes_work():
        code = (f"import icecore; p = icecore.open({folder!r}, now={NOW!r});"
                "print(len(p.get_online_features('shop', {'customer_id': 1, 'city': 'Oslo'}, {'basket': 1.0})))")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        equal(done.stdout.strip(), "1", done.stderr)

    return a_child_is_told_to_open_anew, spawned_processes_work


def resident_kib():
    gc.collect()
    with open("/proc/self/status", encoding="utf-8") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


def memory(folder):
    project = loaded(folder)
    small = SPINE.slice(0, 50)

    def steady(count, call, allowed_kib=16_384):
        """After a first part that fills caches, as many calls again add next to nothing."""
        for _ in range(count // 2):
            call()
        before = resident_kib()
        for _ in range(count // 2):
            call()
        grown = resident_kib() - before
        assert grown < allowed_kib, f"{grown} KiB more after {count // 2} calls"

    def thousand_training_sets():
        steady(1000, lambda: project.training_set("shop", small).to_arrow())

    def thousand_vectors():
        entities = {"customer_id": list(range(50)), "city": ["Oslo"] * 50}
        steady(1000, lambda: project.get_online_features("shop", entities, {"basket": 1.0}).to_arrow())

    def thousand_errors():
        service = project.service("shop")

        def wrong():
            refused(errors.InvalidArgument, lambda: service.read({"customer": 1}, {"basket": 1.0}))
        steady(1000, wrong)
        steady(100, lambda: refused(errors.InvalidArgument, lambda: project.training_set("shop", small.drop_columns(["city"]))))

    def results_not_read():
        def leave():
            project.training_set("shop", small)
            project.sql("select * from processing.orders")
        steady(100, leave)

    def projects_opened_and_closed():
        def once():
            with icecore.open(folder, now=NOW) as one:
                one.get_online_features("shop", {"customer_id": 1, "city": "Oslo"}, {"basket": 1.0})
        steady(50, once)

    def handles_and_buffers_go_together():
        before = pa.total_allocated_bytes()
        tables = [project.training_set("shop", SPINE).to_arrow() for _ in range(10)]
        assert pa.total_allocated_bytes() > before, "the buffers are not Arrow's"
        del tables
        gc.collect()
        assert pa.total_allocated_bytes() - before < 1 << 20, pa.total_allocated_bytes() - before

    return thousand_training_sets, thousand_vectors, thousand_errors, results_not_read, projects_opened_and_closed, handles_and_buffers_go_together


def bindings(folder):
    """Which library each symbol of libicecore.so is bound to, as the dynamic linker says."""
    loaded(folder)

    def lines():
        with tempfile.TemporaryDirectory() as temporary:
            code = "import ssl, pandas, duckdb, icecore"
            subprocess.run([sys.executable, "-c", code], check=True, capture_output=True,
                           env={**os.environ, "LD_BIND_NOW": "1", "LD_DEBUG": "bindings",
                                "LD_DEBUG_OUTPUT": os.path.join(temporary, "bindings")})
            for name in os.listdir(temporary):
                with open(os.path.join(temporary, name), encoding="utf-8", errors="replace") as file:
                    yield from (line for line in file if "libicecore.so" in line)

    pattern = re.compile(r"binding file (\S+) \[\d+\] to (\S+) \[\d+\]: normal symbol `([^']+)'")
    bound = [match.groups() for match in map(pattern.search, lines()) if match]
    ours = [(to, symbol) for source, to, symbol in bound if source.endswith("libicecore.so")]

    def openssl_is_the_systems():
        names = [(to, symbol) for to, symbol in ours if re.match(r"(EVP|SSL|BIO|CRYPTO|OPENSSL|RAND|SHA)\w*_", symbol)]
        assert names, "no OpenSSL function is used"
        equal([one for one in names if not re.search(r"/lib(crypto|ssl)\.so\.3$", one[0])], [], "bound elsewhere")

    def duckdb_is_our_library():
        names = [(to, symbol) for to, symbol in ours if symbol.startswith("duckdb_")]
        assert names, "no function of DuckDB is used"
        equal([one for one in names if not one[0].endswith("/libduckdb.so")], [], "bound elsewhere")

    def arrow_is_pyarrows():
        names = {to for to, _ in ours if "libarrow" in to or "libparquet" in to}
        equal([one for one in names if not os.path.realpath(one).startswith(ARROW)], [], "bound elsewhere")

    def nobody_binds_to_our_insides():
        into = [(source, symbol) for source, to, symbol in bound if to.endswith("libicecore.so") and not source.endswith("libicecore.so")]
        equal([one for one in into if not one[1].startswith("icecore_")], [], "bound to us")

    def only_the_interface_is_exported():
        from icecore import _native
        library = _native.find_library()
        listed = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout
        names = [line.split()[-1].split("@")[0] for line in listed.splitlines()]
        equal([name for name in names if not name.startswith("icecore_") and name != "ICECORE_1"], [], "exported")
        assert "icecore_open" in names

    return openssl_is_the_systems, duckdb_is_our_library, arrow_is_pyarrows, nobody_binds_to_our_insides, only_the_interface_is_exported


def header(folder):
    def it_is_plain_c():
        with tempfile.TemporaryDirectory() as temporary:
            path = os.path.join(temporary, "use.c")
            with open(path, "w", encoding="utf-8") as file:
                file.write(f'#include "{os.environ["ICECORE_HEADER"]}"\n'
                           "int main(void) { icecore_project* p = 0; return icecore_open(\"x\", 0, &p, 0) == ICECORE_OK; }\n")
            for standard in ("c99", "c17"):
                done = subprocess.run(["gcc", f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", path],
                                      capture_output=True, text=True)
                equal(done.returncode, 0, done.stderr)

    def every_function_is_known_to_python():
        from icecore import _native
        with open(os.environ["ICECORE_HEADER"], encoding="utf-8") as file:
            declared = set(re.findall(r"\b(icecore_\w+)\(", file.read()))
        equal(declared - set(_native.FALLIBLE) - set(_native.PLAIN) - {"icecore_error_code"}, set())

    return it_is_plain_c, every_function_is_known_to_python


GROUPS = {"package": package, "frames": frames, "parity": parity, "online": online, "errors": errors_group, "evidence": evidence, "verbs": verbs,
          "threads": threads, "forks": forks, "memory": memory, "bindings": bindings, "header": header}


def main():
    group, folder = sys.argv[1:]
    failed = False
    for check in GROUPS[group](folder):
        name = f"{group} {check.__name__}"
        try:
            check()
            print(f"ok {name}", flush=True)
        except BaseException as error:
            failed = True
            text = str(error) if isinstance(error, AssertionError) else traceback.format_exc().replace("\n", " | ")
            print(f"FAIL {name}: {text}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
