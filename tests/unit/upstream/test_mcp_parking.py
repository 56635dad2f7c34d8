"""Servers' questions: sessions of their own, calls that are parked, and what nobody may see of another's."""

import asyncio
import json

import pytest

from hub.core.principal import Principal
from hub.core.refusal import NotFound, Throttled, UpstreamFailed
from hub.upstream import CallerContext, Era, Resume, RpcReply
from tests.support.mcp_full_http import FullServer
from tests.support.mcp_pool import QUICK, call, pool, ready, text
from tests.support.mcp_upstreams import McpUpstream, stdio_command
from tests.support.upstream import until

pytestmark = pytest.mark.anyio
ABLE = b'{"elicitation":{"form":{}}}'
ANN, BEN = (Principal(f"key:{name}", "key") for name in ("ann", "ben"))


def modern(principal=ANN, **fields):
    return {"principal": principal, "capabilities": ABLE, "era": Era.MODERN, **fields}


def state_of(reply):
    asked = json.loads(reply.result)
    assert asked["resultType"] == "input_required"
    return asked["requestState"].removeprefix("parked:"), asked["inputRequests"]


def answers(*keys):
    return json.dumps({key: {"action": "accept", "content": {"username": "u", "email": "e"}} for key in keys}).encode()


async def test_a_parked_call_goes_on_for_its_own_caller_once(tmp_path):
    async with FullServer("2025") as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        first = await call(servers, "s", "test_elicitation", {"message": "?"}, **modern())
        identifier, asked = state_of(first)
        assert first.own
        (key,) = asked
        with pytest.raises(NotFound):
            await call(servers, "s", "test_elicitation", **modern(BEN, resume=Resume(identifier, answers(key))))
        again = await call(servers, "s", "test_elicitation", **modern(resume=Resume(identifier, answers("other"))))
        assert state_of(again) == (identifier, asked)  # what is missing is asked again
        done = await call(servers, "s", "test_elicitation", **modern(resume=Resume(identifier, answers(key))))
        assert '"username": "u"' in text(done)
        with pytest.raises(NotFound):
            await call(servers, "s", "test_elicitation", **modern(resume=Resume(identifier, answers(key))))


async def test_a_parked_call_that_nobody_comes_back_for_is_cancelled_at_its_server(tmp_path):
    pace = QUICK.__class__(**{**{f: getattr(QUICK, f) for f in QUICK.__slots__}, "park": 0.1})
    async with FullServer("2025") as server, pool(tmp_path, {"s": {"url": server.url}}, pace) as servers:
        await ready(servers, "s")
        await call(servers, "s", "test_elicitation", {"message": "?"}, **modern())
        await until(lambda: "test_elicitation" in server.core.cancelled, 5)


async def test_so_many_calls_of_one_caller_are_parked_and_others_are_not_in_the_way(tmp_path):
    pace = QUICK.__class__(**{**{f: getattr(QUICK, f) for f in QUICK.__slots__}, "parked": 1})
    async with FullServer("2025") as server, pool(tmp_path, {"s": {"url": server.url}}, pace) as servers:
        await ready(servers, "s")
        await call(servers, "s", "test_elicitation", {"message": "?"}, **modern())
        with pytest.raises(Throttled):
            await call(servers, "s", "test_elicitation", {"message": "?"}, **modern())
        state_of(await call(servers, "s", "test_elicitation", {"message": "?"}, **modern(BEN)))


async def test_two_callers_who_are_asked_at_once_are_asked_each_their_own(tmp_path):
    async def ask_of(name):
        async def ask(method, params):
            await asyncio.sleep(0)
            content = {"username": name, "email": json.loads(params)["message"]}
            return RpcReply(result=json.dumps({"action": "accept", "content": content}).encode())

        return ask

    specs = {"http": None, "stdio": {"command": stdio_command("2025")}}
    async with McpUpstream("2025") as server:
        specs["http"] = {"url": server.url}
        async with pool(tmp_path, specs) as servers:
            await ready(servers, *specs)

            async def one(kind, principal):
                ask = await ask_of(principal.id)
                reply = await call(
                    servers,
                    kind,
                    "ask",
                    {"question": f"for {principal.id}?"},
                    principal=principal,
                    capabilities=ABLE,
                    ask=ask,
                )
                content = json.loads(text(reply))["content"]
                assert content == {"username": principal.id, "email": f"for {principal.id}?"}

            await asyncio.gather(*(one(kind, who) for kind in specs for who in (ANN, BEN) for _ in range(4)))


async def test_no_clock_runs_while_a_caller_is_asked(tmp_path):
    async def ask(method, params):
        await asyncio.sleep(0.6)
        return RpcReply(result=b'{"action":"decline"}')

    spec = {"url": "", "timeouts": {"call": 0.4, "idle": 0.3, "first_byte": 0.3}}
    async with FullServer("2025") as server:
        spec["url"] = server.url
        async with pool(tmp_path, {"s": spec}) as servers:
            await ready(servers, "s")
            reply = await call(servers, "s", "test_elicitation", {"message": "?"}, capabilities=ABLE, ask=ask)
            assert "action=decline" in text(reply)
            with pytest.raises(UpstreamFailed) as late:
                await call(servers, "s", "wait", capabilities=ABLE, ask=ask)
            assert late.value.code == "upstream_timeout"


