"""What servers say of themselves and of their definitions: sound, bounded, and never in another's way."""

import json

import pytest
from msgspec import Raw

from hub.profile.results import fitted
from hub.tool_modes import _value
from hub.upstream import CallerContext, RpcReply
from hub.upstream.mcp.capabilities import handshake_form
from hub.upstream.mcp.completions import COMPLETE, MOST, Completions
from hub.upstream.mcp.definitions import MOST_DEPTH, checked
from hub.upstream.mcp.greeting import MOST_SAID, greet
from hub.upstream.mcp.lines import Allowance, Events
from hub.upstream.mcp.listing import MOST_BYTES, ListRefused, list_all
from hub.upstream.mcp.waiters import Waiters

pytestmark = pytest.mark.anyio
UNSOUND = [b'{"a":1e400}', b"5", b'"x"', b'{"a":' + b"[" * 40 + b"]" * 40 + b"}", b'{"a":"' + b"x" * MOST_SAID + b'"}']


@pytest.mark.parametrize("said", UNSOUND, ids=lambda one: repr(one[:12]))
@pytest.mark.parametrize("era", ["old", "new"])
async def test_what_a_server_says_of_itself_can_be_shown_or_is_nothing(said, era):
    old = b'{"protocolVersion":"2025-11-25","capabilities":%b,"serverInfo":%b}' % (said, said)
    new = b'{"supportedVersions":["2026-07-28"],"capabilities":%b,"_meta":{"io.modelcontextprotocol/serverInfo":%b}}'
    answers = {"initialize": old} if era == "old" else {"server/discover": new % (said, said)}

    async def ask(method, params, speech):
        known = method in answers
        return RpcReply(result=answers[method]) if known else RpcReply(error=b'{"code":-32601,"message":"no"}')

    greeting = await greet(ask, 5)
    assert (greeting.server_info, greeting.capabilities) == (b"{}", b"{}")


@pytest.mark.parametrize(
    "odd", [b"1e400", b"9" * 5000, b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1)], ids=lambda one: repr(one[:6])
)
def test_a_definition_that_nobody_can_decode_is_left_out_and_hides_no_other(odd):
    tools = [Raw(b'{"name":"%b","inputSchema":{},"x":%b}' % one) for one in ((b"bad", odd), (b"good", b"1"))]
    prompts = [Raw(b'{"name":"%b","x":%b}' % one) for one in ((b"bad", odd), (b"good", b"1"))]
    resources = [Raw(b'{"uri":"a:%b","x":%b}' % one) for one in ((b"bad", odd), (b"good", b"1"))]
    found = checked(tools, prompts, resources)
    assert [one.name for one in (*found.tools, *found.prompts)] == ["good", "good"]
    assert [one.uri for one in found.resources] == ["a:good"]
    assert [name for name, _ in found.rejected] == ["bad", "bad", "a:bad"]


async def test_a_list_has_a_bound_over_all_its_pages():
    page = json.dumps({"tools": [{"name": "t", "x": "y" * (MOST_BYTES // 3)}], "nextCursor": "%d"})
    numbers = iter(range(100))

    async def ask(method, params):
        return RpcReply(result=(page % next(numbers)).encode())

    with pytest.raises(ListRefused, match="MiB"):
        await list_all(ask, lambda kind: False)
    assert next(numbers) == 3


def test_what_a_client_declares_and_nobody_can_decode_is_nothing():
    assert handshake_form(b'{"sampling":{"x":1e400}}') == b"{}"


@pytest.mark.parametrize("odd", [b"1e400", b"[" * 900 + b"]" * 900])
def test_a_result_that_holds_what_nobody_can_decode_is_shortened_and_used_all_the_same(odd):
    content = b'{"content":[{"type":"text","text":"%b"},{"type":%b,"text":%b}]}' % (b"long " * 200, odd, odd)
    kept = []
    assert len(fitted(content, 300, lambda text: kept.append(text) or "k", has_schema=False)) < 1500
    assert kept
    assert _value(RpcReply(result=b'{"content":[{"type":"text","text":"x"}],"structuredContent":7}')) == (b"7", "")
    assert _value(RpcReply(result=b'{"content":[{"x":1e400}]}')) == (b'""', "")
    assert _value(RpcReply(error=b'{"code":1e400}'))[1]


def test_so_many_in_any_second_and_then_a_rest():
    allowance = Allowance(10)
    assert [allowance.spend(5, 100.0), allowance.spend(5, 100.5)] == [0.0, 0.0]
    assert allowance.spend(1, 100.75) == 0.25
    assert allowance.spend(10, 101.0) == 0.0


def test_lines_without_data_are_counted_and_small_ones_have_their_weight():
    events = Events(1 << 20)
    events.feed(b"\n" * 30_000)
    assert events.rest(100.0) > 0
    assert events.rest(102.0) == 0
    with pytest.raises(Exception, match="MiB"):
        events.feed(b"data:\n" * 30_000)


def test_whoever_was_sent_to_a_page_hears_of_its_end_once():
    told = []
    completions = Completions()
    caller = CallerContext(later=lambda method, params: told.append((method, json.loads(params)["elicitationId"])))
    pages = [{"elicitationId": name, "mode": "url", "url": "https://x"} for name in ("a", "b")]
    completions.refused(json.dumps({"code": -32042, "message": "", "data": {"elicitations": pages}}).encode(), caller)
    completions.asked(b'{"mode":"url","elicitationId":"c"}', caller.later)
    completions.asked(b'{"elicitationId":"a form has none"}', caller.later)
    for params in (
        b'{"elicitationId":"b"}',
        b'{"elicitationId":"b"}',
        b'{"elicitationId":7}',
        b"[]",
        b"",
        b'{"elicitationId":"z"}',
    ):
        completions.ended(params)
    assert told == [(COMPLETE, "b")]
    completions.end_all()
    assert [name for _, name in told] == ["b", "a", "c"]
    for number in range(MOST + 5):
        completions.expect(str(number), caller.later)
    told.clear()
    completions.end_all()
    assert len(told) == MOST


def test_errors_that_want_no_page_and_callers_who_cannot_be_told_are_passed_over():
    completions = Completions()
    for error in (
        b"null",
        b'{"code":-32042}',
        b'{"code":-32042,"data":{"elicitations":5}}',
        b'{"code":1,"message":"-32042"}',
    ):
        completions.refused(error, CallerContext(later=lambda *_: pytest.fail("nobody was sent anywhere")))
    completions.asked(b'{"mode":"url","elicitationId":"c"}', None)
    completions.end_all()


async def test_those_who_wait_get_what_comes_or_are_told_that_it_does_not():
    waiters = Waiters()
    with pytest.raises(TimeoutError):
        await waiters.wait(0)
    waiters.give("nobody waits any more")
