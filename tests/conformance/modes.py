"""The ways to ask a case (README.md, *Modes*): as it is, in random increments, through the online store."""
import fnmatch
import os
import random
import re
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq

from case_project import Failed, Project, Skipped, agree, check_error
from case_reader import load_case
from comparison import difference, last_line, row_difference
from steps import get_arguments, run_steps
from values import family, rfc3339, values_of

EARLIEST_NS, LATEST_NS = 0, 9_223_372_036 * 10**9       # of moments that a machine's clock can show
PATH = re.compile(r'path: "?([^",}]+)"?, format: (parquet|csv)')


def asked(project, case, service_arguments):
    """Runs apply, run and training-set; returns the table, or None after an error that the case expects."""
    out = project.out()
    commands = [("apply", ["apply"])] + [("run", run) for run in service_arguments] + [("training-set", project.training_set_arguments(case, out))]
    for step, arguments in commands:
        if callable(arguments):
            arguments = arguments()
        code, stdout, stderr = project.call(*arguments)
        if code != 0:
            if step not in case.get("error_at", []):
                raise Failed(f"{step}: exit code {code}: {last_line(stderr or stdout)}")
            check_error(step, code, stdout + stderr, case.get("error_names"))
            return None
    if "error_at" in case:
        raise Failed(f"no error, expected one at {' or '.join(case['error_at'])}")
    return project.table(out)


def run_plain(project, case, expected, settings):
    if "steps" in case:
        return run_steps(project, case)
    got = asked(project, case, [["run"]])
    if got is not None:
        agree(difference(got, expected, case))


def definitions_of(project):
    for base, _, files in os.walk(os.path.join(project.folder, "definitions")):
        for file in files:
            if file.endswith(".yaml"):
                path = os.path.join(base, file)
                with open(path, encoding="utf-8", newline="") as text:
                    yield path, text.read()


def write_text(path, text):
    with open(path, "w", encoding="utf-8", newline="") as out:
        out.write(text)


def rows_of_source(folder, pattern, form):
    """(rows, writer): all rows of a source in order, and what writes some of them."""
    paths = sorted(os.path.join(folder, "data", name) for name in os.listdir(os.path.join(folder, "data"))
                   if fnmatch.fnmatchcase(f"data/{name}", pattern))
    if form == "parquet":
        table = pa.concat_tables([pq.read_table(path) for path in paths])
        return table.num_rows, lambda first, last, out: pq.write_table(table.slice(first, last - first), out)
    lines, header = [], ""
    for path in paths:
        with open(path, encoding="utf-8", newline="") as text:
            header, *some = text.readlines()
        lines += some
    if any(line.count('"') % 2 for line in lines):
        raise Skipped("a CSV record of several lines")

    def write(first, last, out):
        write_text(out, header + "".join(lines[first:last]))
    return len(lines), write


def seed_of(project, settings):
    return f"{settings.seed}/{os.path.basename(project.case_folder)}"


def run_increments(project, case, expected, settings):
    """The sources' rows in random consecutive pieces, one file each, a run after each file; the same answer."""
    if "increments" not in case.get("modes", []):
        raise Skipped("increments would mean something else")
    seed = seed_of(project, settings)
    chance = random.Random(seed)
    pieces = []                                   # per source: what writes its files, one after the other
    for path, text in list(definitions_of(project)):
        changed = text
        for match in PATH.finditer(text):
            pattern, form = match.groups()
            count, write = rows_of_source(project.folder, pattern, form)
            folder = os.path.join("pieces", str(len(pieces)))
            os.makedirs(os.path.join(project.folder, folder))
            cuts = sorted(chance.randrange(count + 1) for _ in range(chance.randrange(1, 5)))
            pieces.append([(write, first, last, os.path.join(project.folder, folder, f"piece-{number:03d}.{form}"))
                           for number, (first, last) in enumerate(zip([0] + cuts, cuts + [count]))])
            changed = changed.replace(match.group(0), f'path: "{folder}/*.{form}", format: {form}')
        write_text(path, changed)
    todo = [[lambda job=job: job[0](*job[1:]) for job in source] for source in pieces]
    for source in todo:
        source.pop(0)()                           # every source has a file from the start
    runs = [["run"]]
    while any(todo):
        source = chance.choice([source for source in todo if source])

        def added(write=source.pop(0)):
            write()
            return ["run"]
        runs.append(added)
    got = asked(project, case, runs)
    if got is not None:
        agree(difference(got, expected, case), f"after {len(runs)} runs (seed {seed}): ")


