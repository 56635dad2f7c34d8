"""Every failure class against a scriptable upstream: what is tried again, where, what rests, and what the caller gets."""

import asyncio
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from msgspec.structs import replace

from hub.core.calls import Arrival, Dialect
from hub.core.health import Circuit
from hub.core.refusal import UpstreamFailed
from tests.support import upstream as up
from tests.support.sending import Kept, call, deployment, plan, send, sender

pytestmark = pytest.mark.anyio

BROKEN = {
    "503": (up.openai_error(503), "overloaded"),
    "529": (up.openai_error(529), "overloaded"),
    "500": (up.openai_error(500), "down"),
    "429": (up.openai_error(429, retry_after=7), "key_throttled"),
    "401": (up.openai_error(401), "key_dead"),
    "402": (up.openai_error(402), "key_dead"),
    "reset at the first byte": (up.chat("x").cut_head(0, up.RESET), "upstream_error"),
    "closed within the head": (up.chat("x").cut_head(20, up.CLOSE), "upstream_protocol"),
    "reset within the body": (up.chat("hello").cut(40, up.RESET), "upstream_protocol"),
    "shorter than it says": (up.chat("hello").declaring(5), "upstream_protocol"),
    "garbage status": (up.garbage_status(), "upstream_protocol"),
    "two framings": (up.length_and_chunked(), "upstream_protocol"),
    "bad chunk": (up.bad_chunk_size(), "upstream_protocol"),
    "a page of HTML": (up.html_200(), "upstream_protocol"),
    "plain text": (up.text_200(), "upstream_protocol"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_another_target_answers_when_one_is_broken(name):
    script, outcome = BROKEN[name]
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = script
        second.default = up.chat("from the other one")
        planned = plan(deployment(first.url, "a"), deployment(second.url, "b"), same_target=0)
        status, body, record, headers = await send(models, planned)
        assert status == 200
        assert b"from the other one" in body
        assert [target for target, _ in record.tried] == ["a/m", "b/m"]
        assert record.tried[0][1] in (outcome, "upstream_error")
        assert (headers["x-hub-model"], headers["x-hub-attempts"]) == ("b/m", "2")


async def test_a_refused_connection_fails_over_at_once():
    with up.refused() as nowhere:
        async with up.Upstream() as second, sender() as models:
            status, _, record, _ = await send(models, plan(deployment(nowhere), deployment(second.url, "b")))
            assert (status, record.tried) == (200, [("a/m", "upstream_error"), ("b/m", "ok")])


async def test_a_hanging_target_is_left_at_its_first_byte_limit():
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = up.hang()
        slow = deployment(first.url)
        slow = dataclasses.replace(slow, timeouts=replace(slow.timeouts, first_byte=0.1))
        status, _, record, _ = await send(models, plan(slow, deployment(second.url, "b")))
        assert (status, record.tried) == (200, [("a/m", "upstream_timeout"), ("b/m", "ok")])


@pytest.mark.parametrize(
    "spoiled",
    [
        up.chat("hello").cut(0, up.RESET),
        up.chat("hello").cut(10, up.RESET),  # within the first event
        up.chat("hello").truncated(10),
        up.raw_reply(b"nonsense\n\nmore\n\n", content_type="text/event-stream"),
        up.sse([b'data: {"error":{"message":"Overloaded","type":"overloaded_error"}}\n\n']),
        up.html_200(),
    ],
)
async def test_a_stream_that_breaks_before_its_first_event_is_another_targets(spoiled):
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = spoiled
        second.default = up.chat("clean")
        planned = plan(deployment(first.url), deployment(second.url, "b"))
        status, body, record, _ = await send(models, planned, call(stream=True))
        assert status == 200
        assert body.endswith(b"data: [DONE]\n\n")
        assert b"error" not in body
        assert record.target == "b/m"
        assert record.failure is None


async def test_a_stream_that_breaks_after_its_first_event_is_never_another_targets():
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = up.chat("a long answer that is cut").cut(300, up.RESET)
        planned = plan(deployment(first.url), deployment(second.url, "b"))
        _, body, record, _ = await send(models, planned, call(stream=True))
        assert b'"error"' in body
        assert b"[DONE]" not in body
        assert record.target == "a/m"
        assert not second.requests


async def test_the_callers_own_fault_is_passed_on_and_nothing_rests():
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = up.openai_error(400, "temperature is too high", "invalid_value")
        target = deployment(first.url)
        for _ in range(12):
            status, body, record, _ = await send(models, plan(target, deployment(second.url, "b")))
            assert (status, record.tried) == (400, [("a/m", "caller")])
            assert b"temperature is too high" in body
        assert not second.requests
        assert models.health.of(target).circuit is Circuit.CLOSED


async def test_a_prompt_that_is_too_long_goes_to_a_larger_window_only():
    too_long = up.openai_error(400, "This model's maximum context length is 8192 tokens", "context_length_exceeded")
    async with up.Upstream() as small, up.Upstream() as same, up.Upstream() as large, sender() as models:
        small.default = too_long
        planned = plan(
            deployment(small.url, "small", context_window=8192),
            deployment(same.url, "same", context_window=8192),
            deployment(large.url, "large", context_window=100_000),
        )
        status, _, record, _ = await send(models, planned)
        assert (status, record.tried) == (200, [("small/m", "context_window"), ("large/m", "ok")])
        assert not same.requests
        status, _, record, _ = await send(models, plan(planned.attempts[0]))
        assert (status, record.tried) == (400, [("small/m", "context_window")])


async def test_a_refused_content_moves_on_only_where_the_route_says_so():
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = up.openai_error(400, "filtered", "content_policy_violation")
        targets = deployment(first.url), deployment(second.url, "b")
        status, _, record, _ = await send(models, plan(*targets))
        assert (status, record.tried) == (400, [("a/m", "content_policy")])
        status, _, record, _ = await send(models, plan(*targets, content_policy=True))
        assert (status, record.target) == (200, "b/m")


async def test_a_refused_credential_of_the_hub_is_not_told_as_the_callers():
    async with up.Upstream() as only, sender() as models:
        only.default = up.openai_error(401, "Incorrect API key provided: sk-1234")
        with pytest.raises(UpstreamFailed) as caught:
            await send(models, plan(deployment(only.url, secret="env:KEY")))
        assert caught.value.status == 502
        assert "sk-1234" not in caught.value.message
        own = replace(call(), credential=("authorization", "Bearer sk-own"))
        status, body, _, _ = await send(models, plan(deployment(only.url, own="caller")), own)
        assert status == 401
        assert b"Incorrect" in body


async def test_credentials_rotate_within_a_target_before_another_is_asked():
    async with up.Upstream() as only, up.Upstream() as other, sender() as models:
        target = deployment(only.url, secret="env:ONE", spares=("env:TWO", "env:THREE"))

        def by_key(received):
            good = received.headers["authorization"] == "Bearer THREE"
            return up.chat("ok") if good else up.openai_error(429, retry_after=30)

        only.default = by_key
        status, _, record, _ = await send(models, plan(target, deployment(other.url, "b")))
        assert status == 200
        assert {target for target, _ in record.tried} == {"a/m"}
        asked = [received.headers["authorization"] for received in only.requests]
        assert asked[-1] == "Bearer THREE"
        for _ in range(6):  # what rests is not asked again
            _, _, record, _ = await send(models, plan(target))
            assert record.tried == [("a/m", "ok")]
        assert not other.requests
        assert models.health.of(target).rests == 0.0


async def test_a_dead_credential_is_dead_at_every_target_of_it():
    async with up.Upstream() as only, sender() as models:
        only.default = lambda got: (
            up.chat("ok") if got.headers["authorization"] == "Bearer TWO" else up.openai_error(401)
        )
        first = deployment(only.url, secret="env:ONE", spares=("env:TWO",))
        second = dataclasses.replace(first, model="other")
        for target in (first, first, second, second, first, second):
            status, _, _, _ = await send(models, plan(target))
            assert status == 200
        assert [got.headers["authorization"] for got in only.requests].count("Bearer ONE") <= 1


async def test_a_credential_that_cannot_be_had_is_another_ones_turn():
    async with up.Upstream() as only, sender() as models:
        target = deployment(only.url, secret="env:MISSING", spares=("env:TWO",))
        for _ in range(3):
            status, _, _, _ = await send(models, plan(target))
            assert status == 200
        with pytest.raises(UpstreamFailed, match="MISSING"):
            await send(models, plan(deployment(only.url, "c", secret="env:MISSING")))


def _date(seconds):
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"retry-after": "7"}, 6, 7),
        ({"retry-after": "0.5"}, 0.1, 0.5),
        ({"retry-after-ms": "2500"}, 2, 2.5),
        ({"x-ms-retry-after-ms": "4000"}, 3.5, 4),
        ({"retry-after": "DATE"}, 15, 20),
        ({"retry-after": "864000"}, 59, 60),  # ten days are not believed
        ({"retry-after": "-1"}, 1, 2),  # nonsense is as if it said nothing
        ({}, 1, 2),
    ],
)
async def test_retry_after_in_every_form_is_how_long_a_throttled_credential_rests(headers, least, most):
    headers = {name: _date(20) if value == "DATE" else value for name, value in headers.items()}
    async with up.Upstream() as only, sender() as models:
        only.default = up.openai_error(429).headed(headers)
        target = deployment(only.url, secret="env:ONE")
        status, _, _, said = await send(models, plan(target))
        assert status == 429
        assert least <= models.health.of(target).rests <= most
        if "retry-after" in said:
            assert 0 <= int(said["retry-after"]) <= 60


