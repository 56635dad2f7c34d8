"""Budgets over time: periods, what is carried over, what is there for a time, alerts and forecasts."""

from datetime import UTC, datetime

import pytest

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.principal import Principal
from hub.core.refusal import InvalidSpec, PriceUnknown, Throttled
from hub.core.usage import Usage
from hub.policy import Policy
from hub.policy.periods import bounds
from hub.resources import Snapshot, parse
from hub.resources.model_catalog import ModelCatalog

pytestmark = pytest.mark.anyio
CI = Principal(id="key:ci", kind="key", key="ci", team="platform", user="ann")
DOLLAR = 1_000_000


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


class World:
    """A policy with one budget, a clock, and the alerts that were told."""

    def __init__(self, start, **budget):
        self.now = at(start)
        self.told = []
        self.policy = Policy(lambda: self.now, on_alert=lambda alert, rule: self.told.append((alert.id, alert.level)))
        self.configure(**budget)

    def configure(self, **budget):
        spec = parse("budgets", "b", {"scope": {"key": "ci"}, **budget})
        self.policy.reconfigure(Snapshot(1, "", ModelCatalog([]), budgets={"b": spec}))

    async def spend(self, usd, *, reserve=None):
        call = ModelCall("1", Dialect.OPENAI_CHAT, "fast", False, b"{}", Origin("r"))
        cost = round(usd * DOLLAR)
        async with self.policy.admit(CI, call, cost_micro_usd=cost if reserve is None else reserve) as decision:
            decision.settle(Usage(), cost)
            return decision.headers

    @property
    def status(self):
        return self.policy.budget_status("b")


async def test_what_a_period_leaves_is_carried_over_once():
    world = World("2026-03-30T12:00", usd=10, carry_over=True, period="month")
    for gap in world.policy.gaps():
        world.policy.credit(gap, 3 * DOLLAR if gap.until == at("2026-03-01T00:00") else 4 * DOLLAR)
    assert (world.status.carried_over, world.status.limit, world.status.spent) == (7 * DOLLAR, 17 * DOLLAR, 4 * DOLLAR)
    await world.spend(1)
    world.now = at("2026-04-02T00:00")
    assert (world.status.limit, world.status.spent) == (20 * DOLLAR, 0), (
        "12 were left, and a month's amount is the most"
    )
    await world.spend(15)
    world.now = at("2026-05-02T00:00")
    assert world.status.limit == 15 * DOLLAR
    world.now = at("2026-08-02T00:00")
    assert world.status.limit == 20 * DOLLAR, "nothing was spent in the month before"


async def test_an_overspent_period_leaves_nothing():
    world = World("2026-03-30T12:00", usd=10, carry_over=True, mode="warn")
    for gap in world.policy.gaps():
        world.policy.credit(gap, 0)
    await world.spend(50)
    world.now = at("2026-04-01T00:00")
    assert world.status.limit == 10 * DOLLAR


async def test_money_for_a_time_ends():
    world = World("2026-03-30T12:00", usd=1, extra={"usd": 2, "until": "2026-03-30T13:00:00Z"})
    await world.spend(2.5)
    world.now = at("2026-03-30T13:00")
    with pytest.raises(Throttled) as caught:
        await world.spend(0.1)
    assert caught.value.headers["x-hub-budget-action"] == "block"
    assert caught.value.retry_after == 35 * 3600


async def test_shadow_counts_and_tells_the_caller_nothing():
    world = World("2026-03-30T12:00", usd=1, mode="shadow")
    assert await world.spend(5) == {}
    assert world.status.spent == 5 * DOLLAR


