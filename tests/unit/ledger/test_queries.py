"""What happened, what it cost, and how the database finds it. On SQLite and PostgreSQL."""

from dataclasses import replace

import pytest
from sqlalchemy import text

from hub.core.refusal import Malformed
from hub.core.usage import Usage
from hub.ledger import Dimension, Filters, Queries, parse_dimensions
from hub.ledger.filters import conditions
from hub.ledger.queries import last_used_statement
from hub.ledger.sink import Sink
from hub.ledger.totals import Stale, scope_filters, totals_statement
from tests.support.ledger import entry

pytestmark = pytest.mark.anyio

START = 1_700_000_000
RICH = {
    "user": "ann", "key": "k2", "team": "core", "model": "fast", "target": "p/m", "provider": "p", "route": "r", "profile": "demo",
    "server": "git", "tool": "status", "outcome": "error", "status": 502, "request_id": "req", "session": "ses",
    "call": "tool", "duration_ms": 5000.0, "application": "app", "code": "upstream_error", "trace": "t1", "lane": "translate",
}  # fmt: skip


async def fill(engine, *entries):
    await Sink(engine, engine, ()).write(entries)
    return Queries(engine)


def ids(page):
    return [int(one.id) for one in page.items]


@pytest.mark.parametrize("name", [name for name in RICH if name != "duration_ms"])
async def test_each_filter_alone(engine, name):
    queries = await fill(engine, entry(1, key="k1"), entry(2, **RICH))
    assert ids(await queries.logs(Filters(**{name: RICH[name]}))) == [2]
    other = 1 if name == "status" else "other"
    assert ids(await queries.logs(Filters(**{name: other}))) == []


async def test_times_durations_and_teams(engine):
    queries = await fill(engine, *(entry(n, duration_ms=float(n), team=f"t{n % 2}") for n in range(1, 6)))
    assert ids(await queries.logs(Filters(since=START + 2, until=START + 4))) == [3, 2]
    assert ids(await queries.logs(Filters(min_duration_ms=4))) == [5, 4]
    assert ids(await queries.logs(Filters(max_duration_ms=2))) == [2, 1]
    assert ids(await queries.logs(Filters(teams=("t0",)))) == [4, 2]
    assert ids(await queries.logs(Filters(teams=("t0", "t1"), team="t1"))) == [5, 3, 1]
    assert ids(await queries.logs(Filters(teams=()))) == []


async def test_pages_cover_everything_once_also_while_it_grows(engine):
    same = [entry(n, at=7) for n in range(10)]
    queries = await fill(engine, *same, *(entry(n) for n in range(10, 25)))
    seen, cursor = [], None
    for turn in range(10):
        page = await queries.logs(limit=4, cursor=cursor)
        seen += ids(page)
        await fill(engine, entry(100 + turn, at=2**52 + turn))  # newer ones do not move the page
        cursor = page.next
        if cursor is None:
            break
    assert seen == sorted(range(25), reverse=True)


async def test_the_last_page_says_so(engine):
    queries = await fill(engine, entry(1), entry(2))
    assert (await queries.logs(limit=2)).next is None
    assert (await queries.logs(limit=1)).next is not None


@pytest.mark.parametrize(
    "cursor", ["%%%", "x" * 10_000, "AAAA", "\u00e9", "MS4A", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5LmE"]
)
async def test_a_bad_cursor_is_refused(engine, cursor):
    with pytest.raises(Malformed, match="cursor"):
        await Queries(engine).logs(cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 1001])
async def test_a_bad_limit_is_refused(engine, limit):
    with pytest.raises(Malformed, match="limit"):
        await Queries(engine).logs(limit=limit)


def test_filters_are_bounded():
    with pytest.raises(Malformed, match="session"):
        Filters(session="x" * 1000)
    with pytest.raises(Malformed, match="model"):
        Filters(model="a\x00")
    for name in ("status", "min_duration_ms", "max_duration_ms"):
        for number in (-1, 10**20, float("nan"), float("inf")):
            with pytest.raises(Malformed, match=name):
                Filters(**{name: number})
    for bounds in (Filters(since=float("nan")), Filters(until=1e300)):
        with pytest.raises(Malformed, match="time"):
            list(conditions(bounds))


async def test_a_filter_is_a_value_and_never_sql(engine):
    queries = await fill(engine, entry(1))
    assert ids(await queries.logs(Filters(user="' OR 1=1 --"))) == []


async def test_one_entry(engine):
    queries = await fill(engine, entry(1))
    assert await queries.entry(entry(1).id) == entry(1)
    assert await queries.entry("nope") is None
    assert await queries.entry("\x00") is None


async def test_usage_of_everything(engine):
    queries = await fill(
        engine,
        entry(1, usage=Usage(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12), cost_micro_usd=5),
        entry(2, usage=Usage(input=10, estimated=True), outcome="interrupted", cost_micro_usd=7),
        entry(3, usage=Usage(output=1)),  # tokens without a price
        entry(4, outcome="refused", status=403),  # used nothing, so it is not unpriced
        entry(5, outcome="error", status=502),
        entry(6, outcome="cancelled", status=499, cost_micro_usd=0),
        entry(8, usage=Usage(searches=2)),  # nor have these searches
        entry(7, call="tool", usage=Usage(tool_calls=1)),  # a tool has no price
    )
    (total,) = await queries.usage()
    assert (total.calls, total.errors, total.refused, total.cancelled) == (8, 2, 1, 1)
    assert (total.cost_micro_usd, total.unpriced, total.estimated) == (12, 2, 1)
    assert total.usage == Usage(11, 2, 3, 4, 6, 6, 7, 8, 9, 11, 11, 14, True)
    assert total.group == {}


