"""The 2026-07-28 wire: every rule that a client's request is held to, and what every answer carries."""

import base64
import json

import pytest

from tests.support.mcp_desk import KEY, META, MODERN, Desk, plain

pytestmark = pytest.mark.anyio
SUPPORTED = ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"]


@pytest.fixture
def desk():
    return Desk()


async def test_discover_says_everything_a_client_needs(desk):
    answer = await desk.modern("server/discover", id_="server-discover-probe-1")
    assert answer.status == 200
    assert answer.json["id"] == "server-discover-probe-1"
    assert "mcp-session-id" not in answer.headers
    assert answer.headers["content-type"] == "application/json"
    result = answer.result
    assert result["supportedVersions"] == SUPPORTED
    assert result["capabilities"] == {"tools": {"listChanged": True}}
    assert (result["resultType"], result["cacheScope"]) == ("complete", "private")
    assert 0 <= result["ttlMs"] <= 5000
    assert result["_meta"][f"{META}serverInfo"]["name"] == "demo"
    assert result["instructions"].startswith("Be brief.")


async def test_every_result_is_complete_and_names_the_hub(desk):
    for method, params in (("server/discover", {}), ("tools/list", {}), ("tools/call", {"name": "alpha__echo"})):
        result = (await desk.modern(method, params)).result
        assert result["resultType"] == "complete", method
        assert result["_meta"][f"{META}serverInfo"]["name"] == "demo", method


async def test_a_list_is_private_and_short_lived(desk):
    result = (await desk.modern("tools/list")).result
    assert [tool["name"] for tool in result["tools"]] == ["alpha__add", "alpha__echo", "beta__echo"]
    assert (result["cacheScope"], 0 <= result["ttlMs"] <= 5000) == ("private", True)
    assert "nextCursor" not in result


@pytest.mark.parametrize(
    "headers",
    [
        {"mcp_protocol_version": None},
        {"mcp_protocol_version": "2025-11-25"},
        {"mcp_method": None},
        {"mcp_method": "tools/list"},
        {"mcp_name": None},
        {"mcp_name": "beta__echo"},
        {"mcp_name": "=?base64?!!!?="},
        {"mcp_name": "=?base64?/w==?="},
        {"mcp_name": "=?base64?YWxwaGFfX2VjaG9=?="},  # not the canonical form
    ],
    ids=str,
)
async def test_a_header_that_is_missing_or_different_is_a_mismatch(desk, headers):
    answer = await desk.modern("tools/call", {"name": "alpha__echo"}, id_=7, **headers)
    assert answer.fault == (400, -32020, 7)
    assert not desk.servers.requests


async def test_a_modern_body_without_any_routing_header_is_told_so_and_gets_no_session(desk):
    """A client behind a proxy that drops headers must not take this for an old server."""
    body, method, path, _ = desk.modern_request("tools/list", id_=3)
    for session in (None, "unknown"):
        answer = await desk.ask(body, method, path, plain(KEY, session))
        assert answer.fault == (400, -32020, 3)
        assert "mcp-session-id" not in answer.headers


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name"])
async def test_a_routing_header_that_comes_twice_is_refused(desk, name):
    body, method, path, headers = desk.modern_request("tools/call", {"name": "alpha__echo"}, id_=9)
    twice = next(pair for pair in headers if pair[0] == name)
    assert (await desk.ask(body, method, path, [*headers, twice])).fault == (400, -32020, 9)


async def test_a_name_that_no_header_can_hold_comes_encoded(desk):
    desk.offer("alpha", desk.servers.offered["alpha"])
    for name in ("größe", " echo", "=?base64?x?="):
        encoded = f"=?base64?{base64.b64encode(name.encode()).decode()}?="
        answer = await desk.modern("tools/call", {"name": name}, mcp_name=encoded)
        assert answer.fault == (400, -32602, 1)  # the header is right; there is no such tool
    encoded = f"=?base64?{base64.b64encode(b'alpha__echo').decode()}?="
    assert (await desk.modern("tools/call", {"name": "alpha__echo"}, mcp_name=encoded)).status == 200


@pytest.mark.parametrize("lacking", ["protocolVersion", "clientCapabilities"])
async def test_a_request_that_does_not_describe_itself_is_invalid(desk, lacking):
    body, method, path, headers = desk.modern_request("tools/list", id_=4)
    message = json.loads(body)
    del message["params"]["_meta"][f"{META}{lacking}"]
    assert (await desk.ask(json.dumps(message).encode(), method, path, headers)).fault == (400, -32602, 4)