async def test_an_overloaded_target_is_tried_again_after_a_wait():
    async with up.Upstream() as only, sender() as models:
        only.enqueue(up.openai_error(503), up.chat("second"))
        status, body, record, headers = await send(models, plan(deployment(only.url)))
        assert (status, record.tried) == (200, [("a/m", "overloaded"), ("a/m", "ok")])
        assert b"second" in body
        assert headers["x-hub-attempts"] == "2"


async def test_a_wait_that_is_longer_than_the_time_left_is_not_waited():
    async with up.Upstream() as only, sender() as models:
        only.default = up.openai_error(503, retry_after=30)
        status, _, record, headers = await send(models, plan(deployment(only.url)))
        assert (status, record.tried) == (503, [("a/m", "overloaded")])
        assert headers["retry-after"] == "30"


async def test_no_further_try_begins_after_the_caller_has_stopped_waiting():
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = up.openai_error(503).delayed(0.3)
        impatient = replace(call(), arrival=Arrival(headers=[(b"x-stainless-timeout", b"0.1")]))
        status, _, record, _ = await send(models, plan(deployment(first.url), deployment(second.url, "b")), impatient)
        assert (status, record.tried) == (503, [("a/m", "overloaded")])
        assert not second.requests


async def test_a_route_chooses_the_statuses_that_lead_on():
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = up.openai_error(404)
        targets = deployment(first.url), deployment(second.url, "b")
        status, _, record, _ = await send(models, plan(*targets, statuses=frozenset({404}), same_target=0))
        assert (status, record.target) == (200, "b/m")
        first.default = up.openai_error(503)
        status, _, _, _ = await send(models, plan(*targets, statuses=frozenset({404})))
        assert status == 503