async def test_usage_of_nothing(engine):
    (total,) = await Queries(engine).usage()
    assert (total.calls, total.cost_micro_usd, total.unpriced, total.usage) == (0, 0, 0, Usage())
    assert await Queries(engine).usage(group_by=(Dimension.USER,)) == ()


async def test_every_dimension_groups(engine):
    plain = {name: value for name, value in RICH.items() if name in set(Dimension)}
    queries = await fill(engine, entry(1, **plain, cost_micro_usd=1), entry(2, **plain, cost_micro_usd=2))
    for dimension in Dimension:
        (only,) = await queries.usage(group_by=(dimension,))
        assert (only.calls, only.cost_micro_usd) == (2, 3)
        expected = {"day": START - START % 86400, "hour": START - START % 3600}.get(dimension, plain.get(dimension))
        assert only.group == {dimension: expected}


async def test_groups_are_ordered_and_limited(engine):
    day = 86_400
    queries = await fill(
        engine,
        *(entry(n, at=(START + n % 2 * day) * 1_000_000, user=f"u{n % 3}", cost_micro_usd=n) for n in range(12)),
    )
    by_user = await queries.usage(group_by=(Dimension.USER,))
    assert [one.group["user"] for one in by_user] == ["u2", "u1", "u0"]  # the most expensive first
    assert len(await queries.usage(group_by=(Dimension.USER,), limit=2)) == 2
    by_day = await queries.usage(group_by=(Dimension.USER, Dimension.DAY))
    days = [one.group["day"] for one in by_day]
    assert days == sorted(days)
    assert len(by_day) == 6
    assert sum(one.cost_micro_usd for one in by_day) == sum(range(12))
    assert sum(one.calls for one in await queries.usage(Filters(user="u1"), group_by=(Dimension.HOUR,))) == 4


def test_dimensions_are_parsed_and_refused():
    assert parse_dimensions("user, day") == (Dimension.USER, Dimension.DAY)
    assert parse_dimensions("") == ()
    with pytest.raises(Malformed, match="user, key, team, application"):
        parse_dimensions("user,password")
    with pytest.raises(Malformed, match="up to 3"):
        totals_statement(Filters(), parse_dimensions("user,key,team,day"), 10)
    with pytest.raises(Malformed, match="up to 3"):
        totals_statement(Filters(), parse_dimensions("user,user"), 10)


async def test_spent(engine):
    queries = await fill(
        engine,
        entry(1, user="ann", team="core", model="fast", cost_micro_usd=1),
        entry(2, user="ann", team="web", model="big", cost_micro_usd=10),
        entry(3, user="bob", team="web", cost_micro_usd=100, profile="demo", server="git", tool="status"),
        entry(4, user="bob", team="web"),
    )
    since = START
    assert await queries.spent(("org", ""), since) == 111
    assert await queries.spent(("user", "ann"), since) == 11
    assert await queries.spent(("team", "web"), since) == 110
    assert await queries.spent(("model", "big"), since) == 10
    assert await queries.spent(("key", "ci"), since) == 111
    assert await queries.spent(("profile", "demo"), since) == 100
    assert await queries.spent(("server", "git"), since) == 100
    assert await queries.spent(("tool", "git/status"), since) == 100
    assert await queries.spent(("tool", "git/push"), since) == 0
    assert await queries.spent(("org", ""), START + 2, START + 3) == 10
    with pytest.raises(Malformed, match="scope"):
        await queries.spent(("planet", "earth"), 0)


async def test_last_used(engine):
    queries = await fill(engine, entry(1, key="a"), entry(9, key="a"), entry(5, key="b"))
    assert await queries.last_used(["a", "b", "never"]) == {"a": START + 9, "b": START + 5}
    assert await queries.last_used([]) == {}
    many = await queries.last_used(f"k{n}" for n in range(1200))
    assert many == {}


def plans():
    both = Filters(since=1, until=2)
    yield "usage", totals_statement(replace(both, team="x"), (Dimension.MODEL,), 100)
    yield "usage of a time", totals_statement(both, (Dimension.DAY,), 100)
    for kind in ("org", "team", "user", "key", "model", "profile", "server", "tool"):
        yield f"spent {kind}", totals_statement(scope_filters((kind, "a/b"), 1, 2), (), 1)
    month = Filters(since=1_700_000_123, until=1_702_600_000)
    yield "rolled up", totals_statement(month, (Dimension.TEAM,), 100, stale=Stale((1_700_003_600_000_000,)))
    yield "last used", last_used_statement(["a", "b"])


@pytest.mark.parametrize(("name", "statement"), list(plans()), ids=[name for name, _ in plans()])
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_an_index_is_used(engine, name, statement):
    """At a million rows a scan takes seconds: every question must reach its rows through an index. Pages: `test_pages`."""
    sql = statement.compile(engine.sync_engine, compile_kwargs={"literal_binds": True})
    async with engine.connect() as connection:
        steps = [row[3] for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {sql}".replace(":", r"\:")))]
    on_table = [step for step in steps if "entry" in step]
    assert on_table
    assert all("USING" in step and "INDEX" in step for step in on_table), steps
