"""Limits that hold for each end user, or each value of a tag, by itself; and are forgotten when nobody is there."""

import json

import pytest

from hub.core.calls import Dialect, ModelCall, Origin, ToolCall
from hub.core.refusal import InvalidSpec, Throttled
from hub.core.usage import Usage
from hub.dialect import peek
from hub.policy import shares
from hub.resources import parse
from tests.unit.policy.test_admission import CI, Clock, policy

pytestmark = pytest.mark.anyio


def calling(said=None, dialect=Dialect.OPENAI_CHAT, tags=()):
    body = json.dumps({"model": "m", "messages": [], **(said or {})}).encode()
    return ModelCall("c", dialect, "m", False, body, Origin("r", tags=tags), places=peek(dialect, body).places)


def limited(clock=None, **spec):
    return policy(clock, limits={"l": {"scope": {"key": "ci"}, **spec}})


async def make(subject, call, tokens=0, used=0):
    async with subject.admit(CI, call, tokens=tokens) as decision:
        decision.settle(Usage(input=used), 0)
        return decision.headers


ANN = [
    (Dialect.OPENAI_CHAT, {"user": "ann"}),
    (Dialect.OPENAI_CHAT, {"safety_identifier": "ann", "user": "old name"}),
    (Dialect.OPENAI_RESPONSES, {"safety_identifier": "ann"}),
    (Dialect.ANTHROPIC_MESSAGES, {"metadata": {"user_id": "ann"}}),
]


async def test_each_end_user_has_a_limit_of_their_own_in_whichever_dialect_they_are_named():
    subject = limited(each="end_user", rpm=4)
    for dialect, said in ANN:
        headers = await make(subject, calling(said, dialect))
    assert headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(Throttled) as caught:
        await make(subject, calling({"user": "ann"}))
    assert (caught.value.code, caught.value.retry_after) == ("rate_limited", 60)
    assert "4 requests a minute" in caught.value.message
    await make(subject, calling({"user": "bob"}))
    assert subject.limit_status("l").requests == 4, "of whoever used most"


async def test_those_who_are_not_named_are_one():
    subject = limited(each="end_user", rpm=3)
    for call in (calling(), calling({"user": 7, "metadata": "x"}), ToolCall("1", "p", "t", b"{}", Origin("r"))):
        await make(subject, call)
    with pytest.raises(Throttled):
        await make(subject, calling({"user": ""}))


async def test_each_value_of_a_tag_has_its_own_of_tokens_and_of_places():
    subject = limited(each="tag:run", tpm=100, parallel=1)
    one, two = calling(tags=(("run", "1"),)), calling(tags=(("run", "2"), ("user", "1")))
    await make(subject, one, tokens=90, used=60)
    await make(subject, two, tokens=90, used=60)
    with pytest.raises(Throttled):
        await make(subject, one, tokens=50)
    async with subject.admit(CI, two, tokens=10):
        with pytest.raises(Throttled) as caught:
            await make(subject, two, tokens=1)
        assert caught.value.code == "too_many_parallel"
        await make(subject, one, tokens=1)


async def test_it_holds_beside_the_limits_for_all():
    subject = policy(limits={
        "all": {"scope": {"org": True}, "rpm": 3}, "each": {"scope": {"org": True}, "each": "end_user", "rpm": 2},
    })  # fmt: skip
    assert (await make(subject, calling({"user": "a"})))["x-ratelimit-remaining-requests"] == "1"
    await make(subject, calling({"user": "b"}))
    assert (await make(subject, calling({"user": "b"})))["x-ratelimit-limit-requests"] in ("2", "3")
    with pytest.raises(Throttled, match="'all'"):
        await make(subject, calling({"user": "c"}))


async def test_what_is_counted_survives_a_change_of_the_numbers():
    subject = limited(each="end_user", rpm=2)
    await make(subject, calling({"user": "ann"}))
    again = policy(limits={"l": {"scope": {"key": "ci"}, "each": "end_user", "rpm": 1}})
    assert again.limit_status("l").requests == 0, "another process"
    changed = parse("limits", "l", {"scope": {"key": "ci"}, "each": "end_user", "rpm": 1})
    snapshot = type("S", (), {"budgets": {}, "limits": {"l": changed}, "profiles": {}, "guardrails": {}, "stops": {}})
    subject.reconfigure(snapshot)
    assert subject.limit_status("l").requests == 1
    with pytest.raises(Throttled):
        await make(subject, calling({"user": "ann"}))


async def test_no_more_are_known_than_fit_and_nobody_gets_more_by_it(monkeypatch):
    monkeypatch.setattr(shares, "MOST_VALUES", 3)
    clock = Clock()
    subject = limited(clock, each="end_user", rpm=1)
    for name in ("a", "b", "c", "d"):
        await make(subject, calling({"user": name}))
    for name in ("a", "b", "c", "d", "e"):  # d and e are one, while the others are busy
        with pytest.raises(Throttled):
            await make(subject, calling({"user": name}))
    meters = len(subject.meters._counters)
    clock.now += 61
    for number in range(50):
        clock.now += 61
        await make(subject, calling({"user": f"later {number}"}))
    assert len(subject.meters._counters) <= meters, "what is forgotten is not counted any more"


@pytest.mark.parametrize(
    "wrong", [{"each": "user"}, {"each": "tag:"}, {"each": "end_user", "parallel": 1, "queue": {}}]
)
def test_what_each_may_be(wrong):
    with pytest.raises(InvalidSpec):
        parse("limits", "l", {"scope": {"org": True}, "rpm": 1, **wrong})
