#!/usr/bin/env python3
"""/metrics of `icecore serve` as Prometheus sees it: `promtool check metrics` finds nothing, every metric is in the documentation and
the other way round, the dashboard asks for metrics that there are, and the figures are those of what was asked.

    run.py --icecore BINARY

Last line: `N passed, N failed`.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import pyarrow.flight as fl

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
sys.path[:0] = [os.path.dirname(HERE), os.path.dirname(os.path.dirname(HERE))]
import clicks  # noqa: E402
from project import Failed, Project  # noqa: E402
from served import ON_LOOPBACK, Server, count_tests, expect  # noqa: E402

WAIT_S = 60
DEFINITIONS = clicks.definitions()

GONE = """\
feature_view: gone
entity: user
from: processing.clicks
event_time: at
online: true
features: [n]
"""


def await_value(server: Server, series: str, wanted: float) -> None:
    deadline = time.monotonic() + WAIT_S
    while (got := value(metrics_of(server), series)) != wanted:
        if time.monotonic() > deadline:
            raise Failed(f"{series} is {got}, not {wanted}")
        time.sleep(0.05)


def metrics_of(server: Server) -> str:
    status, text = server.send("GET", "/metrics")
    expect(status, 200, "status of /metrics")
    return text


def value(text: str, series: str) -> float | None:
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else None


def families(text: str) -> set[str]:
    return set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))


def promtool(text: str) -> tuple[int, str]:
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def now(seconds_ago: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds_ago))


def prepared(icecore: str, folder: str) -> Project:
    project = Project(icecore, folder)
    project.write("icecore.yaml", "language: 1\nproject: metrics\n")
    project.write("definitions/all.yaml", DEFINITIONS)
    project.write("rows.ndjson", json.dumps({"user": "first", "at": now(3600), "n": 1}) + "\n")
    project.write("definitions/gone.yaml", GONE)
    project.must("apply")
    project.must("push", "clicks", "--file", "rows.ndjson")
    project.must("run")
    os.remove(project.path("definitions/gone.yaml"))
    project.must("apply")
    return project


def asked_of_everything(server: Server) -> str:
    """/metrics after requests of every kind, good and bad."""
    for method, path, document, status in [
            ("POST", "/v1/features", {"service": "model", "entities": {"user": ["first", "none"]}}, 200),
            ("POST", "/v1/features", {"service": "modle", "entities": {}}, 404),
            ("POST", "/v1/features", {"service": "model", "entities": {}}, 400),
            ("POST", "/get-online-features", {"features": ["seen:n"], "entities": {"user": ["first"]}}, 200),
            ("POST", "/push", {"source": "clicks", "rows": [{"user": "a", "at": now(20), "n": 1}]}, 200),
            ("GET", "/nothing", None, 404), ("GET", "/healthz", None, 200), ("GET", "/v1/services", None, 200)]:
        expect(server.send(method, path, document)[0], status, f"status of {path} {document}")
    asked = {"service": "model", "entities": {"user": "first"}}
    with fl.connect(server.flight) as client:
        expect(client.do_get(fl.Ticket(json.dumps(asked))).read_all().num_rows, 1, "rows over Flight")
    await_value(server, 'icecore_flight_calls_total{method="DoGet",status="ok"}', 1)
    await_value(server, 'icecore_view_event_to_servable_seconds_count{view="seen"}', 1)
    await_value(server, 'icecore_push_to_servable_seconds_count{source="clicks"}', 1)
    await_value(server, 'icecore_push_backlog{source="clicks"}', 0)
    return metrics_of(server)


def promtool_finds_nothing(text: str) -> None:
    code, says = promtool(text)
    expect((code, says), (0, ""), "promtool check metrics")
    # The check must be able to fail: text that is none, and what it calls bad style.
    for broken in (text + "icecore_x{a=1} 2\n", text + "# HELP icecore_x X\n# TYPE icecore_x counter\nicecore_x 1\n",
                   re.sub(r"^# HELP icecore_store_bytes.*\n", "", text, flags=re.MULTILINE)):
        if promtool(broken)[0] == 0:
            raise Failed("promtool finds nothing in broken text")


def documentation_names_every_metric(text: str) -> None:
    with open(os.path.join(ROOT, "docs", "http.md"), encoding="utf-8") as file:
        section = file.read().split("## Metrics", 1)[1]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `icecore_")]
    expect(sorted(re.findall(r"`(icecore_\w+)`", " ".join(rows))), sorted(families(text)), "metrics in docs/http.md")


def dashboard_asks_for_what_there_is(text: str) -> None:
    with open(os.path.join(ROOT, "deploy", "grafana", "icecore.json"), encoding="utf-8") as file:
        expressions = " ".join(target["expr"] for panel in json.load(file)["panels"] for target in panel.get("targets", []))
    known = families(text)
    asked = {name if name in known else re.sub(r"_(bucket|sum|count)$", "", name)
             for name in re.findall(r"icecore_\w+", expressions)}
    expect(sorted(asked - known), [], "metrics of the dashboard that there are not")
    expect(known - asked, {"icecore_store_cells", "icecore_view_applied_at_seconds"}, "metrics that no panel shows")
    if len(asked) < 10:
        raise Failed(f"the dashboard asks for {asked} only")


def figures_are_right(text: str) -> None:
    for series, wanted in [
            ('icecore_feature_requests_total{service="model",status="200"}', 2),  # one over Flight
            ('icecore_feature_requests_total{service="model",status="400"}', 1),
            ('icecore_feature_requests_total{service="(features)",status="200"}', 1),
            ('icecore_feature_rows_total{service="model"}', 3),
            ('icecore_flight_batch_duration_seconds_count{method="DoGet"}', 1), ('icecore_flight_calls_in_flight', 0),
            ('icecore_feature_values_total{service="model",status="not_found"}', 1),
            ('icecore_pushed_rows_total{source="clicks"}', 1),
            ('icecore_push_runs_total{result="failed"}', 0), ('icecore_load_errors_total{code="unavailable",view="seen"}', 0),
            ('icecore_served_log_dropped_total', 0),
            # The row pushed was 20 seconds old; what was loaded before the server is not counted.
            ('icecore_view_event_to_servable_seconds_bucket{view="seen",le="10"}', 0),
            ('icecore_view_event_to_servable_seconds_bucket{view="seen",le="300"}', 1),
            ('icecore_view_known_to_servable_seconds_bucket{view="seen",le="60"}', 1),
            ('icecore_push_to_servable_seconds_bucket{source="clicks",le="60"}', 1)]:
        expect(value(text, series), float(wanted), series)
    # None where the row was servable before it was committed.
    waited_for = value(text, 'icecore_view_commit_to_servable_seconds_count{view="seen"}')
    expect(waited_for in (0, 1), True, "commits that were waited for")
    expect(value(text, 'icecore_view_commit_to_servable_seconds_bucket{view="seen",le="60"}'), waited_for, "of them within a minute")
    expect(value(text, 'icecore_push_runs_total{result="ok"}') >= 1, True, "a run for the push")


def what_left_the_definitions_has_no_series(text: str) -> None:
    if 'view="seen"' not in text or 'view="gone"' in text:
        raise Failed("the views that have series are not those that are defined")


def main() -> int:
    parser = argparse.ArgumentParser(description="Holds /metrics of `icecore serve` to Prometheus' own check.")
    parser.add_argument("--icecore", required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="metrics-") as temporary:
        with Server(prepared(given.icecore, os.path.join(temporary, "project")), *ON_LOOPBACK, "--flight", "127.0.0.1:0") as server:
            text = asked_of_everything(server)
        tests = (promtool_finds_nothing, documentation_names_every_metric, dashboard_asks_for_what_there_is, figures_are_right,
                 what_left_the_definitions_has_no_series)
        return count_tests((test.__name__, lambda test=test: test(text)) for test in tests)


if __name__ == "__main__":
    sys.exit(main())
