"""Sums by hour and day say exactly what the entries say, at every moment, also when entries come late or are gone."""

import asyncio
import contextlib
import itertools
import random
from dataclasses import replace

import pytest
from msgspec import structs
from sqlalchemy import event, select

from hub.core.usage import Usage
from hub.ledger import Filters, Queries, Rollups, slices
from hub.ledger.rows import ENTRY, ROLLUP, STALE, TAG
from hub.ledger.sink import Sink
from hub.ledger.totals import to_totals, totals_statement
from hub.store.transactions import writing
from tests.support.ledger import count, entry

pytestmark = pytest.mark.anyio

HOUR, DAY = 3600, 86_400
START = 1_700_006_400  # a midnight in UTC
NOW = START + 5 * DAY


def random_entry(chance, number, at=None):
    spoken = chance.choice(["model", "tool"])
    return entry(
        number,
        at=int((START + chance.random() * 2.6 * DAY if at is None else at) * 1_000_000),
        call=spoken,
        team=chance.choice(["core", "edge", ""]),
        user=chance.choice(["ann", "bob"]),
        key=chance.choice(["k1", "k2"]),
        model=chance.choice(["fast", "slow"]) if spoken == "model" else "",
        target="p/m" if spoken == "model" else "time",
        provider="p" if spoken == "model" else "",
        server="time" if spoken == "tool" else "",
        tool="now" if spoken == "tool" else "",
        session=chance.choice(["s1", "s2", ""]),
        tags=chance.choice([{}, {"env": "prod"}, {"env": "dev", "run": "7"}]),
        outcome=chance.choice(["ok", "ok", "error", "refused", "cancelled", "interrupted"]),
        usage=Usage(input=chance.randrange(100), output=chance.randrange(10), cache_read=chance.randrange(50)),
        cost_micro_usd=chance.choice([None, 0, 7, 1000]),
        duration_ms=float(chance.randrange(1000)),
        stream=chance.random() < 0.5,
        ttft_ms=chance.choice([None, float(chance.randrange(1, 500))]),
    )


@pytest.fixture
def made(engine):
    return Sink(engine, engine, ()), Queries(engine), Rollups(engine, now=lambda: NOW)


GROUPS = [
    (), ("team",), ("day",), ("hour", "key"), ("user", "model", "day"), ("session",), ("tag:env",), ("tag:env", "team"),
    ("server", "tool"), ("provider", "target"),
]  # fmt: skip
RANGES = [
    {}, {"since": START + 1.5 * HOUR}, {"until": START + 2.25 * DAY}, {"since": START + DAY, "until": START + 3 * DAY},
    {"since": START + 0.1 * HOUR, "until": START + 0.9 * HOUR}, {"since": START + 0.7 * DAY, "until": START + 2.3 * DAY},
]  # fmt: skip
FILTERS = [
    {},
    {"team": "core"},
    {"teams": ("core", "edge")},
    {"session": "s1"},
    {"tag": "env=prod"},
    {"outcome": "error"},
]


async def from_entries(engine, filters, group_by):
    """What the entries themselves add up to."""
    async with engine.connect() as connection:
        statement = totals_statement(filters, group_by, 1000, dialect=engine.dialect.name, timed=True)
        return sorted(str(to_totals(row, group_by)) for row in (await connection.execute(statement)).mappings())


async def from_rollups(engine, queries, filters, group_by):
    """What `usage` says, in the same form."""
    from hub.ledger.queries import stale_of

    async with engine.connect() as connection:
        stale = await stale_of(connection)
        statement = totals_statement(filters, group_by, 1000, stale=stale, dialect=engine.dialect.name, timed=True)
        return sorted(str(to_totals(row, group_by)) for row in (await connection.execute(statement)).mappings())


async def check_everything(engine, queries, picked):
    chance = random.Random(picked)
    cases = [(g, r, f) for g in GROUPS for r in RANGES for f in FILTERS]
    for group_by, range_, filters in chance.sample(cases, picked):
        asked = Filters(**range_, **filters)
        assert await from_rollups(engine, queries, asked, group_by) == await from_entries(engine, asked, group_by)