@pytest.mark.parametrize("params", [{}, {"_meta": {}}, {"_meta": None}, {"_meta": 5}, None], ids=str)
@pytest.mark.parametrize("session", [None, "unknown"])
async def test_a_modern_header_over_a_body_without_meta_is_invalid_params(desk, params, session):
    message = {"jsonrpc": "2.0", "id": 5, "method": "tools/list"} | ({} if params is None else {"params": params})
    headers = plain(KEY, session, {"mcp_protocol_version": MODERN, "mcp_method": "tools/list"})
    assert (await desk.ask(json.dumps(message).encode(), headers=headers)).fault == (400, -32602, 5)


@pytest.mark.parametrize("value", [5, None, [], {}, ""], ids=str)
async def test_a_version_that_is_no_text_is_no_version(desk, value):
    answer = await desk.modern("tools/list", {"_meta": {f"{META}protocolVersion": value}})
    assert answer.status == 400
    assert answer.error["code"] in (-32020, -32602)


@pytest.mark.parametrize("version", ["2099-01-01", "zzz", "2024-01-01"])
async def test_an_unknown_version_is_told_all_that_are_spoken(desk, version):
    answer = await desk.modern(
        "tools/list", {"_meta": {f"{META}protocolVersion": version}}, mcp_protocol_version=version
    )
    assert answer.fault == (400, -32022, 1)
    assert answer.error["data"] == {"supported": SUPPORTED, "requested": version}


async def test_an_unknown_version_in_the_header_alone_is_told_too(desk):
    answer = await desk.legacy("tools/list", mcp_protocol_version="2099-01-01")
    assert answer.fault == (400, -32022, 1)


async def test_a_client_that_contradicts_itself_is_told_that_first(desk):
    answer = await desk.modern("tools/list", {"_meta": {f"{META}protocolVersion": "2099-01-01"}})
    assert answer.error["code"] == -32020


@pytest.mark.parametrize(
    "method",
    ["ping", "logging/setLevel", "resources/subscribe", "tasks/list", "tasks/result", "initialize2", "x"],
)
async def test_a_method_that_does_not_exist_is_404_with_a_body(desk, method):
    answer = await desk.modern(method, id_=11)
    assert answer.fault == (404, -32601, 11)


async def test_a_notification_is_accepted_and_forgotten(desk):
    body = json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}).encode()
    answer = await desk.ask(body, headers=plain(KEY, None, {"mcp_protocol_version": MODERN}))
    assert (answer.status, answer.body) == (202, b"")


async def test_a_session_id_means_nothing_here(desk):
    assert (await desk.modern("tools/list", mcp_session_id="unknown")).status == 200


async def test_a_client_sends_no_responses(desk):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}}).encode()
    answer = await desk.ask(body, headers=plain(KEY, None, {"mcp_protocol_version": MODERN}))
    assert (answer.status, answer.error["code"]) == (400, -32600)


async def test_a_batch_is_refused(desk):
    body, method, path, headers = desk.modern_request("tools/list")
    assert (await desk.ask(b"[" + body + b"]", method, path, headers)).fault[:2] == (400, -32600)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH"])
async def test_only_post_exists(desk, method):
    answer = await desk.ask(method=method, headers=plain(KEY, None, {"mcp_protocol_version": MODERN}))
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/json"


async def test_a_trailing_slash_is_the_same_profile(desk):
    assert (await desk.modern("tools/list", path="/mcp/demo/")).status == 200
    assert (await desk.modern("tools/list", path="/mcp/demo/sse")).status == 405
    assert (await desk.modern("tools/list", path="/mcp/demo/more")).status == 404


@pytest.mark.parametrize("cursor", ["x", "MTA=", 5, [], ""], ids=str)
async def test_a_cursor_that_the_hub_did_not_give_is_invalid(desk, cursor):
    assert (await desk.modern("tools/list", {"cursor": cursor})).fault == (400, -32602, 1)


async def test_a_result_that_nothing_precedes_is_json(desk):
    for accept in (None, "*/*", "application/json"):
        answer = await desk.modern("tools/call", {"name": "alpha__echo"}, accept=accept)
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
