"""The steps of a case, one after the other (README.md, *Steps*)."""
import os
import shutil

import pyarrow.parquet as pq

from case_project import Failed, agree, check_error
from comparison import difference, last_line, rows_difference, vector_difference


def run_steps(project, case):
    steps = case["steps"]
    if "apply" not in steps[0]:
        project.must("apply")
    for number, step in enumerate(steps, 1):
        (kind, what), = [(key, value) for key, value in step.items() if key != "error"]
        try:
            STEPS[kind](project, case, what, step.get("error"))
        except Failed as failed:
            raise Failed(f"step {number}: {failed}") from None


def step_add(project, case, what, error):
    for destination, source in what["files"].items():
        path = os.path.join(project.folder, destination)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copyfile(os.path.join(project.case_folder, source), path)


def finished(project, arguments, error):
    """stdout, or None after the error that was to come."""
    code, stdout, stderr = project.call(*arguments)
    if error is not None:
        check_error(arguments[0], code, stdout + stderr, error.get("names"))
        return None
    if code != 0:
        raise Failed(f"{arguments[0]}: exit code {code}: {last_line(stderr or stdout)}")
    return stdout


def step_apply(project, case, what, error):
    for destination, source in what.get("definitions", {}).items():
        shutil.copyfile(os.path.join(project.case_folder, source), os.path.join(project.folder, "definitions", destination))
    finished(project, ["apply"], error)


def now_of(what):
    return ["--now", what["now"]] if "now" in what else []


def step_run(project, case, what, error):
    finished(project, ["run"] + (["--full"] if what.get("full") else []) + now_of(what), error)


def step_training_set(project, case, what, error):
    out = project.out()
    if finished(project, project.training_set_arguments(what, out) + now_of(what), error) is not None:
        agree(difference(project.table(out), pq.read_table(os.path.join(project.case_folder, what["expected"])), case), "training-set: ")


def step_command(project, case, what, error):
    finished(project, what["arguments"], error)


def step_sql(project, case, what, error):
    out = project.out()
    if finished(project, ["sql", what["query"], "--out", out], error) is not None:
        agree(rows_difference(project.table(out), what["expected"]), "sql: ")


def get_arguments(service, keys, request, now):
    arguments = ["get", service] + [f"{name}={value}" for name, value in keys.items()]
    for name, value in request.items():
        arguments += ["--request", f"{name}={value}"]
    return arguments + ["--now", now, "--json"]


def step_get(project, case, what, error):
    output = finished(project, get_arguments(what["service"], what["keys"], what.get("request", {}), what["now"]), error)
    if output is not None:
        agree(vector_difference(output, what["expected"], case), "get: ")


STEPS = {"add": step_add, "apply": step_apply, "run": step_run, "training_set": step_training_set, "command": step_command,
         "sql": step_sql, "get": step_get}
