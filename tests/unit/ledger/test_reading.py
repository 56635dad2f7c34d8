"""Reading back in batches gives every entry once, whatever the batch size and however the file ends."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import json

from hub.ledger import reading
from hub.ledger.frames import CLOSE, OPEN, frame
from tests.support.ledger import entry


def everything(path, size):
    closed, opened, start = [], [], 0
    while start < size:
        batch = reading.read_batch(path, start, size)
        assert batch.end > start
        closed += batch.closed
        opened += batch.opened
        start = batch.end
    assert start == size
    return closed, opened


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 12), st.integers(400, 3000), st.binary(max_size=300))
def test_every_entry_once(tmp_path, monkeypatch, number, batch_bytes, tail):
    monkeypatch.setattr(reading, "BATCH_BYTES", batch_bytes)
    entries = [entry(one, session="s" * one * 10) for one in range(number)]
    path = tmp_path / "1.spool"
    path.write_bytes(b"".join(frame(OPEN, b"{}") + frame(CLOSE, json.encode(one)) for one in entries) + tail)
    closed, opened = everything(path, path.stat().st_size)
    assert closed == entries
    assert len(opened) == number


def test_a_line_without_an_end_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BATCH_BYTES", 1000)
    path = tmp_path / "1.spool"
    path.write_bytes(b"x" * 5000 + b"\n" + frame(CLOSE, json.encode(entry(1))))
    assert everything(path, path.stat().st_size)[0] == [entry(1)]


@pytest.mark.parametrize("size", [1, 10_000])
def test_only_what_counts_is_read(tmp_path, size):
    path = tmp_path / "1.spool"
    assert reading.read_batch(path, 0, size).end == size  # a file that is gone
    path.write_bytes(frame(CLOSE, json.encode(entry(1))))
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes() * 2)
    assert len(reading.read_batch(path, 0, whole).closed) == 1
