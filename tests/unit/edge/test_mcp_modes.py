"""Presentation modes: a few tools that find and call the others, or programs over them; every call is governed."""

import json

import msgspec
import pytest

from hub.upstream import RpcReply
from hub.upstream.mcp.definitions import checked
from tests.support.mcp_desk import NARROW, Desk, offers, tool

pytestmark = pytest.mark.anyio

SEARCH, CODE = "/mcp/demo?mode=search", "/mcp/demo?mode=code"


@pytest.fixture
def desk():
    made = Desk()
    made.offer("alpha", offers(tool("create_issue", ["text"], description="Open a new issue in a repository."), "add"))
    made.offer("beta", offers(tool("list_issues", ["text"], description="List the issues of a repository."), "echo"))
    return made


async def names(desk, path, **options):
    return [one["name"] for one in (await desk.modern("tools/list", path=path, **options)).result["tools"]]


async def called(desk, path, name, arguments=None, **options):
    return await desk.modern("tools/call", {"name": name, "arguments": arguments or {}}, path=path, **options)


def text(answer):
    return answer.result["content"][0]["text"]


async def test_the_url_chooses_the_mode_and_so_does_the_profile(desk):
    assert await names(desk, "/mcp/demo") == ["alpha__add", "alpha__create_issue", "beta__echo", "beta__list_issues"]
    assert await names(desk, SEARCH) == ["call_tool", "describe_tool", "find_tools"]
    assert await names(desk, CODE) == ["find_tools", "run_program"]
    wrong = await desk.modern("tools/list", path="/mcp/demo?mode=odd")
    assert wrong.status == 400
    desk.apply(profiles={**desk.resources["profiles"], "demo": {"mode": "search", "servers": {"alpha": {}}}})
    assert await names(desk, "/mcp/demo") == ["call_tool", "describe_tool", "find_tools"]
    assert await names(desk, "/mcp/demo?mode=full") == ["alpha__add", "alpha__create_issue"]


async def test_tools_are_found_described_and_called(desk):
    found = (await called(desk, SEARCH, "find_tools", {"query": "open an issue", "limit": 1})).result
    assert [one["name"] for one in found["structuredContent"]["tools"]] == ["alpha__create_issue"]
    assert found["structuredContent"]["tools"][0]["arguments"] == {"text": "string*"}
    described = (await called(desk, SEARCH, "describe_tool", {"name": "beta__list_issues"})).result
    assert described["structuredContent"]["inputSchema"]["required"] == ["text"]
    desk.entries.closed.clear()
    answer = await called(desk, SEARCH, "call_tool", {"name": "alpha__add", "arguments": {"a": 1}})
    assert text(answer) == "alpha: add"
    assert desk.servers.params["arguments"] == {"a": 1}
    (entry,) = desk.entries.closed  # one call, one entry: that of the tool
    assert (entry.server, entry.tool, entry.outcome) == ("alpha", "add", "ok")


async def test_direct_calls_by_name_still_work(desk):
    for path in (SEARCH, CODE):
        assert text(await called(desk, path, "alpha__add")) == "alpha: add"
        assert text(await called(desk, path, "create_issue", {"text": "x"})) == "alpha: create_issue"


