"""Limits and budgets hold exactly, whatever order calls begin, end, fail or are cancelled in."""

import asyncio
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.calls import Dialect, ModelCall, Origin, ToolCall
from hub.core.principal import Principal
from hub.core.refusal import Malformed, Throttled
from hub.core.usage import Usage
from hub.policy import Policy
from hub.resources import Snapshot, parse
from hub.resources.model_catalog import ModelCatalog

pytestmark = pytest.mark.anyio
CI = Principal(id="key:ci", kind="key", key="ci", team="platform", user="ann")
OTHER = Principal(id="key:other", kind="key", key="other", team="else")
CENT = 10_000


class Clock:
    def __init__(self, now=1_800_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


def policy(clock=None, **resources):
    parsed = {kind: {n: parse(kind, n, raw) for n, raw in named.items()} for kind, named in resources.items()}
    made = Policy(clock or Clock())
    made.reconfigure(Snapshot(1, "", ModelCatalog([]), **parsed))
    return made


def model_call(body=b'{"messages":[]}', model="fast"):
    return ModelCall("1", Dialect.OPENAI_CHAT, model, False, body, Origin("r"))


def tool_call(arguments=b"{}"):
    return ToolCall("1", "demo", "time__now", arguments, Origin("r"))


async def refused(decision, kind):
    """The refusal that entering a decision raises."""
    with pytest.raises(kind) as caught:
        await decision.__aenter__()
    return caught.value


def budget(usd, scope=None, **more):
    return {"b": {"usd": usd, "scope": scope or {"key": "ci"}, **more}}


async def test_200_calls_of_a_cent_on_half_a_dollar_admit_50_and_spend_no_more():
    subject = policy(budgets=budget(0.50))
    admitted = 0

    async def call():
        nonlocal admitted
        try:
            async with subject.admit(CI, model_call(), cost_micro_usd=CENT) as decision:
                admitted += 1
                await asyncio.sleep(0)
                decision.settle(Usage(input=10, output=5), CENT)
        except Throttled as refusal:
            assert refusal.code == "budget_exhausted"
            assert refusal.headers["x-hub-budget-action"] == "block"

    await asyncio.gather(*(call() for _ in range(200)))
    status = subject.budget_status("b")
    assert (admitted, status.spent, status.reserved) == (50, 500_000, 0)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 40_000), st.integers(0, 40_000), st.sampled_from(["settle", "fail", "cancel", "open"])
        ),
        max_size=60,
    )
)
async def test_settled_and_reserved_never_pass_the_limit(calls):
    subject = policy(budgets=budget(0.10))
    open_calls = []
    for estimate, actual, end in calls:
        decision = subject.admit(CI, model_call(), cost_micro_usd=estimate)
        try:
            await decision.__aenter__()
        except Throttled:
            continue
        finally:
            status = subject.budget_status("b")
            assert status.spent + status.reserved <= status.limit
        if end == "open":
            open_calls.append(decision)
        elif end == "settle":
            decision.settle(Usage(), min(actual, estimate))
            await decision.__aexit__(None, None, None)
        else:
            error = asyncio.CancelledError() if end == "cancel" else ValueError()
            await decision.__aexit__(type(error), error, None)
    for decision in open_calls:
        await decision.__aexit__(None, None, None)
    assert subject.budget_status("b").reserved == 0


async def test_an_unsettled_call_gives_everything_back():
    subject = policy(budgets=budget(1), limits={"l": {"scope": {"key": "ci"}, "tpm": 100, "parallel": 1}})
    with pytest.raises(ValueError):
        async with subject.admit(CI, model_call(), tokens=100, cost_micro_usd=900_000):
            raise ValueError
    async with subject.admit(CI, model_call(), tokens=100, cost_micro_usd=900_000) as decision:
        decision.settle(Usage(), 0)


async def test_a_warning_budget_lets_the_call_pass_and_tells_it():
    subject = policy(budgets=budget(0.01, mode="warn", alerts=[50, 100]))
    async with subject.admit(CI, model_call(), cost_micro_usd=5 * CENT) as decision:
        decision.settle(Usage(), 5 * CENT)
    status = subject.budget_status("b")
    assert (status.spent, status.alerts) == (5 * CENT, (50, 100))
    async with subject.admit(CI, model_call(), cost_micro_usd=0) as decision:
        assert decision.headers["x-hub-budget-remaining-usd"] == "-0.040000"


async def test_an_unknown_price_is_counted_and_not_zero_dollars():
    subject = policy(budgets=budget(1))
    async with subject.admit(CI, model_call(), cost_micro_usd=None) as decision:
        decision.settle(Usage(input=1), None)
    status = subject.budget_status("b")
    assert (status.spent, status.unpriced) == (0, 1)


async def test_a_budget_begins_anew_at_the_border_of_its_own_time_zone():
    clock = Clock(1_772_319_599.0)  # 2026-02-28 23:59:59 in Berlin, one hour ahead of UTC
    subject = policy(clock, budgets=budget(0.01, period="month", timezone="Europe/Berlin"))
    async with subject.admit(CI, model_call(), cost_micro_usd=CENT) as decision:
        decision.settle(Usage(), CENT)
    caught = await refused(subject.admit(CI, model_call(), cost_micro_usd=CENT), Throttled)
    assert caught.retry_after == 1
    assert "2026-02-28T23:00:00+00:00" in caught.message
    clock.now += 1
    async with subject.admit(CI, model_call(), cost_micro_usd=CENT):
        pass