async def test_the_fullest_budget_says_how_much_is_used():
    world = World("2026-03-30T12:00", usd=10, period="day")
    assert world.policy.budget_used(CI, "fast") == 0
    await world.spend(5)
    call = ModelCall("1", Dialect.OPENAI_CHAT, "fast", False, b"{}", Origin("r"))
    async with world.policy.admit(CI, call, cost_micro_usd=3 * DOLLAR):
        assert world.policy.budget_used(CI, "fast") == pytest.approx(80), "what is reserved is used"
    assert world.policy.budget_used(CI, "fast") == pytest.approx(50)
    assert world.policy.budget_used(Principal(id="key:x", kind="key", key="x"), "fast") == 0
    specs = {
        name: parse("budgets", name, {"usd": usd, "mode": mode, "scope": scope})
        for name, usd, mode, scope in (
            ("b", 10, "block", {"key": "ci"}), ("m", 6, "warn", {"model": "fast"}), ("s", 1, "shadow", {"org": True}),
        )
    }  # fmt: skip
    world.policy.reconfigure(Snapshot(1, "", ModelCatalog([]), budgets=specs))
    await world.spend(5)
    assert world.policy.budget_used(CI, "fast") == pytest.approx(100 * 5 / 6)
    assert world.policy.budget_used(CI, "other") == pytest.approx(50)
    world.now = at("2026-04-01T00:00")
    assert world.policy.budget_used(CI, "fast") == 0, "a new period has begun, though nobody has called in it"


async def test_each_threshold_is_told_once_in_a_period_whatever_else_changes():
    world = World("2026-03-30T12:00", usd=10, alerts=[50, 80, 100])
    await world.spend(4)
    assert world.told == []
    await world.spend(2)
    assert [level for _, level in world.told] == [50]
    world.configure(usd=10, alerts=[50, 80, 100])
    await world.spend(0.1)
    assert [level for _, level in world.told] == [50]
    await world.spend(3.9)
    assert [level for _, level in world.told] == [50, 100]
    world.now = at("2026-04-01T00:00")
    await world.spend(6)
    assert [level for _, level in world.told] == [50, 100, 50]
    assert len({identifier for identifier, _ in world.told}) == 3


async def test_what_was_reached_before_a_restart_is_told_under_the_same_name_so_that_none_is_lost():
    before, after = (World("2026-03-30T12:00", usd=10, alerts=[50, 80]) for _ in range(2))
    await before.spend(6)
    (gap,) = after.policy.gaps()
    after.policy.credit(gap, 6 * DOLLAR)
    assert after.told == before.told == [(after.told[0][0], 50)]
    await after.spend(1)
    assert len(after.told) == 1
    await after.spend(1)
    assert [level for _, level in after.told] == [50, 80]


async def test_a_threshold_of_a_raised_budget_is_another_one():
    world = World("2026-03-30T12:00", usd=10, alerts=[50])
    await world.spend(6)
    world.configure(usd=100, alerts=[50])
    await world.spend(40)
    world.configure(usd=80, alerts=[50])
    await world.spend(1)
    assert len({identifier for identifier, _ in world.told}) == len(world.told) == 2


async def test_what_is_carried_over_is_known_before_a_threshold_is_looked_at():
    world = World("2026-03-30T12:00", usd=10, carry_over=True, period="month", alerts=[50])
    for gap in sorted(world.policy.gaps(), key=lambda gap: -gap.until):
        world.policy.credit(gap, 3 * DOLLAR if gap.until == at("2026-03-01T00:00") else 6 * DOLLAR)
    assert world.told == []


async def test_the_day_the_money_ends_is_foretold():
    world = World("2026-04-01T00:00", usd=30, mode="warn")
    world.now = at("2026-04-11T00:00")
    await world.spend(20)
    assert world.status.runs_out_at == at("2026-04-16T00:00")
    world.now = at("2026-04-29T00:00")
    assert world.status.runs_out_at is None, "at this rate it lasts"
    await world.spend(10)
    assert world.status.runs_out_at == world.now


async def test_a_call_settles_in_the_period_that_it_began_in():
    world = World("2026-03-31T23:59:59", usd=10)
    call = ModelCall("1", Dialect.OPENAI_CHAT, "fast", False, b"{}", Origin("r"))
    async with world.policy.admit(CI, call, cost_micro_usd=DOLLAR) as decision:
        world.now += 2
        assert (world.status.spent, world.status.reserved) == (0, 0)
        decision.settle(Usage(), DOLLAR)
    assert (world.status.spent, world.status.reserved) == (0, 0)
    world.now -= 3600
    assert world.status.spent == 0, "a clock that goes back resets nothing twice"