async def test_a_session_that_its_server_forgot_is_made_anew(tmp_path):
    async def ask(method, params):
        return RpcReply(result=b'{"action":"decline"}')

    async with FullServer("2025") as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        caller = {"principal": ANN, "capabilities": ABLE, "ask": ask}
        assert json.loads(text(await call(servers, "s", "capabilities", **caller))) == {"elicitation": {"form": {}}}
        server.sessions.clear()
        assert json.loads(text(await call(servers, "s", "capabilities", **caller))) == {"elicitation": {"form": {}}}


@pytest.mark.parametrize("capabilities", [b"{}", ABLE])
async def test_a_new_session_is_told_how_much_of_the_log_is_wanted(tmp_path, capabilities):
    async with FullServer("2025") as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        caller = {"principal": ANN, "capabilities": capabilities, "log_level": "warning"}
        for _ in range(2):
            await call(servers, "s", "test_simple_text", **caller)
        assert server.core.log_levels == ["warning"]
        server.sessions.clear()
        await call(servers, "s", "test_simple_text", **caller)
        assert server.core.log_levels == ["warning", "warning"]


async def test_a_question_that_its_server_takes_back_is_taken_back_from_the_caller(tmp_path):
    asked, taken_back = asyncio.Event(), asyncio.Event()

    async def impatient(core, caller, given):
        question = asyncio.ensure_future(caller._put("elicitation/create", {"message": "?", "requestedSchema": {}}))
        await asked.wait()
        caller.notify("notifications/cancelled", {"requestId": "q-1"})
        await taken_back.wait()
        question.cancel()
        return {"content": [{"type": "text", "text": "went on without"}]}

    async def ask(method, params):
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            taken_back.set()

    async with FullServer("2025") as server:
        server.core.tools["impatient"] = ({"name": "impatient", "inputSchema": {"type": "object"}}, impatient)
        async with pool(tmp_path, {"s": {"url": server.url}}) as servers:
            await ready(servers, "s")
            reply = await call(servers, "s", "impatient", principal=ANN, capabilities=ABLE, ask=ask, within=10)
            assert text(reply) == "went on without"


async def test_a_change_of_roots_is_told_to_the_sessions_of_its_own_client(tmp_path):
    async def ask(method, params):
        return RpcReply(result=b'{"roots":[]}')

    changed = "notifications/roots/list_changed"
    async with FullServer("2025") as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        for principal, session in ((ANN, "one"), (ANN, "two"), (BEN, "one")):
            able = {"capabilities": b'{"roots":{"listChanged":true}}', "ask": ask, "session": session}
            await call(servers, "s", "test_simple_text", principal=principal, **able)
        servers.tell(ANN.id, "one", json.dumps({"jsonrpc": "2.0", "method": changed}).encode())
        await until(lambda: any(method == changed for method, _ in server.requests))
        (told,) = [headers["mcp-session-id"] for method, headers in server.requests if method == changed]
        first = next(headers["mcp-session-id"] for method, headers in server.requests if method == "tools/call")
        assert told == first


async def test_a_process_that_nobody_calls_is_stopped_and_started_again_by_a_call(tmp_path):
    async with pool(tmp_path, {"s": {"command": stdio_command("2026"), "idle_stop": 1}}) as servers:
        await ready(servers, "s")
        before = servers.status("s").pid
        await until(lambda: servers.status("s").pid is None, 10)
        assert str(servers.definitions("s").state) == "ready"  # it is well, it only rests
        assert text(await call(servers, "s", "echo", {"text": "hi"})) == "hi"
        assert servers.status("s").pid not in (None, before)


async def test_a_process_that_starts_too_many_others_is_ended(tmp_path):
    pace = QUICK.__class__(**{**{f: getattr(QUICK, f) for f in QUICK.__slots__}, "inspect": 0.05})
    spec = {"command": stdio_command("2026", "--fork"), "processes": 1}
    async with pool(tmp_path, {"s": spec}, pace) as servers:
        await until(lambda: "started more than 1 processes" in servers.status("s").last_error, 15)


async def test_what_a_server_shows_only_to_able_clients_is_listed_too(tmp_path):
    async with FullServer("2025") as server:
        answer = server.core.answer

        async def shy(caller):
            result = await answer(caller)
            if caller.method == "tools/list" and "sampling" not in caller.capabilities:
                result = {**result, "tools": [one for one in result["tools"] if one["name"] != "test_sampling"]}
            return result

        server.core.answer = shy
        async with pool(tmp_path, {"s": {"url": server.url}}) as servers:
            await ready(servers, "s")
            await until(lambda: "test_sampling" in {tool.name for tool in servers.definitions("s").tools}, 10)
            assert not servers.definitions("s").plain


def test_a_context_without_anything_cannot_be_asked():
    assert CallerContext().ask is None