def usable(value, kind):
    """Whether a value can be given on a command line."""
    if value is None or value == "" or family(kind) not in ("string", "integer", "float", "bool"):
        return False
    return not (isinstance(value, str) and "\0" in value)


def argument(value):
    return ("true" if value else "false") if isinstance(value, bool) else repr(value) if isinstance(value, float) else str(value)


def run_online(project, case, expected, settings):
    """At each label's time, one after the other: run, then read the row's vector from the online store."""
    if "online" not in case.get("modes", []):
        raise Skipped("the online store would answer something else")
    spine_columns = case["keys"] + case["request"]
    values = {name: values_of(expected.column(name)) for name in expected.column_names}
    kinds = {name: expected.schema.field(name).type for name in expected.column_names}
    spine = pq.read_schema(os.path.join(project.folder, case.get("spine", "spine.parquet"))).names \
        if case.get("spine", "spine.parquet").endswith(".parquet") else None
    features = [name for name in expected.column_names if name not in (spine or spine_names(project, case))]
    rows = [row for row in range(expected.num_rows)
            if values["event_timestamp"][row] is not None and EARLIEST_NS <= values["event_timestamp"][row] < LATEST_NS
            and all(usable(values[name][row], kinds[name]) for name in spine_columns)]
    times = sorted({values["event_timestamp"][row] // 1000 * 1000 for row in rows})
    if not times:
        raise Skipped("no row that can be asked for")
    chance = random.Random(seed_of(project, settings))
    times = sorted(chance.sample(times, min(len(times), settings.label_times)))
    for path, text in list(definitions_of(project)):
        parts = []
        for part in re.split(r"(?m)^(---\n)", text):
            if re.search(r"(?m)^from: ", part) and re.search(r"(?m)^feature_view: ", part) and not re.search(r"(?m)^online: ", part):
                part = re.sub(r"(?m)^from: ", "online: true\nfrom: ", part, count=1)
            parts.append(part)
        write_text(path, "".join(parts))
    project.must("apply")
    for t in times:
        now = rfc3339(t)
        project.must("run", "--now", now)
        for row in rows:
            if values["event_timestamp"][row] // 1000 * 1000 != t:
                continue
            keys = {name: argument(values[name][row]) for name in case["keys"]}
            request = {name: argument(values[name][row]) for name in case["request"]}
            output = project.must(*get_arguments(case["service"], keys, request, now))
            wrong = row_difference(output, features, kinds, {name: values[name][row] for name in features}, case)
            agree(wrong, f"row {row} at {now}: ")


def spine_names(project, case):
    path = os.path.join(project.folder, case["spine"])
    if path.endswith(".arrow"):
        with pa.ipc.open_file(path) as reader:
            return reader.schema.names
    with open(path, encoding="utf-8") as text:
        return text.readline().strip().split(",")


MODES = {"plain": run_plain, "increments": run_increments, "online": run_online}


def run_case(icecore, folder, settings):
    """None when the case passes, else what was wrong with it; Skipped when it is not for this mode."""
    case, expected = load_case(folder)
    if settings.mode != "plain" and expected is None:
        raise Skipped("a case of steps or errors")
    with tempfile.TemporaryDirectory(prefix="conformance-") as temporary:
        project = Project(icecore, folder, case, temporary, settings)
        try:
            MODES[settings.mode](project, case, expected, settings)
        except Failed as failed:
            return str(failed)
    return None