async def test_sums_are_exact_before_during_and_after(made, engine):
    sink, queries, rollups = made
    chance = random.Random(7)
    await sink.write([random_entry(chance, number) for number in range(300)])
    await check_everything(engine, queries, 6)
    assert await rollups.refresh() > 50
    assert await rollups.refresh() == 0
    await check_everything(engine, queries, 24)
    await sink.write([random_entry(chance, number) for number in range(300, 340)])  # late
    await check_everything(engine, queries, 6)
    await rollups.refresh()
    await check_everything(engine, queries, 6)


async def test_most_of_a_range_is_read_from_few_rows(made, engine):
    sink, _, rollups = made
    await sink.write([entry(n, at=(START + n) * 1_000_000, usage=Usage(input=1)) for n in range(200)])
    await rollups.refresh()
    async with engine.connect() as connection:
        rows = (await connection.execute(ROLLUP.select())).all()
        stale = (await connection.execute(STALE.select())).all()
    whole = [(row.span, row.calls, row.input) for row in rows if row.span in ("hour", "day")]
    assert sorted(whole) == [("day", 200, 200), ("hour", 200, 200)]
    assert stale == []


async def test_what_is_asked_of_one_dimension_is_read_from_its_own_sums(made, engine):
    sink, queries, rollups = made
    await sink.write([entry(n, at=(START + n) * 1_000_000, team=f"t{n % 2}", key=f"k{n}") for n in range(40)])
    await rollups.refresh()
    whole = ROLLUP.c.span.in_(("hour", "day"))
    by_team = ROLLUP.c.span.in_(("hour team", "day team"))
    async with engine.begin() as connection:
        rows = (await connection.execute(ROLLUP.select().where(by_team))).all()
        assert sorted((row.span, row.team, row.calls) for row in rows) == [
            (span, team, 20) for span in ("day team", "hour team") for team in ("t0", "t1")
        ]
        await connection.execute(ROLLUP.update().where(whole).values(calls=0))
    for filters in (Filters(), Filters(teams=("t0", "t1"))):
        assert [row.calls for row in await queries.usage(filters, group_by=("team", "day"))] == [20, 20]
    # An earlier version sums an hour anew, and makes no groupings: nothing is read from what they were.
    async with engine.begin() as connection:
        await connection.execute(ROLLUP.update().where(whole).values(calls=1, grouped=0))
    assert [row.calls for row in await queries.usage(group_by=("team",))] == [20, 20]
    await rollups.refresh()
    assert [row.calls for row in await queries.usage(group_by=("team",))] == [20, 20]
    async with engine.connect() as connection:
        assert len((await connection.execute(ROLLUP.select().where(by_team))).all()) == 4


async def test_the_running_hour_is_never_summed(made, engine):
    sink, queries, rollups = made
    await sink.write([entry(1, at=(NOW + 5) * 1_000_000), entry(2, at=(NOW - 30) * 1_000_000)])
    await rollups.refresh()
    assert (await queries.usage())[0].calls == 2
    assert await count(engine) == 2


async def test_a_repeated_batch_counts_once(made, engine):
    sink, queries, rollups = made
    batch = [entry(n, at=START * 1_000_000, cost_micro_usd=5) for n in range(10)]
    await sink.write(batch)
    await rollups.refresh()
    await sink.write(batch)
    await rollups.refresh()
    assert ((await queries.usage())[0].calls, (await queries.usage())[0].cost_micro_usd) == (10, 50)


async def test_sums_outlive_their_entries(made, engine):
    sink, queries, rollups = made
    chance = random.Random(3)
    await sink.write([random_entry(chance, number) for number in range(200)])
    before = await queries.usage(group_by=("team", "day"))
    horizon = START + 2 * DAY
    kept = await queries.usage(Filters(since=horizon))
    assert await rollups.purge(horizon * 1_000_000) == 200 - kept[0].calls
    assert await count(engine) == kept[0].calls
    assert await queries.usage(group_by=("team", "day")) == before
    late = structs.replace(random_entry(chance, 900, at=START + HOUR), tags={"env": "late"})
    await sink.write([late])
    total = sum(row.calls for row in before) + 1
    assert (await queries.usage())[0].calls == total
    await rollups.refresh()
    assert (await queries.usage())[0].calls == total
    assert await count(engine, f"id = '{late.id}'") == 0
    async with engine.connect() as connection:
        tagged = set((await connection.execute(select(TAG.c.entry))).scalars())
        assert tagged == set((await connection.execute(select(ENTRY.c.id).where(ENTRY.c.tags != "{}"))).scalars())
    await rollups.refresh()
    assert (await queries.usage())[0].calls == total


