"""What a hub imports when it starts: no part that few use."""

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

from hub.core.rarely import Part, load

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


def test_each_part_is_a_module_that_is_imported_once():
    for part in Part:
        assert load(part) is load(part) is import_module(part.value)