async def test_a_storm_is_not_answered_by_a_storm():
    async with up.Upstream() as only, sender() as models:
        only.default = up.openai_error(503)
        for _ in range(40):
            status, _, _, _ = await send(models, plan(deployment(only.url)))
            assert status == 503
        assert len(only.requests) <= 48  # a fifth more at most
        assert models.health.of(deployment(only.url)).circuit is not Circuit.CLOSED


async def test_when_nobody_answers_the_caller_is_told_what_was_tried():
    with up.refused() as nowhere:
        async with sender() as models:
            with pytest.raises(UpstreamFailed) as caught:
                await send(models, plan(deployment(nowhere, "a"), deployment(nowhere, "b")))
            assert caught.value.status == 502
            assert "a/m" in caught.value.message
            assert "b/m" in caught.value.message
            assert "127.0.0.1" not in caught.value.message
            assert caught.value.headers["x-hub-attempts"] == "2"


async def test_no_more_tries_than_the_route_allows():
    async with up.Upstream() as only, sender() as models:
        only.default = up.openai_error(500)
        targets = [deployment(only.url, name) for name in "abcdef"]
        _, _, record, _ = await send(models, plan(*targets, same_target=0))
        assert len(record.tried) == 3
        _, _, record, _ = await send(models, plan(*targets, same_target=0, tries=5))
        assert len(record.tried) == 5