async def test_a_budget_is_credited_the_same_from_sums(made, engine):
    sink, queries, rollups = made
    await sink.write([entry(n, at=(START + n * 600) * 1_000_000, team="core", cost_micro_usd=3) for n in range(100)])
    asked = (("team", "core"), START + 700, START + 50_000)
    before = await queries.spent(*asked)
    await rollups.refresh()
    assert await queries.spent(*asked) == before > 0


async def test_writers_and_sums_at_the_same_time_lose_nothing(made, engine):
    sink, queries, rollups = made
    chance = random.Random(11)
    batches = [[random_entry(chance, 1000 * n + m) for m in range(20)] for n in range(15)]

    async def summing():
        for _ in range(15):
            await rollups.refresh()

    async with asyncio.TaskGroup() as group:
        group.create_task(summing())
        for batch in batches:
            group.create_task(sink.write(batch))
    await rollups.refresh()
    assert (await queries.usage())[0].calls == 300
    await check_everything(engine, queries, 5)


async def test_filters_that_sums_do_not_know_ask_the_entries(made):
    sink, queries, rollups = made
    await sink.write([entry(1, at=START * 1_000_000, outcome="error", status=502), entry(2, at=START * 1_000_000)])
    await rollups.refresh()
    assert (await queries.usage(Filters(status=502)))[0].calls == 1
    assert (await queries.usage(replace(Filters(), min_duration_ms=1.0)))[0].calls == 0


async def test_what_comes_while_an_hour_is_summed_is_told_and_summed_next_time(made, engine, monkeypatch):
    sink, queries, rollups = made
    monkeypatch.setattr(slices, "AT_ONCE", 3)
    await sink.write([entry(n, at=(START + n) * 1_000_000, session=f"s{n}") for n in range(20)])
    turns = itertools.count(1)

    @contextlib.asynccontextmanager
    async def interrupted(engine):
        if next(turns) == 3:  # when some of the hour's rows are there already
            await sink.write([entry(100, at=START * 1_000_000)])
        async with writing(engine) as connection:
            yield connection

    monkeypatch.setattr(slices, "writing", interrupted)
    assert await rollups.refresh() == 0
    async with engine.connect() as connection:
        assert 0 < len((await connection.execute(ROLLUP.select())).all()) < 20
    assert (await queries.usage())[0].calls == 21
    assert await rollups.refresh() == 2
    assert (await queries.usage())[0].calls == 21
    assert [row.calls for row in await queries.usage(group_by=("team",))] == [21]
    async with engine.connect() as connection:
        rows = (await connection.execute(select(ROLLUP.c.span, ROLLUP.c.calls))).all()
        assert sum(calls for span, calls in rows if span == "hour") == 21
        assert (await connection.execute(STALE.select())).all() == []


async def test_an_hour_with_many_rows_is_written_in_small_transactions(made, engine, monkeypatch):
    sink, _, rollups = made
    monkeypatch.setattr(slices, "AT_ONCE", 10)
    await sink.write([entry(n, at=(START + n) * 1_000_000, session=f"s{n}", key=f"k{n}") for n in range(95)])
    written, deleted = [], []

    def watch(connection, cursor, statement, parameters, context, executemany):
        if "rollup" in statement and statement.startswith("INSERT"):
            assert "SELECT" not in statement, "sums are read before the lock to write is taken"
            written.append(len(parameters) if executemany else 1)
        elif "rollup" in statement and statement.startswith("DELETE"):
            deleted.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", watch)
    await rollups.refresh()
    assert sum(written) > 2 * 95
    assert max(written) <= 10
    assert deleted == []
    await sink.write([entry(200, at=START * 1_000_000)])
    await rollups.refresh()
    assert len(deleted) >= 95 // 10


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # the other is used by one process
async def test_replicas_do_not_sum_at_the_same_time(made, engine):
    sink, queries, rollups = made
    await sink.write([entry(n, at=(START + n) * 1_000_000) for n in range(20)])
    other = Rollups(engine, now=lambda: NOW)
    async with other._alone() as alone:
        assert alone
        assert await rollups.refresh() == 0
    assert await rollups.refresh() == 2
    assert (await queries.usage())[0].calls == 20