async def test_nobody_finds_or_calls_what_they_may_not(desk):
    narrow = {"key": "key-narrow-0123456789"}
    assert await names(desk, SEARCH, **narrow) == ["call_tool", "describe_tool", "find_tools"]
    found = (await called(desk, SEARCH, "find_tools", {"query": "issue echo"}, **narrow)).result
    assert [one["name"] for one in found["structuredContent"]["tools"]] == ["alpha__create_issue"]
    hidden = await called(desk, SEARCH, "describe_tool", {"name": "beta__echo"}, **narrow)
    assert (hidden.result["isError"], "There is no tool 'beta__echo'" in text(hidden)) == (True, True)
    desk.entries.closed.clear()
    refused = await called(desk, SEARCH, "call_tool", {"name": "beta__echo"}, **narrow)
    assert refused.json.get("error", {}).get("data", {}).get("code") == "tool_not_allowed" or refused.result["isError"]
    program = await called(desk, CODE, "run_program", {"program": "beta__echo()"}, **narrow)
    assert "there is no 'beta__echo'" in text(program)
    assert not desk.servers.requests


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("call_tool", {}, "name is missing"),
        ("call_tool", {"name": 5}, "name has to be a string"),
        ("call_tool", {"name": "alpha__add", "arguments": []}, "arguments has to be an object"),
        ("call_tool", {"arguments": {}}, "name is missing"),
        ("find_tools", {"query": "x", "limit": 99}, "limit has to be at least 1 and at most 50"),
    ],
)
async def test_the_hubs_own_tools_say_what_they_need_where_a_model_reads_it(desk, name, arguments, said):
    answer = await called(desk, SEARCH, name, arguments)
    assert (answer.status, answer.result["isError"]) == (200, True)
    assert f"The arguments of {name} are not as it takes them: {said}" in text(answer)
    (entry,) = desk.entries.closed
    assert (entry.outcome, entry.code, entry.tool) == ("error", "invalid_arguments", name)


async def test_a_program_calls_tools_each_with_an_entry(desk):
    async def reply(server, params, caller):
        value = {"n": len(params["arguments"]), "tool": params["name"]}
        return RpcReply(result=json.dumps({"content": [], "structuredContent": value}).encode())

    desk.servers.reply = reply
    stubs = text(await called(desk, CODE, "find_tools", {"query": "issues"}))
    assert "def beta__list_issues(*, text: str) -> Any" in stubs
    desk.entries.closed.clear()
    program = "rows = [beta__list_issues(text=t) for t in 'ab']\nprint(len(rows))\n{r['tool']: r['n'] for r in rows}"
    result = (await called(desk, CODE, "run_program", {"program": program})).result
    assert result["structuredContent"]["result"] == {"list_issues": 1}
    assert [one["tool"] for one in result["structuredContent"]["calls"]] == ["beta__list_issues"] * 2
    assert not result["isError"]
    assert [entry.tool for entry in desk.entries.closed] == ["list_issues", "list_issues", "run_program"]
    assert len({entry.id for entry in desk.entries.closed}) == 3


async def test_what_fails_in_a_program_is_told(desk):
    async def reply(server, params, caller):
        return RpcReply(result=json.dumps({"content": [{"type": "text", "text": "no"}], "isError": True}).encode())

    desk.servers.reply = reply
    caught = "try:\n  alpha__add()\nexcept ToolError as e:\n  r = str(e)\nr"
    assert text(await called(desk, CODE, "run_program", {"program": caught})) == '"no"'
    failed = (await called(desk, CODE, "run_program", {"program": "alpha__add()"})).result
    assert failed["isError"]
    assert failed["structuredContent"]["error"] == "ToolError: no"
    assert "import" in text(await called(desk, CODE, "run_program", {"program": "import os"}))


async def test_limits_hold_for_the_calls_of_a_program(desk):
    desk.apply(limits={"two": {"scope": {"key": "ci"}, "tool_calls_per_minute": 2}})
    program = "done = 0\nfor i in range(5):\n  alpha__add()\n  done += 1\ndone"
    failed = (await called(desk, CODE, "run_program", {"program": program})).result
    assert failed["isError"]
    assert len(desk.servers.requests) == 1  # the program itself was the other one


async def test_a_program_needs_no_second_place_among_parallel_calls(desk):
    desk.apply(limits={"one": {"scope": {"key": "ci"}, "parallel": 1}})
    assert text(await called(desk, CODE, "run_program", {"program": "alpha__add()"})) == '"alpha: add"'


# -- long results ------------------------------------------------------------------------------------------------------


# -- resources as tools ------------------------------------------------------------------------------------------------


def resource(uri, **fields):
    return msgspec.Raw(json.dumps({"uri": uri, "name": uri, **fields}).encode())


