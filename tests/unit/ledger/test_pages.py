"""Pages of the log hold what matches, each entry once; and how much is looked at for one does not grow with the ledger."""

import json
import random
from contextlib import asynccontextmanager
from dataclasses import fields
from itertools import product

import pytest
from sqlalchemy import event

from bench.ledger_pages import fill, filters
from hub.ledger import Filters, Order, Queries, Rollups, Sort
from hub.ledger.counting import Count, count
from hub.ledger.pages import Search, find
from hub.ledger.queries import stale_of
from hub.ledger.sink import Sink
from hub.ledger.totals import rolled_calls
from tests.support.ledger import entry, postgres_engine, sqlite_engine

pytestmark = pytest.mark.anyio

ROWS = 12_000
LOOKED_AT = 200
LIMIT = 10
ASKED = dict(filters(ROWS))
ORDERS = {"tag", "teams", "team", "min_duration_ms", "tag and team", "two filters"}  # one of each way, in all orders


@asynccontextmanager
async def opened(kind, folder):
    async with sqlite_engine(folder) if kind == "sqlite" else postgres_engine() as engine:
        yield engine


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def large(request, tmp_path_factory, anyio_backend):
    """A ledger that is much larger than what one page may look at. Nobody changes it."""
    async with opened(request.param, tmp_path_factory.mktemp("large")) as engine:
        await fill(engine, ROWS)
        yield engine


def test_every_filter_is_among_the_cases():
    used = {
        one.name
        for _, kinds in filters(ROWS)
        for asked in kinds.values()
        for one in fields(asked)
        if getattr(asked, one.name)
    }
    assert used == {one.name for one in fields(Filters)}


async def statements_of(engine, asked, order, cursor):
    """What a page asks of the database, with its values."""
    told = []

    def before(connection, cursor, statement, parameters, context, many):
        told.append((statement, parameters))

    event.listen(engine.sync_engine, "before_cursor_execute", before)
    try:
        async with engine.connect() as connection:
            page = await find(connection, Search(asked, order, LIMIT, cursor, engine.dialect.name, LOOKED_AT))
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", before)
    return page, told


@pytest.mark.parametrize("name", ASKED)
async def test_a_page_looks_at_few_entries_whatever_it_asks_for(large, name):
    orders = (Order(), Order(Sort.DURATION), Order(Sort.INPUT, True)) if name in ORDERS else (Order(),)
    for asked, order in product(ASKED[name].values(), orders):
        first = await looked_at(large, asked, order, None)
        if first.next is not None:
            await looked_at(large, asked, order, first.next)


async def looked_at(engine, asked, order, cursor):
    """The page, which is found by looking at few entries."""
    page, told = await statements_of(engine, asked, order, cursor)
    async with engine.connect() as connection:
        check = _check_sqlite if engine.dialect.name == "sqlite" else _check_postgresql
        await check(connection, told)
    assert page.cut or page.next is None or len(page.items) == LIMIT
    return page