async def test_a_caller_who_leaves_says_nothing_about_the_target():
    async with up.Upstream() as only, sender() as models:
        only.default = up.hang()
        target = deployment(only.url)
        for _ in range(6):
            running = asyncio.ensure_future(send(models, plan(target)))
            await only.request(len(only.requests))
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        assert models.health.of(target).circuit is Circuit.CLOSED
        assert models.health.of(target).in_flight == 0


async def test_a_short_stream_is_whole_once_it_was_taken_and_passed_once_more_is_wanted():
    async with up.Upstream() as only, sender() as models:
        only.default = up.chat("hi").rechunked(1 << 20)
        delivery = await models.send(plan(deployment(only.url)), call(stream=True), Kept())
        assert (delivery.complete, delivery.passed) == (False, False)
        assert b"[DONE]" in await anext(delivery.reply.chunks)
        assert (delivery.complete, delivery.passed) == (True, False)
        with pytest.raises(StopAsyncIteration):
            await anext(delivery.reply.chunks)
        assert delivery.passed
        delivery.close()


async def test_a_gzip_bomb_and_a_giant_event_are_refused():
    async with up.Upstream() as only, sender() as models:
        only.default = up.gzip_bomb(2)
        with pytest.raises(UpstreamFailed):
            await send(models, plan(deployment(only.url)))
        only.default = up.giant_event(40_000_000)
        with pytest.raises(UpstreamFailed) as caught:
            await send(models, plan(deployment(only.url)), call(stream=True))
        assert caught.value.code == "upstream_protocol"


