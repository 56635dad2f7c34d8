"""kill -9, again and again, and a disk that is full: no acknowledged call is lost, none is there twice."""

import subprocess
import sys
import time

import pytest
from sqlalchemy import text

from hub.ledger import Filters, Ledger, Queries, Rollups, Spool, Writer
from hub.ledger.latency import ERROR, counts_of
from tests.support.ledger import count, postgres_engine, sqlite_engine

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request, tmp_path, anyio_backend):
    """(engine, url, schema)"""
    context = sqlite_engine(tmp_path) if request.param == "sqlite" else postgres_engine()
    async with context as engine:
        schema = ""
        if request.param == "postgresql":
            async with engine.connect() as connection:
                schema = (await connection.execute(text("SELECT current_schema()"))).scalar_one()
        yield engine, engine.url.render_as_string(hide_password=False), schema


def drive(*arguments):
    """What the driver said, as word -> list of what followed it."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.ledger_driver", *map(str, arguments)],
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = {}
    for line in done.stdout.splitlines():
        word, _, rest = line.partition(" ")
        said.setdefault(word, []).append(rest)
    return said


async def settle(folder, engine):
    spool = Spool(folder)
    async with Ledger(spool, Writer(spool, engine)) as ledger:
        await ledger.flush()


async def outcomes(engine):
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT id, outcome, estimated FROM entry"))).all()
    assert len(rows) == len({row[0] for row in rows})
    return {row[0]: (row[1], bool(row[2])) for row in rows}


async def the_sums_are_what_the_entries_say(engine):
    """Also how long calls took: each is in one histogram once, whatever was killed."""
    entries, groups = [], ("call", "day")
    async for some in Queries(engine).each(Filters(), 100_000):
        entries += some
    await Rollups(engine, now=lambda: time.time() + 2 * 86_400).refresh()
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM stale"))).scalar_one() == 0
    summed = await Queries(engine).usage(group_by=groups, timed=True)
    for row in summed:
        times = sorted(one.duration_ms for one in entries if one.call == row.group["call"] and one.outcome == "ok")
        for percent in (50, 95, 99):
            exact = times[-(-len(times) * percent // 100) - 1]
            assert getattr(row.duration, f"p{percent}") == pytest.approx(exact, rel=ERROR, abs=0.1)
    assert sum(row.calls for row in summed) == len(entries) > 0
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT durations FROM rollup WHERE span = 'day'"))
        timed = sum(sum(counts_of(histogram).values()) for (histogram,) in rows)
    assert timed == sum(one.outcome == "ok" for one in entries)


async def test_ten_kills_lose_nothing_and_double_nothing(tmp_path, database):
    engine, url, schema = database
    said = drive("kill", tmp_path / "spool", url, schema, 10, 7)
    assert len(said["done"]) > 20
    await settle(tmp_path / "spool", engine)
    found = await outcomes(engine)
    assert {call: found.get(call) for call in said["done"]} == dict.fromkeys(said["done"], ("ok", False))
    running = set(said["open"]) - set(said["done"])
    assert running
    assert {found[call] for call in running} <= {("interrupted", True), ("ok", False)}  # ended, but not yet said
    # What was written but not said any more: at most one step of each of 8 workers in each run.
    assert len(set(found) - set(said["open"])) <= 80
    interrupted = await count(engine, "outcome='interrupted'")
    assert interrupted > 0
    # What was reserved stands, of models and of tools.
    assert await count(engine, "outcome='interrupted' AND cost_micro_usd=70 AND input=7") >= len(
        {call for call in running if found[call][0] == "interrupted"}
    )
    assert await count(engine, "call='tool'") > 10
    assert list((tmp_path / "spool").iterdir()) == []  # nothing left, nothing rejected
    await the_sums_are_what_the_entries_say(engine)
    if not schema:
        async with engine.connect() as connection:
            assert (await connection.execute(text("PRAGMA integrity_check"))).scalar_one() == "ok"


async def test_a_full_disk_refuses_new_calls_then_goes_on_without_a_restart(tmp_path, database):
    engine, url, schema = database
    said = drive("full", tmp_path / "spool", url, schema)
    assert int(said["refused"][0]) > 0
    assert len(said["done"]) >= 20
    found = await outcomes(engine)
    # Those that were refused before anything was on disk left nothing; those whose reservation did not fit, a refusal.
    refused = {call for call, outcome in found.items() if outcome == ("refused", False)}
    assert {call: found[call] for call in found.keys() - refused} == dict.fromkeys(said["done"], ("ok", False))
    assert list((tmp_path / "spool").iterdir()) == []  # nothing left, nothing rejected
