"""What a client takes as an answer: JSON, a stream, either, or nothing that there is."""

import json

import pytest

from hub.edge.mcp.accept import Accepted, accepted
from tests.support.mcp_desk import Desk, events_in, plain

pytestmark = pytest.mark.anyio
JSON, STREAM, BOTH, NEITHER = (True, False), (False, True), (True, True), (False, False)
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture
def desk():
    return Desk()


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("application/json, text/event-stream", BOTH),
        ("text/event-stream,application/json;q=0.1", BOTH),
        ("APPLICATION/JSON ; charset=utf-8 , Text/Event-Stream", BOTH),
        ("", BOTH),
        ("  ", BOTH),
        ("*/*", BOTH),
        ("text/html, */*;q=0.8", BOTH),
        ("application/json", JSON),
        ("application/*", JSON),
        ("application/json, text/event-stream;q=0", JSON),
        ("application/json, text/event-stream; Q=0.000", JSON),
        ("text/event-stream", STREAM),
        ("text/*", STREAM),
        ("text/event-stream;q=0.001", STREAM),
        ("text/html", NEITHER),
        ("application/json-seq, text/event-streams", NEITHER),
        ("*/*;q=0", NEITHER),
        (",;,=", NEITHER),
        ("ÿ", NEITHER),
    ],
)
def test_a_header_says_what_is_taken(header, takes):
    assert accepted(header.encode("latin-1")) == Accepted(*takes)


async def test_who_takes_streams_alone_gets_a_stream_of_one_message_in_either_era(desk):
    for answer in (
        await desk.modern(
            "tools/call", {"name": "alpha__echo", "arguments": {"text": "x"}}, accept="text/event-stream"
        ),
        await desk.legacy("tools/list", session=await desk.open(), accept="text/event-stream"),
        await desk.legacy("tools/call", {"name": "none"}, session=await desk.open(), accept="text/event-stream"),
    ):
        (message,) = answer.events
        assert (answer.status, message["id"]) == (200, 1)
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    opened = await desk.legacy("initialize", params, accept="text/event-stream")
    assert opened.events[0]["result"]["serverInfo"]["name"] == "demo"
    assert (await desk.legacy("ping", session=opened.headers["mcp-session-id"])).result == {}


async def test_an_error_with_a_status_of_its_own_is_json_whatever_is_taken(desk):
    answer = await desk.modern("no/such", accept="text/event-stream")
    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
    assert answer.error["code"] == -32601


@pytest.mark.parametrize("accept", ["text/html", "image/png, application/xml", "*/*;q=0"])
async def test_who_takes_neither_is_told_what_there_is(desk, accept):
    session = await desk.open()
    for answer in (
        await desk.modern("tools/list", accept=accept),
        await desk.legacy("tools/list", session=session, accept=accept),
        await desk.ask(json.dumps([PING]).encode(), headers=plain(session=session, headers={"accept": accept})),
    ):
        assert (answer.status, answer.error["code"]) == (406, -32600)
        assert "text/event-stream" in answer.error["message"]
    assert desk.servers.requests == []
    said = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    told = await desk.ask(json.dumps(said).encode(), headers=plain(session=session, headers={"accept": accept}))
    assert told.status == 202  # nothing is answered, so nothing has to be taken


@pytest.mark.parametrize("accept", ["*/*", None, "text/*"])
async def test_streams_are_for_whoever_takes_them_by_any_words(desk, accept):
    body, method, path, headers = desk.modern_request(
        "subscriptions/listen", {"notifications": {}}, headers={"accept": accept}
    )
    async with desk.talk(body, method, path, headers) as talk:
        assert (await talk.head())[0] == 200
    headers = plain(session=await desk.open(), headers={"accept": accept})
    async with desk.talk(method="GET", headers=headers) as talk:
        assert (await talk.head())[1]["content-type"] == "text/event-stream"


async def test_a_session_has_no_stream_for_who_takes_none(desk):
    headers = plain(session=await desk.open(), headers={"accept": "application/json"})
    assert (await desk.ask(method="GET", headers=headers)).status == 406


async def test_two_headers_are_one(desk):
    pairs = [("accept", "application/json"), ("accept", "text/event-stream"), *plain(headers={"accept": None})]
    body, method, path, _ = desk.modern_request("subscriptions/listen", {"notifications": {}})
    routing = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "subscriptions/listen")]
    async with desk.talk(body, method, path, [*pairs, *routing]) as talk:
        assert (await talk.head())[0] == 200
        assert events_in(await talk.chunk())[0]["method"] == "notifications/subscriptions/acknowledged"