async def test_a_body_with_the_reason_of_another_dialect_is_understood():
    async with up.Upstream() as only, sender() as models:
        only.default = up.json_reply(
            {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 9 > 8"}}, 400
        )
        status, body, record, _ = await send(models, plan(deployment(only.url)))
        assert (status, record.tried) == (400, [("a/m", "context_window")])
        assert json.loads(body)["error"]["message"].startswith("prompt is too long")


@pytest.mark.parametrize("script", [up.chat("hi"), up.openai_error(400, "temperature is too high")])
@pytest.mark.parametrize("stream", [False, True])
async def test_the_providers_own_id_of_a_request_goes_on_beside_the_hubs(script, stream):
    async with up.Upstream() as only, sender() as models:
        for name in ("request-id", "x-request-id"):
            only.default = script.headed({name: "req_vendor"})
            _, _, _, headers = await send(models, plan(deployment(only.url)), call(stream=stream))
            assert headers["x-upstream-request-id"] == "req_vendor"
            assert name not in headers


async def test_what_a_provider_says_is_left_of_its_limits_is_known_of_the_target():
    async with up.Upstream() as upstream, sender() as models:
        target = deployment(upstream.url)
        upstream.default = up.chat("hi").headed(
            {"x-ratelimit-remaining-requests": "5", "x-ratelimit-limit-requests": "100"}
        )
        await send(models, plan(target))
        assert models.health.of(target).room == 0.05
        upstream.default = up.openai_error(429).headed(
            {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-limit-tokens": "9"}
        )
        await send(models, plan(target))
        assert models.health.of(target).room == 0.0


@pytest.mark.parametrize(
    ("said", "status", "outcome"),
    [
        ({"error": {"code": 429, "message": "Rate limit exceeded"}}, 429, "key_throttled"),
        ({"error": {"code": 400, "message": "temperature is too high"}}, 400, "caller"),
        ({"error": {"code": 401, "message": "no such key"}}, 502, "key_dead"),
        ({"error": {"message": "boom"}}, 502, "overloaded"),
        ({"error": "boom"}, 502, "overloaded"),
        ({"success": False, "errors": [{"message": "boom"}]}, 502, "overloaded"),
        ({}, 502, "upstream_protocol"),
        (b'{"a": "\xff"}', 502, "upstream_protocol"),
    ],
)
@pytest.mark.parametrize("dialect", [Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES])
async def test_an_error_that_comes_as_a_success_is_an_error(dialect, said, status, outcome):
    paths = {Dialect.OPENAI_CHAT: "/chat/completions"}  # Messages are translated to it
    async with up.Upstream() as first, up.Upstream() as second, sender() as models:
        first.default = up.raw_reply(said) if isinstance(said, bytes) else up.json_reply(said)
        second.default = up.chat("from the other one")
        broken, other = (
            dataclasses.replace(deployment(one.url, name), paths=paths) for one, name in ((first, "a"), (second, "b"))
        )
        asked = call(dialect=dialect, max_tokens=9)
        with pytest.raises(UpstreamFailed) as caught:
            await send(models, plan(broken, same_target=0), asked)
        assert caught.value.status == status
        if status == 400:
            return
        got, body, record, _ = await send(models, plan(broken, other, same_target=0), asked)
        assert (got, b"from the other one" in body) == (200, True)
        assert record.tried == [("a/m", outcome), ("b/m", "ok")]


@pytest.mark.parametrize(
    ("body", "media", "message"),
    [
        (b"<html>Bad gateway</html>", "text/html", "did not say why"),
        (b"slow down, please", "text/plain", "slow down, please"),
        (b"", "text/plain", "did not say why"),
    ],
)
async def test_an_error_that_is_no_json_is_told_in_the_callers_dialect(body, media, message):
    async with up.Upstream() as upstream, sender() as models:
        upstream.default = up.raw_reply(body, status=429, content_type=media)
        for dialect in (Dialect.OPENAI_CHAT, Dialect.ANTHROPIC_MESSAGES):
            status, told, _, headers = await send(models, plan(deployment(upstream.url)), call(dialect=dialect))
            assert (status, headers["content-type"]) == (429, "application/json")
            error = json.loads(told)
            assert message in error["error"]["message"]
            assert error.get("type") == ("error" if dialect is Dialect.ANTHROPIC_MESSAGES else None)


@pytest.mark.parametrize("spoken", [Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC_MESSAGES])
async def test_a_response_that_breaks_off_fails_as_the_one_that_began(spoken):
    """Its id stays, and the numbers of its events go on, in either lane."""
    made = {Dialect.OPENAI_RESPONSES: up.responses, Dialect.ANTHROPIC_MESSAGES: up.messages}[spoken]
    async with up.Upstream() as only, sender() as models:
        only.default = made("a long answer that is cut in the end, and is not told to anybody").without_end()
        target = dataclasses.replace(deployment(only.url), paths={spoken: "/x"})
        asked = call(stream=True, dialect=Dialect.OPENAI_RESPONSES, input="hi", store=False)
        _, body, _, _ = await send(models, plan(target), asked)
        events = [json.loads(line[6:]) for line in body.decode().split("\n") if line.startswith("data: ")]
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert [event["type"] for event in events[-2:]] == ["error", "response.failed"]
        assert events[-1]["response"]["id"] == events[0]["response"]["id"]
        assert b"response.completed" not in body
