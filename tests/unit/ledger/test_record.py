"""One call, one entry: whatever ends the call decides the outcome, and nothing hostile gets through."""

import asyncio

import pytest
from msgspec import json

from hub.core.entry import AttemptRecord, Entry, Finding
from hub.core.refusal import Forbidden, Throttled, Unavailable, UpstreamFailed
from hub.core.usage import Usage
from hub.ledger import Ledger, Spool
from hub.ledger.frames import OPEN, scan
from hub.ledger.segment import left_behind
from tests.support.ledger import CI, model_call, tool_call

pytestmark = pytest.mark.anyio


class NoWriter:
    """Leaves everything in the spool, where these tests look."""

    trouble = ""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        return None


@pytest.fixture
async def ledger(tmp_path, anyio_backend):
    ticks = iter(range(1000))
    async with Ledger(
        Spool(tmp_path), NoWriter(), now=lambda: 1_700_000_000.25, clock=lambda: next(ticks) / 1000
    ) as one:
        yield one


def entries(folder):
    """(opens, closes) of all that is in the spool."""
    found = [one for path in left_behind(folder) for one in scan(path.read_bytes()).frames]
    decoded = [(one.kind, json.decode(one.payload, type=Entry)) for one in found]
    return [one for kind, one in decoded if kind == OPEN], [one for kind, one in decoded if kind != OPEN]


def only(folder):
    opens, closes = entries(folder)
    assert len(closes) == 1
    assert {one.id for one in opens} <= {closes[0].id}
    return closes[0]


async def test_a_model_call_in_full(ledger, tmp_path):
    call = model_call(session="s1", agent="claude-code/2", tags=(("app", "web"),), door="playground")
    async with ledger.record(CI, call) as record:
        assert entries(tmp_path) == ([], [])  # nothing was asked of anybody yet
        await record.reserve(Usage(), None)
        (opened,), closes = entries(tmp_path)
        assert not closes
        assert opened.outcome == "interrupted"
        assert opened.usage.estimated
        record.attempt(AttemptRecord("openai/gpt", "error", 503, 12.0, "busy"))
        record.attempt(AttemptRecord("local/qwen", "ok", 200, 30.0))
        record.answered("local/qwen", "local")
        record.lane = "passthrough"
        record.first_byte()
        record.first_byte()
        record.status = 200
        record.response_bytes = 321
        record.dropped = ("logit_bias",)
        record.findings = (Finding("pii"),)
        record.settle(Usage(input=10, output=5), 42, "2026-11")
    one = only(tmp_path)
    assert one.id == record.id == call.id
    assert (one.call, one.outcome, one.status, one.code, one.error) == ("model", "ok", 200, "", "")
    assert (one.principal, one.key, one.user, one.team) == ("key:ci", "ci", "ann", "platform")
    assert (one.request_id, one.session, one.agent, one.door) == (f"r-{call.id}", "s1", "claude-code/2", "playground")
    assert (one.dialect, one.lane, one.model, one.target, one.provider) == (
        "openai_chat", "passthrough", "fast", "local/qwen", "local",
    )  # fmt: skip
    assert (one.usage, one.cost_micro_usd, one.price_version) == (Usage(input=10, output=5), 42, "2026-11")
    assert one.at == 1_700_000_000_250_000
    assert one.ttft_ms == 3.0
    assert one.duration_ms == 4.0
    assert [attempt.began_ms for attempt in one.attempts] == [0.0, 0.0]  # they took longer than this clock saw
    assert (one.request_bytes, one.response_bytes) == (len(call.body), 321)
    assert [attempt.target for attempt in one.attempts] == ["openai/gpt", "local/qwen"]
    assert (one.dropped, one.findings, one.tags) == (("logit_bias",), (Finding("pii"),), {"app": "web"})


async def test_a_tool_call(ledger, tmp_path):
    async with ledger.record(CI, tool_call()) as record:
        record.server, record.tool = "time", "now"
        record.settle(Usage(tool_calls=1), 0)
    one = only(tmp_path)
    assert (one.call, one.profile, one.server, one.tool, one.model) == ("tool", "demo", "time", "now", "")
    assert one.usage.tool_calls == 1


@pytest.mark.parametrize(
    ("error", "asked", "outcome", "status", "code"),
    [
        (Forbidden("model_not_allowed", "no"), False, "refused", 403, "model_not_allowed"),
        (Throttled("budget_exhausted", "no"), False, "refused", 429, "budget_exhausted"),
        (Unavailable("model_not_ready", "no"), False, "refused", 503, "model_not_ready"),
        (UpstreamFailed("upstream_timeout", "slow", status=504), False, "error", 504, "upstream_timeout"),
        (Throttled("rate_limited", "theirs"), True, "error", 429, "rate_limited"),
        (asyncio.CancelledError(), True, "cancelled", 499, "cancelled"),
        (GeneratorExit(), True, "cancelled", 499, "cancelled"),
        (RuntimeError("password=hunter2"), True, "error", 500, "internal"),
        (KeyboardInterrupt(), False, "error", 500, "internal"),
    ],
)
async def test_what_leaves_decides_the_outcome(ledger, tmp_path, error, asked, outcome, status, code):
    async def run():
        async with ledger.record(CI, model_call()) as record:
            if asked:
                record.attempt(AttemptRecord("a/b", "error"))
            raise error

    with pytest.raises(type(error)):
        await run()
    one = only(tmp_path)
    assert (one.outcome, one.status, one.code) == (outcome, status, code)
    assert "hunter2" not in json.encode(one).decode()


