"""The day on which the money of a budget without a period ends."""

import pytest

from hub.app.forecasts import Rate, full_at, lately, runs_out_at
from hub.core.usage import Usage
from hub.ledger import Queries
from hub.ledger.sink import Sink
from hub.policy import LimitStatus
from hub.resources import parse
from tests.support.ledger import entry, sqlite_engine

pytestmark = pytest.mark.anyio
DAY = 86400
NOW = 1_800_000_000.0
DOLLAR = 1_000_000


async def forecast(folder, made, left=10 * DOLLAR, scope=("team", "core")):
    async with sqlite_engine(folder) as engine:
        await Sink(engine, engine, ()).write(made)
        return await runs_out_at(Queries(engine), scope, left, NOW)


def spent(number, days_ago, dollars, **fields):
    at = int((NOW - days_ago * DAY) * 1e6)
    return entry(number, **({"team": "core", "at": at, "cost_micro_usd": round(dollars * DOLLAR)} | fields))


async def test_it_goes_on_as_in_the_days_since_the_first_call(tmp_path):
    made = [spent(1, 4, 2), spent(2, 2, 2), spent(3, 1, 7, team="edge"), spent(4, 1, 0, own_micro_usd=5 * DOLLAR)]
    assert await forecast(tmp_path, made) == NOW + 10 * DAY, "a dollar a day, and neither another team nor own money"


async def test_what_was_spent_long_ago_does_not_count(tmp_path):
    made = [spent(1, 90, 500), spent(2, 28, 14), spent(3, 1, 14)]
    assert await forecast(tmp_path, made) == pytest.approx(NOW + 10 * DAY)


@pytest.mark.parametrize(
    ("made", "left", "ends"),
    [
        ([], DOLLAR, None),
        ([spent(1, 0.01, 5)], DOLLAR, None),  # minutes say nothing
        ([spent(1, 20, 0.000001)], DOLLAR, None),  # in thousands of years
        ([spent(1, 20, 1)], 0, NOW),
        ([spent(1, 20, 1)], -DOLLAR, NOW),
    ],
)
async def test_where_nothing_can_be_said_or_nothing_is_left(tmp_path, made, left, ends):
    assert await forecast(tmp_path, made, left) == ends


async def test_by_tool(tmp_path):
    made = [spent(n, 8 - n, 1, call="tool", server="git", tool="log" if n % 2 else "show") for n in range(8)]
    assert await forecast(tmp_path, made, 4 * DOLLAR, ("tool", "git/log")) == pytest.approx(NOW + 7 * DAY)


@pytest.mark.parametrize(
    ("limits", "used", "seconds"),
    [
        ({"rpm": 100}, LimitStatus(40, 0, 0, 0), 30),  # 20 in ten seconds: 120 a minute
        ({"rpm": 120}, LimitStatus(40, 0, 0, 0), None),  # may go on so
        ({"rpm": 100, "tpm": 1000}, LimitStatus(40, 400, 0, 0), 10),  # 60 tokens a second
        ({"tool_calls_per_minute": 20}, LimitStatus(0, 0, 25, 0), 0),
        ({"parallel": 1}, LimitStatus(9, 9, 9, 1), None),
    ],
)
async def test_when_a_limit_is_full_at_this_rate(tmp_path, limits, used, seconds):
    spec = parse("limits", "l", {"scope": {"team": "core"}, **limits})
    made = [spent(n, (n + 0.5) / 2 / DAY, 0, usage=Usage(input=20, output=40)) for n in range(10)]
    made += [spent(n + 50, (n + 0.5) / DAY, 0, call="tool", server="git", tool="log") for n in range(10)]
    made += [spent(90, 60 / DAY, 0), spent(91, 1 / DAY, 0, team="edge")]
    async with sqlite_engine(tmp_path) as engine:
        await Sink(engine, engine, ()).write(made)
        scope, others = (
            ("team", "core"),
            {("team", "edge"), ("team", "none"), ("tool", "git/log"), ("tool", "git/show"), ("org", "")},
        )
        alone = await lately(Queries(engine), {scope}, NOW)
        together = await lately(Queries(engine), {scope, *others}, NOW)
    assert together[scope] == alone[scope]
    assert [together.get(one) for one in sorted(others)] == [
        Rate(21, 600, 10),
        Rate(1, 0, 0),
        None,
        Rate(10, 0, 10),
        None,
    ]
    ends = full_at(spec, used, alone[scope], NOW)
    assert ends == (None if seconds is None else pytest.approx(NOW + seconds))