@pytest.mark.parametrize(
    "scope", [{"org": True}, {"team": "platform"}, {"user": "ann"}, {"key": "ci"}, {"model": "fast"}]
)
async def test_every_scope_counts_its_own_calls_and_no_others(scope):
    subject = policy(limits={"l": {"scope": scope, "rpm": 1}})
    async with subject.admit(CI, model_call()):
        pass
    assert re.search("'l' allows 1 requests", (await refused(subject.admit(CI, model_call()), Throttled)).message)
    if scope != {"org": True}:
        async with subject.admit(OTHER, model_call(model="slow")):
            pass


@pytest.mark.parametrize("scope", [{"profile": "demo"}, {"server": "time"}, {"tool": "time/now"}, {"key": "ci"}])
async def test_tool_calls_have_limits_of_their_own(scope):
    subject = policy(limits={"l": {"scope": scope, "tool_calls_per_minute": 2}})
    for _ in range(2):
        async with subject.admit(CI, tool_call(), server="time", tool="now"):
            pass
    assert re.search(
        "2 tool calls", (await refused(subject.admit(CI, tool_call(), server="time", tool="now"), Throttled)).message
    )
    if "key" not in scope:
        return
    async with subject.admit(CI, model_call()):
        pass


async def test_300_at_once_at_100_a_minute_admit_100_and_say_when():
    subject = policy(limits={"l": {"scope": {"key": "ci"}, "rpm": 100}})
    refused = []
    for _ in range(300):
        try:
            async with subject.admit(CI, model_call()):
                pass
        except Throttled as refusal:
            refused.append(refusal)
    assert len(refused) == 200
    assert {r.retry_after for r in refused} == {60}
    assert refused[0].headers["x-ratelimit-remaining-requests"] == "0"


async def test_a_refused_call_takes_nothing_from_the_scopes_that_had_room():
    subject = policy(
        limits={"narrow": {"scope": {"model": "fast"}, "rpm": 1}, "wide": {"scope": {"key": "ci"}, "rpm": 5}}
    )
    async with subject.admit(CI, model_call()):
        pass
    for _ in range(10):
        await refused(subject.admit(CI, model_call()), Throttled)
    assert subject.limit_status("wide").requests == 1


async def test_parallel_calls_end_and_make_room():
    subject = policy(limits={"l": {"scope": {"key": "ci"}, "parallel": 2}})
    async with subject.admit(CI, model_call()), subject.admit(CI, model_call()):
        caught = await refused(subject.admit(CI, model_call()), Throttled)
        assert caught.code == "too_many_parallel"
    async with subject.admit(CI, model_call()):
        pass


async def test_tokens_are_reserved_then_corrected():
    subject = policy(limits={"l": {"scope": {"key": "ci"}, "tpm": 1000}})
    async with subject.admit(CI, model_call(), tokens=900) as decision:
        await refused(subject.admit(CI, model_call(), tokens=200), Throttled)
        decision.settle(Usage(input=50, output=50), None)
    async with subject.admit(CI, model_call(), tokens=900) as decision:
        assert decision.headers["x-ratelimit-remaining-tokens"] == "0"


async def test_a_call_that_can_never_fit_is_not_told_to_wait():
    subject = policy(limits={"l": {"scope": {"key": "ci"}, "tpm": 1000}})
    caught = await refused(subject.admit(CI, model_call(), tokens=1001), Throttled)
    assert caught.retry_after is None
    assert not caught.retryable


async def test_counters_survive_a_change_of_numbers_and_not_of_scope():
    subject = policy(limits={"l": {"scope": {"key": "ci"}, "rpm": 2}})
    async with subject.admit(CI, model_call()):
        pass
    for scope, used in ({"key": "ci"}, 1), ({"key": "other"}, 0):
        spec = parse("limits", "l", {"scope": scope, "rpm": 9})
        subject.reconfigure(Snapshot(2, "", ModelCatalog([]), limits={"l": spec}))
        assert subject.limit_status("l").requests == used


async def test_what_was_spent_before_this_process_is_added_once():
    subject = policy(budgets=budget(1))
    (gap,) = subject.gaps()
    assert gap.scope == ("key", "ci")
    subject.credit(gap, 400_000)
    subject.credit(gap, 400_000)
    assert subject.gaps() == []
    assert subject.budget_status("b").spent == 400_000


GUARD = {"scope": {"org": True}, "on": ["input", "tool_call"], "words": ["hunter2"], "patterns": [r"\b\d{16}\b"]}


@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[{"content":"the password is Hunter2."}]}',
        b'{"messages":[{"content":"the password is \\u0068unter2"}]}',
        b'{"hunter2":1}',
        b'{"messages":[{"content":[{"text":"card 4111111111111111 ok"}]}]}',
    ],
)
async def test_a_guardrail_finds_it_however_the_json_writes_it(body):
    subject = policy(guardrails={"g": GUARD})
    caught = await refused(subject.admit(CI, model_call(body)), Malformed)
    assert caught.code == "guardrail_blocked"
    assert "hunter" not in caught.message.lower()
    await refused(subject.admit(CI, tool_call(body), server="time", tool="now"), Malformed)


async def test_a_guardrail_leaves_the_rest_alone_and_a_flag_lets_pass():
    subject = policy(guardrails={"g": GUARD, "f": {**GUARD, "action": "flag", "words": ["harmless"], "patterns": []}})
    body = b'{"messages":[{"content":"hunter22 and 123456789012345 are harmless"}]}'
    async with subject.admit(CI, model_call(body)) as decision:
        assert [finding.rule for finding in decision.findings] == ["f"]


async def test_a_guardrail_that_cannot_read_the_body_refuses_it():
    subject = policy(guardrails={"g": GUARD})
    assert re.search("not JSON", (await refused(subject.admit(CI, model_call(b"{")), Malformed)).message)
    assert re.search("not JSON", (await refused(subject.admit(CI, model_call(b"[" * 100_000)), Malformed)).message)
