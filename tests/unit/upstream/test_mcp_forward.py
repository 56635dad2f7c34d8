"""Headers of a caller's request that go on to a server, and a credential that stands in its address."""

import json

import pytest

from tests.support.mcp_full_http import FullServer
from tests.support.mcp_pool import call, pool, ready, text
from tests.support.mcp_upstreams import McpUpstream

pytestmark = pytest.mark.anyio
SENT = {
    b"x-tenant": b"acme", b"x-lang": b"de", b"x-other": b"no", b"authorization": b"Bearer hub-key", b"cookie": b"a=b",
}  # fmt: skip


@pytest.mark.parametrize("era", ["2025", "2026"])
async def test_named_headers_go_on_and_no_others(tmp_path, era):
    async with McpUpstream(era) as upstream:
        server = {"url": upstream.url, "forward": {"X-Tenant": "", "x-lang": "Accept-Language", "x-missing": ""}}
        async with pool(tmp_path, {"a": server, "b": {"url": upstream.url}}) as servers:
            await ready(servers, "a", "b")
            got = json.loads(text(await call(servers, "a", "headers", headers=SENT)))
            assert (got["x-tenant"], got["accept-language"]) == ("acme", "de")
            assert not {"x-other", "x-lang", "x-missing", "cookie", "authorization"} & set(got)
            other = json.loads(text(await call(servers, "a", "headers", headers={b"x-tenant": b"else"})))
            assert (other["x-tenant"], "accept-language" in other) == ("else", False)
            plain = json.loads(text(await call(servers, "b", "headers", headers=SENT)))
            assert not set(plain) & {name.decode() for name in SENT}
        listings = [one for one in upstream.requests if one.json and one.json.get("method") == "tools/list"]
        assert listings
        assert not any("x-tenant" in one.headers for one in listings)


async def test_what_repeats_an_argument_that_only_the_server_knows_of_goes_on_in_the_modern_era(tmp_path):
    sent = {
        b"mcp-param-later": b"=?base64?w7w=?=",
        b"mcp-param-region": b"us",
        b"mcp-name": b"public",
        b"x-other": b"no",
    }
    async with FullServer("2026") as server, pool(tmp_path, {"s": {"url": server.url}}) as servers:
        await ready(servers, "s")
        await call(servers, "s", "with_headers", {"region": "eu", "query": "q"}, headers=sent)
        (headers,) = [headers for method, headers in server.requests if method == "tools/call"]
    assert headers["mcp-param-later"] == "=?base64?w7w=?="
    assert headers["mcp-param-region"] == "eu"  # what goes out with the call, and nothing else
    assert "x-other" not in headers
    async with McpUpstream("2025") as upstream, pool(tmp_path, {"a": {"url": upstream.url}}) as servers:
        await ready(servers, "a")
        assert "mcp-param-later" not in json.loads(text(await call(servers, "a", "headers", headers=sent)))


@pytest.mark.parametrize("era", ["2025", "2026"])
async def test_a_trace_goes_on_in_headers_too_unless_the_server_gets_the_clients_own(tmp_path, era):
    meta = {"traceparent": "00-aa-bb-01", "tracestate": "v=1"}
    async with McpUpstream(era) as upstream:
        own = {"url": upstream.url, "forward": {"x-trace": "Traceparent"}}
        async with pool(tmp_path, {"a": {"url": upstream.url}, "b": own}) as servers:
            await ready(servers, "a", "b")
            got = json.loads(text(await call(servers, "a", "headers", meta=meta)))
            assert (got["traceparent"], got["tracestate"]) == ("00-aa-bb-01", "v=1")
            got = json.loads(text(await call(servers, "b", "headers", meta=meta, headers={b"x-trace": b"theirs"})))
            assert got["traceparent"] == "theirs"
        assert sum("traceparent" in one.headers for one in upstream.requests) == 2


async def test_a_credential_may_stand_in_the_address(tmp_path):
    async with McpUpstream() as upstream:
        auth = {"type": "query", "parameter": "key", "secret": "env:K"}
        async with pool(
            tmp_path, {"a": {"url": upstream.url, "auth": auth}}, secrets={"env:K": "s3 cret&x"}
        ) as servers:
            await ready(servers, "a")
            assert text(await call(servers, "a", "echo", {"text": "hi"}))
            assert {one.target.partition("?")[2] for one in upstream.requests} == {"key=s3%20cret%26x"}
