"""What a hub imports when it starts: no part that few use."""

import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from hub.core.rarely import Part, load

ROOT = Path(__file__).parents[2]
HEAVY = {
    "attr",
    "cryptography",
    "cyclopts",
    "jinja2",
    "joserfc",
    "jsonschema",
    "markdown_it",
    "alembic",
    "sqlalchemy.dialects.postgresql",
    "google.protobuf",
    "mako",
    "pygments",
    "redis",
    "rich",
    "tomlkit",
}


def test_serving_imports_nothing_that_few_hubs_use():
    code = (
        f"import hub.cli.serving, sys; print(*sorted({HEAVY | {part.value for part in Part}!r} & sys.modules.keys()))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
    assert all(find_spec(name) for name in HEAVY)


def test_a_module_loads_parts_of_its_own_folder_or_those_below():
    uses = re.compile(r"load\(Part\.(\w+)\)")
    found = {
        (path.relative_to(ROOT).parts[1], part)
        for path in ROOT.glob("hub/*/**/*.py")
        for part in uses.findall(path.read_text())
    }
    assert {part for _, part in found} == set(Part.__members__)
    for folder, part in found:
        home = Part[part].split(".")[1]
        assert home in (folder, "resources", "core") or folder in ("app", "cli"), f"{folder} loads {part}"


def test_each_part_is_a_module_that_is_imported_once():
    for part in Part:
        assert load(part) is load(part) is import_module(part.value)
