"""The documentation is true: examples hold, links lead somewhere, generated pages are what the code says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hub.cli.program import program
from hub.resources import compile_snapshot
from hub.resources.files import load, parse_all
from hub.resources.model_catalog import load_catalogue
from hub.settings import variables

ROOT = Path(__file__).parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
IDS = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_the_readme_is_short_and_starts_with_what_it_does():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) < 600
    assert text.index("make run") < text.index("## ")
    assert "![" in text


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_yaml_examples_hold(page, tmp_path):
    for number, block in enumerate(blocks(page, "yaml")):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block)
        given = yaml.safe_load(block)
        demo = ROOT / "profiles" / "demo.yaml"
        alone = "servers" in given
        specs = parse_all(load([file] if alone else [file, demo]))
        compile_snapshot(specs, secrets=(), catalogue=load_catalogue(), generation=0)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_in_examples_are_understood(page):
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line.partition(" #")[0].rpartition("| ")[2])
            if words[:1] == ["hub"] and len(words) > 1:
                program(words[1:]).parse_args(words[1:], exit_on_error=False)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_settings_that_are_named_exist(page):
    known = {*variables(), "HUB_URL", "HUB_KEY", "HUB_TEST_POSTGRES"}
    for name in re.findall(r"\bHUB_[A-Z_]+\b", page.read_text()):
        assert name in known, name


def test_generated_pages_are_fresh():
    done = subprocess.run(
        [sys.executable, "tools/build_reference.py", "--check"],
        cwd=ROOT, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT), "PATH": ""}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_shipped_profiles_hold():
    files = sorted((ROOT / "profiles").glob("*.yaml"))
    assert files
    for file in files:
        compile_snapshot(parse_all(load([file])), secrets=(), catalogue=load_catalogue(), generation=0)


def test_the_changelog_has_an_entry_for_what_comes():
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text()


def test_the_tests_that_show_mcp_behaviours_exist():
    text = (ROOT / "docs/reference/mcp-behaviours.md").read_text()
    rows = [row for row in re.findall(r"^\| .* \|$", text, re.MULTILINE) if not row.startswith("| behaviour")]
    assert len(rows) >= 50
    for row in rows:
        assert row.count("|") == 3, row
        named = re.findall(r"`([a-z_/]+\.py)::(\w+)`", row)
        assert named, row
        for file, test in named:
            assert f"def {test}(" in (ROOT / "tests" / file).read_text(), f"{file}::{test}"