async def test_a_cancelled_task_leaves_one_entry(ledger, tmp_path):
    started = asyncio.Event()

    async def run():
        async with ledger.record(CI, model_call()):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(run())
    await started.wait()
    task.cancel()
    await asyncio.wait([task])
    assert only(tmp_path).outcome == "cancelled"


async def test_an_error_status_is_an_error(ledger, tmp_path):
    async with ledger.record(CI, model_call()) as record:
        record.status = 400
    assert (only(tmp_path).outcome, only(tmp_path).status) == ("error", 400)


async def test_what_ended_the_call_first_stands(ledger, tmp_path):
    async def run():
        async with ledger.record(CI, model_call()) as record:
            record.refused(UpstreamFailed("upstream_protocol", "The stream was cut."))
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await run()
    assert (only(tmp_path).outcome, only(tmp_path).code) == ("error", "upstream_protocol")


async def test_a_failed_answer_and_a_lost_caller_can_be_said(ledger, tmp_path):
    async with ledger.record(CI, tool_call()) as record:
        record.status = 200
        record.failed("tool_error", "The tool says no.")
    async with ledger.record(CI, tool_call()) as record:
        record.cancelled()
    _, (failed, gone) = entries(tmp_path)
    assert (failed.outcome, failed.status, failed.code, failed.error) == (
        "error",
        200,
        "tool_error",
        "The tool says no.",
    )
    assert (gone.outcome, gone.status) == ("cancelled", 499)


async def test_an_unknown_price_is_unknown(ledger, tmp_path):
    async with ledger.record(CI, model_call()) as record:
        record.settle(Usage(input=1), None)
    assert only(tmp_path).cost_micro_usd is None


async def test_what_is_expected_stands_until_it_is_settled(ledger, tmp_path):
    async with ledger.record(CI, model_call()) as record:
        await record.reserve(Usage(input=100, output=4096), 777, "2026-11")
        opens, _ = entries(tmp_path)
        assert opens[-1].id == record.id
        assert (opens[-1].usage.output, opens[-1].usage.estimated, opens[-1].cost_micro_usd) == (4096, True, 777)
        record.settle(Usage(input=90, output=10), 5, "2026-11")
    one = only(tmp_path)
    assert (one.usage, one.cost_micro_usd) == (Usage(input=90, output=10), 5)


async def test_hostile_text_and_numbers_are_bounded(ledger, tmp_path):
    call = model_call(
        model="m\x00\ud800" + "x" * 10_000,
        session="s\r\n" * 1000,
        tags=tuple((f"k{number}", "v" * 10_000) for number in range(1000)),
    )
    async with ledger.record(CI, call) as record:
        for number in range(1000):
            record.attempt(AttemptRecord("t" * 10_000, "error", 500, 1.0, f"\x00{number}" * 10_000))
        record.dropped = tuple("d" * 10_000 for _ in range(1000))
        record.settle(Usage(input=-5, output=10**30, cache_read=3), 10**40)
        record.failed("code", "first\nsecond\x00" + "z" * 100_000)
    one = only(tmp_path)
    assert one.model.startswith("m\ufffd\ufffdx")
    assert "\n" not in one.session
    assert one.error.startswith("first second\ufffd")
    assert (one.usage.input, one.usage.output, one.usage.cache_read) == (0, 2**31 - 1, 3)
    assert one.cost_micro_usd == 10**15
    assert len(json.encode(one)) < 100_000


async def test_a_call_that_cannot_be_written_down_is_not_made(ledger, tmp_path, monkeypatch):
    def full():
        raise Unavailable("overloaded", "full")

    monkeypatch.setattr(ledger._spool, "check", full)
    made = False
    with pytest.raises(Unavailable):
        async with ledger.record(CI, model_call()):
            made = True
    assert not made
    assert entries(tmp_path) == ([], [])


async def test_no_confirmation_no_call_but_still_an_entry(ledger, tmp_path, monkeypatch):
    async def refuse():
        raise Unavailable("overloaded", "the disk is gone")

    monkeypatch.setattr(ledger._spool, "confirm", refuse)
    with pytest.raises(Unavailable):
        async with ledger.record(CI, model_call()) as record:
            await record.reserve(Usage(input=1), 1)
            raise AssertionError("the call was made")
    assert (only(tmp_path).outcome, only(tmp_path).code) == ("refused", "overloaded")