@pytest.fixture
def library(desk):
    """Two servers with something to read, in a profile that says so by tools."""
    template = msgspec.Raw(json.dumps({"uriTemplate": "note://{name}", "name": "notes"}).encode())
    for server, uris in (("alpha", ["note://one", "note://two"]), ("beta", ["file:///three"])):
        known = checked([tool("echo")], (), [resource(uri, description=f"About {uri}.") for uri in uris], [template])
        desk.offer(server, offers("echo", resources=known.resources, templates=known.templates))
    servers = {"alpha": {}, "beta": {}}
    desk.apply(profiles={**desk.resources["profiles"], "demo": {"resources_as_tools": True, "servers": servers}})

    async def reply(server, params, caller):
        if "uri" not in params:
            return RpcReply(result=b'{"content":[]}')
        contents = [
            {"uri": params["uri"], "mimeType": "text/plain", "text": f"{server} at {params['uri']}" + "!" * 3000},
            {"uri": params["uri"], "mimeType": "image/png", "blob": "AAAA"},
            {"uri": params["uri"], "mimeType": "application/pdf", "blob": "BBBB"},
        ]
        return RpcReply(result=json.dumps({"contents": contents, "ttlMs": 5, "_meta": {"odd": 1}}).encode())

    desk.servers.reply = reply
    return desk


