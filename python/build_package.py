"""Build backend of the Python package (PEP 517, PEP 660): python/icecore, libicecore.so and libduckdb.so in a wheel.

It uses what `./dev build release icecore_shared` made, or ICECORE_LIBRARY, and calls that where there is nothing yet.
"""
import base64
import hashlib
import os
import subprocess
import zipfile

try:
    import tomllib
except ImportError:                                             # Python 3.10; pip brings its own
    from pip._vendor import tomli as tomllib

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGE = os.path.join(ROOT, "python", "icecore")
TAG = "py3-none-linux_x86_64"                                   # ctypes: any Python 3, one machine


def project():
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        return tomllib.load(file)["project"]


def library():
    """The path of libicecore.so, built where it is not there."""
    path = os.environ.get("ICECORE_LIBRARY") or os.path.join(ROOT, "build", "release", "lib", "libicecore.so")
    if not os.path.exists(path):
        if os.environ.get("ICECORE_LIBRARY"):
            raise SystemExit(f"ICECORE_LIBRARY: there is no {path}")
        subprocess.run([os.path.join(ROOT, "dev"), "build", "release", "icecore_shared"], check=True)
    return path


def metadata():
    known = project()
    with open(os.path.join(ROOT, known["readme"]), encoding="utf-8") as file:
        readme = file.read()
    lines = ["Metadata-Version: 2.1", f"Name: {known['name']}", f"Version: {known['version']}",
             f"Summary: {known['description']}", f"License: {known['license']}",
             f"Requires-Python: {known['requires-python']}",
             *(f"Requires-Dist: {one}" for one in known["dependencies"]), "Description-Content-Type: text/markdown"]
    return "\n".join(lines) + "\n\n" + readme


def write_wheel(folder, contents):
    """contents: {name in the wheel: bytes, or the path of a file}. Returns the wheel's name."""
    known = project()
    stem = f"{known['name']}-{known['version']}"
    contents = dict(contents)
    contents[f"{stem}.dist-info/METADATA"] = metadata().encode()
    contents[f"{stem}.dist-info/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: icecore\nRoot-Is-Purelib: false\nTag: {TAG}\n".encode())
    record = []
    name = f"{stem}-{TAG}.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w", zipfile.ZIP_DEFLATED, compresslevel=1) as wheel:
        for path, content in contents.items():
            if isinstance(content, str):
                with open(content, "rb") as file:
                    content = file.read()
            wheel.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(content)}")
        listing = f"{stem}.dist-info/RECORD"
        wheel.writestr(listing, "\n".join([*record, f"{listing},,"]) + "\n")
    return name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    contents = {f"icecore/{name}": os.path.join(PACKAGE, name) for name in sorted(os.listdir(PACKAGE))
                if name.endswith(".py") or name == "py.typed"}
    contents["icecore/libicecore.so"] = library()
    contents["icecore/libduckdb.so"] = os.path.join(ROOT, ".deps", "duckdb", "libduckdb.so")
    return write_wheel(wheel_directory, contents)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    """The source folder on the path; the library is the one of build/release."""
    library()
    return write_wheel(wheel_directory, {"icecore.pth": os.path.join(ROOT, "python").encode() + b"\n"})


def build_sdist(sdist_directory, config_settings=None):
    raise SystemExit("icecore is installed from its source tree: pip install .")
