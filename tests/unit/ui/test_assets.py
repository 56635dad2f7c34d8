import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from hub.core.refusal import NotFound
from hub.edge import exception_handlers
from hub.ui.assets import Assets

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "hub" / "ui" / "static"
VENDOR = STATIC / "vendor"


@pytest.fixture
def client():
    assets = Assets(STATIC)
    with TestClient(Starlette(routes=assets.routes(), exception_handlers=exception_handlers())) as client:
        client.assets = assets
        yield client


def test_vendored_files_are_what_their_authors_published():
    listed = json.loads((VENDOR / "manifest.json").read_text())["files"]
    names = {one["file"] for one in listed}
    licences = {one["license_file"] for one in listed}
    assert {path.name for path in VENDOR.iterdir()} == names | licences | {"manifest.json"}
    for one in listed:
        assert hashlib.sha256((VENDOR / one["file"]).read_bytes()).hexdigest() == one["sha256"], one["file"]
        assert one["license"] in ("MIT", "0BSD")
        assert len((VENDOR / one["license_file"]).read_text()) > 500


def test_a_file_is_kept_forever_at_an_address_that_changes_with_its_content(client, tmp_path):
    answer = client.get(client.assets.url("hub.css"), headers={"accept-encoding": "gzip"})
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == (STATIC / "hub.css").read_bytes()
    assert client.get("/static/hub.css").headers["cache-control"] == "no-cache"
    (tmp_path / "a.css").write_text("a")
    before = Assets(tmp_path).url("a.css")
    (tmp_path / "a.css").write_text("b")
    assert Assets(tmp_path).url("a.css") != before


@pytest.mark.parametrize(
    "path",
    ["../pages.py", "%2e%2e/pages.py", "vendor/../../pages.py", "/etc/passwd", "vendor/manifest.json", "vendor", ""],
)
def test_only_served_files_are_served(client, path):
    assert client.get(f"/static/{path}").status_code in (404, 405)


def test_a_page_cannot_name_a_file_that_does_not_exist():
    with pytest.raises(KeyError):
        Assets(STATIC).url("missing.css")
    assert NotFound


def test_templates_hold_no_inline_script_or_style_and_name_no_other_host():
    for path in (ROOT / "hub" / "ui" / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"\son[a-z]+=|<style|\sstyle=|hx-on|javascript:", text), path
        assert not re.search(r"(?:src|href|action)=\"https?:", text), path
        assert "| safe" not in text, path
        assert "|safe" not in text, path


def test_the_first_page_is_light():
    """The parts of a page with charts, compressed; its HTML comes on top (asserted in tests/ui)."""
    names = [
        "vendor/basecoat-1.0.2.min.css",
        "vendor/htmx-4.0.1.min.js",
        "vendor/uplot-1.6.32.min.js",
        "vendor/uplot-1.6.32.min.css",
    ]
    names += [path.name for path in STATIC.iterdir() if path.suffix in (".css", ".js", ".svg")]
    assert sum(len(gzip.compress((STATIC / name).read_bytes(), 9)) for name in names) < 90_000