async def test_resources_are_listed_and_read_by_tools(library):
    assert await names(library, "/mcp/demo") == ["alpha__echo", "beta__echo", "list_resources", "read_resource"]
    listed = (await called(library, "/mcp/demo", "list_resources", {"search": "about NOTE"})).result
    first, _ = listed["structuredContent"]["resources"]
    assert (first["uri"], first["description"]) == ("note://alpha/one", "About note://one.")
    everything = (await called(library, "/mcp/demo", "list_resources")).result["structuredContent"]["resources"]
    assert [one.get("uri") or one["uriTemplate"] for one in everything] == [
        "file://beta//three", "note://alpha/one", "note://alpha/two", "note://alpha/{name}", "note://beta/{name}",
    ]  # fmt: skip
    rest = text(await called(library, "/mcp/demo", "list_resources", {"offset": 4}))
    assert rest.startswith("note://beta/{name}: ")
    library.entries.closed.clear()
    result = (await called(library, "/mcp/demo", "read_resource", {"uri": "note://beta/four"})).result
    said, image, other = result["content"]
    assert said["text"].startswith("beta at note://four!")
    assert image == {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    assert (other["type"], other["resource"]["blob"]) == ("resource", "BBBB")
    assert (other["resource"]["uri"], result["_meta"]["odd"], "ttlMs" in result) == ("note://beta/four", 1, False)
    (entry,) = library.entries.closed
    assert (entry.server, entry.tool, entry.outcome) == ("beta", "resources/note://four", "ok")


@pytest.mark.parametrize("mode", ["search", "code"])
async def test_they_are_there_in_every_mode_and_call_tool_reads_too(library, mode):
    path = f"/mcp/demo?mode={mode}"
    assert {"list_resources", "read_resource"} < set(await names(library, path))
    inner = {"name": "read_resource", "arguments": {"uri": "note://alpha/one"}}
    how = ("call_tool", inner) if mode == "search" else ("read_resource", inner["arguments"])
    assert text(await called(library, path, *how)).startswith("alpha at note://one")


async def test_what_is_read_by_a_tool_is_shortened_like_its_other_results(library):
    library.apply(profiles={"demo": {"resources_as_tools": True, "max_result": 1024, "servers": {"alpha": {}}}})
    shown = text(await called(library, "/mcp/demo", "read_resource", {"uri": "note://alpha/one"}))
    assert "Read on with read_result(id=" in shown


async def test_nobody_reads_by_a_tool_what_they_may_not(library):
    library.apply(
        keys={**library.resources["keys"], "narrow": {"team": "t", "tools": ["alpha/note://one"], "profiles": ["demo"]}}
    )
    listed = (await called(library, "/mcp/demo", "list_resources", key=NARROW)).result["structuredContent"]
    assert [one["uri"] for one in listed["resources"]] == ["note://alpha/one"]
    good = await called(library, "/mcp/demo", "read_resource", {"uri": "note://alpha/one"}, key=NARROW)
    assert text(good).startswith("alpha at note://one")
    refused = await called(library, "/mcp/demo", "read_resource", {"uri": "note://alpha/two"}, key=NARROW)
    assert refused.error["data"]["code"] == "tool_not_allowed"
    for uri in ("note://gamma/one", "nothing", ""):
        assert (
            "There is no resource"
            in (await called(library, "/mcp/demo", "read_resource", {"uri": uri})).error["message"]
        )
    assert "uri has to be a string" in text(await called(library, "/mcp/demo", "read_resource", {"uri": 5}))


async def test_a_servers_own_tool_of_that_name_is_not_hidden(library):
    library.offer("alpha", offers("read_resource"))
    library.apply(profiles={"demo": {"resources_as_tools": True, "prefix": "never", "servers": {"alpha": {}}}})
    assert await names(library, "/mcp/demo") == ["list_resources", "read_resource"]
    assert (await called(library, "/mcp/demo", "read_resource")).result["content"] == []
    assert library.servers.params["name"] == "read_resource"


@pytest.fixture
def long(desk):
    desk.apply(profiles={**desk.resources["profiles"], "demo": {"servers": {"alpha": {}}, "max_result": 1024}})

    async def reply(server, params, caller):
        lines = "\n".join(f"line {number}" for number in range(1000))
        return RpcReply(result=json.dumps({"content": [{"type": "text", "text": lines}]}).encode())

    desk.servers.reply = reply
    return desk


async def test_a_long_result_is_shortened_openly_and_can_be_read_on(long):
    assert "read_result" in await names(long, "/mcp/demo")
    result = (await called(long, "/mcp/demo", "alpha__add")).result
    shown, link = result["content"]
    assert "characters; the first 768 are shown" in shown["text"]
    assert len(json.dumps(result)) < 2000
    assert link["type"] == "resource_link"
    key = link["uri"].removeprefix("hub-result://")
    part = text(await called(long, "/mcp/demo", "read_result", {"id": key, "offset": 768, "limit": 100}))
    whole = "\n".join(f"line {number}" for number in range(1000))
    assert part.startswith(whole[768:868] + "\n")
    assert "more characters: offset=868" in part
    found = text(await called(long, "/mcp/demo", "grep_result", {"id": key, "pattern": "^line 99\\d$", "context": 0}))
    assert found.splitlines()[0] == "991: line 990"
    assert len(found.splitlines()) == 10
    other = await called(long, "/mcp/demo", "read_result", {"id": key}, key="key-ann-0123456789")
    assert (other.result["isError"], "no such result" in text(other)) == (True, True)
    other = await long.modern("resources/read", {"uri": link["uri"]}, key="key-ann-0123456789")
    assert other.fault == (400, -32602, 1)
    bad = await called(long, "/mcp/demo", "grep_result", {"id": key, "pattern": "("})
    assert (bad.result["isError"], "RE2 accepts: missing ): (" in text(bad)) == (True, True)


async def test_what_a_schema_is_promised_for_stays_whole_beside_contents_that_are_shortened(desk):
    desk.offer("alpha", offers(tool("add", outputSchema={"type": "object"}), "echo"))
    desk.apply(profiles={**desk.resources["profiles"], "demo": {"servers": {"alpha": {}}, "max_result": 1024}})
    structured = {"lines": [f"line {number}" for number in range(500)]}

    async def reply(server, params, caller):
        content = [{"type": "text", "text": json.dumps(structured)}]
        return RpcReply(result=json.dumps({"content": content, "structuredContent": structured}).encode())

    desk.servers.reply = reply
    result = (await called(desk, "/mcp/demo", "alpha__add")).result
    assert result["structuredContent"] == structured
    assert [one["type"] for one in result["content"]] == ["text", "resource_link"]
    assert len(json.dumps(result["content"])) < 2000
    without = (await called(desk, "/mcp/demo", "alpha__echo")).result
    assert "structuredContent" not in without


async def test_a_short_result_passes_as_it_is(long):
    async def reply(server, params, caller):
        return RpcReply(result=b'{ "content" : [ ] , "odd":1.50 }')

    long.servers.reply = reply
    answer = await long.legacy("tools/call", {"name": "alpha__add"})
    assert b'{ "content" : [ ] , "odd":1.50 }' in answer.body