@pytest.mark.parametrize(
    ("period", "zone", "now", "start", "end"),
    [
        ("day", "Europe/Berlin", "2026-03-29T12:00", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("day", "Europe/Berlin", "2026-10-25T12:00", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("month", "UTC", "2028-02-29T12:00", "2028-02-01T00:00", "2028-03-01T00:00"),
        ("quarter", "UTC", "2026-12-31T23:59", "2026-10-01T00:00", "2027-01-01T00:00"),
        ("year", "UTC", "2026-12-31T23:59", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("week", "UTC", "2026-11-29T23:59", "2026-11-23T00:00", "2026-11-30T00:00"),
    ],
)
def test_periods_follow_the_calendar(period, zone, now, start, end):
    assert bounds(period, zone, at(now)) == (at(start), at(end))


async def test_a_call_without_a_price_is_counted_or_refused_as_the_budget_says():
    world = World("2026-03-30T12:00", usd=10)
    call = ModelCall("1", Dialect.OPENAI_CHAT, "fast", False, b"{}", Origin("r"))
    async with world.policy.admit(CI, call, cost_micro_usd=None) as decision:
        decision.settle(Usage(), None)
    assert world.status.unpriced == 1
    world.configure(usd=10, unpriced="refuse")
    with pytest.raises(PriceUnknown, match="'fast'") as caught:
        world.policy.admit(CI, call, cost_micro_usd=None)
    assert (caught.value.status, caught.value.code) == (402, "price_unknown")
    await world.spend(0)  # what is known to be free is not unknown


def test_only_a_budget_that_refuses_can_refuse_what_has_no_price():
    with pytest.raises(InvalidSpec, match="unpriced"):
        parse("budgets", "b", {"scope": {"key": "ci"}, "usd": 1, "mode": "warn", "unpriced": "refuse"})


async def test_claude_code_is_warned_in_its_own_words_before_the_money_ends():
    world = World("2026-03-30T12:00", usd=10)
    call = ModelCall("1", Dialect.ANTHROPIC_MESSAGES, "fast", False, b"{}", Origin("r"))

    async def told(usd):
        await world.spend(usd)
        async with world.policy.admit(CI, call, cost_micro_usd=0) as decision:
            given = decision.headers
            decision.settle(Usage(), 0)
        prefix = "anthropic-ratelimit-unified-"
        return {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)}

    assert await told(7) == {}
    assert await told(1) == {
        "status": "allowed_warning",
        "representative-claim": "overage",
        "overage-status": "allowed_warning",
        "overage-utilization": "0.80",
        "overage-surpassed-threshold": "0.75",
        "reset": str(int(at("2026-04-01T00:00"))),
    }
    assert (await told(1.6))["overage-surpassed-threshold"] == "0.95"


@pytest.mark.parametrize(("usd", "said"), [(0.0005, "0.0005"), (2, "2.00"), (2.5, "2.50"), (1234.567, "1234.567")])
async def test_a_refusal_names_amounts_as_small_as_they_are(usd, said):
    world = World("2026-03-30T12:00", usd=usd, mode="block")
    with pytest.raises(Throttled, match=rf"allows {said} USD per month; 0\.00 is spent and 0\.00 reserved"):
        await world.spend(0, reserve=round(usd * DOLLAR) + 1)


@pytest.mark.parametrize(
    ("period", "starts", "now", "start", "end"),
    [
        ("quarter", 2, "2026-01-15", "2025-11-01", "2026-02-01"),
        ("quarter", 2, "2026-02-01", "2026-02-01", "2026-05-01"),
        ("quarter", 12, "2026-12-31", "2026-12-01", "2027-03-01"),
        ("quarter", 4, "2026-04-30", "2026-04-01", "2026-07-01"),
        ("year", 4, "2026-03-31", "2025-04-01", "2026-04-01"),
        ("year", 4, "2026-04-01", "2026-04-01", "2027-04-01"),
        ("year", 12, "2024-02-29", "2023-12-01", "2024-12-01"),
        ("month", 7, "2026-12-31", "2026-12-01", "2027-01-01"),
    ],
)
def test_a_fiscal_year_begins_when_it_says(period, starts, now, start, end):
    at = [datetime.fromisoformat(f"{day}T00:00+00:00").timestamp() for day in (now, start, end)]
    assert bounds(period, "UTC", at[0], starts) == (at[1], at[2])
