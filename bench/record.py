"""What every benchmark's --json writes: its figures, and of what they are."""
import json
import os
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def add_option(parser, name):
    """--json [FILE]; without a file bench/results/NAME.json."""
    parser.add_argument("--json", type=Path, nargs="?", const=RESULTS / f"{name}.json", metavar="FILE",
                        help=f"figures go into this file too; without a name bench/results/{name}.json")


def commit():
    """The sources' commit, with `+` where they were changed since; None outside of a repository."""
    def git(*arguments):
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    found = git("rev-parse", "--short", "HEAD")
    if found.returncode != 0:
        return None
    return found.stdout.strip() + ("+" if git("status", "--porcelain", "--untracked-files=no").stdout else "")


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")


def write(path, given, figures):
    """`given`: the parsed options. Nothing where --json was not given."""
    if not path:
        return
    options = {name: value for name, value in vars(given).items() if isinstance(value, (int, float, str)) and "/" not in str(value)}
    document = {"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "commit": commit(), "processors": os.cpu_count(),
                "processor": processor(), "load_average": round(os.getloadavg()[0], 2), "options": options, "figures": figures}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
