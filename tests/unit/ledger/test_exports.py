"""Copies of the ledger as JSON lines: whole, private, rotated, only where asked for."""

import stat
from types import SimpleNamespace

import pytest
from msgspec import json

from hub.core.entry import Entry
from hub.ledger import Exports
from hub.resources.notices import ExportSpec
from tests.support.ledger import entry

pytestmark = pytest.mark.anyio


def exports(folder, *names, **options):
    snapshot = SimpleNamespace(exports={name: ExportSpec() for name in names})
    return Exports(folder / "exports", lambda: snapshot, **options)


def lines(path):
    return [json.decode(line, type=Entry) for line in path.read_bytes().splitlines()]


async def test_each_export_gets_each_entry(tmp_path):
    export = exports(tmp_path, "siem", "finance")
    await export([entry(1), entry(2)])
    await export([entry(3)])
    for name in ("siem", "finance"):
        path = tmp_path / "exports" / f"{name}.jsonl"
        assert lines(path) == [entry(1), entry(2), entry(3)]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "exports").stat().st_mode) == 0o700


async def test_no_export_no_folder(tmp_path):
    await exports(tmp_path)([entry(1)])
    assert list(tmp_path.iterdir()) == []


async def test_files_rotate_and_the_oldest_go(tmp_path):
    export = exports(tmp_path, "siem", file_bytes=1)
    for number in range(8):
        await export([entry(number)])
    found = {path.name: [int(one.id) for one in lines(path)] for path in (tmp_path / "exports").glob("siem*")}
    assert found == {"siem.jsonl": [7], **{f"siem.jsonl.{age}": [7 - age] for age in range(1, 5)}}


async def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "siem.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"):
        await exports(tmp_path, "siem")([entry(1)])
    assert not (tmp_path / "elsewhere").exists()