async def _check_sqlite(connection, told):
    for statement, parameters in told:
        plan = [row[3] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
        assert not [step for step in plan if step in ("SCAN entry", "SCAN entry_tag")], (statement, plan)
    steps = 0

    def count():
        nonlocal steps
        steps += 1

    raw = (await connection.get_raw_connection()).driver_connection
    await raw.set_progress_handler(count, 100)
    for statement, parameters in told:
        (await connection.exec_driver_sql(statement, parameters)).fetchall()
    await raw.set_progress_handler(None, 0)
    assert steps * 100 < 60_000, (steps, told)


async def _check_postgresql(connection, told):
    await connection.exec_driver_sql("SET enable_seqscan = off")  # a table as small as this one is quickly read whole
    setting, *told = told
    await connection.exec_driver_sql(*setting)
    for statement, parameters in told:
        explained = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        (plan,) = explained.scalar_one()
        looked = sum(_looked_at(plan["Plan"]))
        assert looked <= 4 * LOOKED_AT, (looked, statement, json.dumps(plan, indent=1))


def _looked_at(node):
    """How many rows each scan of a plan read."""
    assert node["Node Type"] != "Seq Scan" or node["Relation Name"] not in ("entry", "entry_tag")
    if "Relation Name" in node:
        gone = sum(node.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Index Recheck"))
        yield (node["Actual Rows"] + gone) * node["Actual Loops"]
    for inner in node.get("Plans", ()):
        yield from _looked_at(inner)


def random_entry(chance, number):
    spoken = chance.choice(["model", "tool"])
    model, tool = spoken == "model", spoken == "tool"
    return entry(
        number,
        at=1_700_000_000_000_000 + chance.randrange(50) * 1_000_000,
        call=spoken,
        team=chance.choice(["core", "edge", ""]),
        user=chance.choice(["ann", "bob"]),
        model=chance.choice(["fast", "slow"]) if model else "",
        provider="p" if model else "",
        lane=chance.choice(["translate", "passthrough"]) if model else "",
        server=chance.choice(["git", "time"]) if tool else "",
        tool=chance.choice(["now", "log"]) if tool else "",
        tags=chance.choice([{}, {"env": "prod"}, {"env": "dev", "run": "7"}]),
        outcome=chance.choice(["ok", "ok", "error"]),
        status=chance.choice([200, 200, 502]),
        code=chance.choice(["", "timeout"]),
        duration_ms=float(chance.randrange(8)),
    )


def matches(one, asked):
    """Whether an entry is meant, as one would say it without a database."""
    exact = ("team", "user", "model", "provider", "lane", "server", "tool", "outcome", "status", "code", "call")
    name, _, value = (asked.tag or "").partition("=")
    return (
        all(getattr(asked, name) in (None, getattr(one, name)) for name in exact)
        and (asked.tag is None or one.tags.get(name, "") == value)
        and (asked.teams is None or one.team in asked.teams)
        and (asked.since is None or one.at >= asked.since * 1e6)
        and (asked.until is None or one.at < asked.until * 1e6)
        and (asked.min_duration_ms is None or one.duration_ms >= asked.min_duration_ms)
        and (asked.max_duration_ms is None or one.duration_ms <= asked.max_duration_ms)
    )


CHOICES = {
    "team": ["core", "edge", "none", ""], "user": ["ann"], "model": ["fast", "slow", ""], "provider": ["p"],
    "lane": ["translate"], "server": ["git", ""], "tool": ["now"], "outcome": ["ok", "error"], "status": [200, 502],
    "code": ["timeout", ""], "call": ["model", "tool"], "tag": ["env=prod", "run=7", "env="],
    "teams": [("core", "edge"), ("core",), ()], "since": [1_700_000_010.0], "until": [1_700_000_040.0],
    "min_duration_ms": [3.0], "max_duration_ms": [5.0],
}  # fmt: skip


async def test_pages_hold_everything_that_matches_once_and_in_order(engine):
    chance = random.Random(5)
    made = [random_entry(chance, number) for number in range(200)]
    await Sink(engine, engine, ()).write(made)
    seen_cut = 0
    for _ in range(50):
        names = chance.sample(sorted(CHOICES), chance.choice([0, 1, 1, 2, 3]))
        asked = Filters(**{name: chance.choice(CHOICES[name]) for name in names})
        order = Order(chance.choice(list(Sort)), chance.random() < 0.5)
        queries = Queries(engine, looked_at=chance.choice([20, 60, 1000]))
        found, cursor = [], None
        for _ in range(100):
            page = await queries.logs(asked, limit=40, cursor=cursor, order=order)
            found += page.items
            seen_cut += page.cut
            cursor = page.next
            if cursor is None:
                break
        wanted = [one for one in made if matches(one, asked)]
        by = {Sort.AT: lambda one: one.at, Sort.DURATION: lambda one: one.duration_ms}.get(order.by, lambda _: 0)
        wanted.sort(key=lambda one: (by(one), one.id), reverse=not order.ascending)
        assert [one.id for one in found] == [one.id for one in wanted], (asked, order)
        count = await queries.count(asked)
        assert count.calls == len(wanted) if count.exact else count.calls <= len(wanted), (asked, count)
        assert count.exact or queries._looked_at < 1000
    assert seen_cut > 8


async def test_many_calls_are_counted_from_sums_and_what_these_do_not_tell(engine):
    hour, start = 3_600_000_000, 1_700_000_000_000_000 // 3_600_000_000 * 3_600_000_000
    made = [
        entry(number, at=start + number * hour // 4, team="core" if number % 3 else "edge", session="one")
        for number in range(200)
    ]
    await Sink(engine, engine, ()).write(made)
    over = start / 1e6 + 40 * 3600 + 120  # the last hours are not summed yet
    await Rollups(engine, now=lambda: over).refresh()

    async def counted(asked, most):
        async with engine.connect() as connection:
            search = Search(asked, Order(), 1, None, engine.dialect.name, LOOKED_AT)
            return await count(connection, search, await stale_of(connection), most)

    middle = start / 1e6 + 12 * 3600 + 1000
    for asked in (Filters(), Filters(team="core"), Filters(teams=("edge",)), Filters(since=middle, team="edge")):
        wanted = sum(matches(one, asked) for one in made)
        assert await counted(asked, 45) == Count(wanted, True), asked
    if engine.dialect.name == "sqlite":
        async with engine.connect() as connection:
            told, _ = rolled_calls(Filters(team="core"), await stale_of(connection), "sqlite")
            text = told.compile(connection.sync_connection, compile_kwargs={"literal_binds": True})
            plan = [row[3] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
        assert "SCAN rollup" not in plan, "sums are found by their spans, however many there are"
    assert await counted(Filters(), 20) == Count(180, False)  # the hours that are not summed hold more than is counted
    assert await counted(Filters(session="one"), 150) == Count(150, False)  # by session there are no sums

    assert await Rollups(engine, now=lambda: over).purge(start + 20 * hour)
    left = [one for one in made if one.at >= start + 20 * hour]
    assert await counted(Filters(), 45) == Count(len(left), True)
    assert await counted(Filters(team="core"), 45) == Count(sum(one.team == "core" for one in left), True)
