"""Arguments that do not fit their tool's schema are told to the model, and do not reach the server."""

import json

import pytest

from hub.profile import Schemas, Tool
from tests.support.mcp_desk import Desk, offers, tool

pytestmark = pytest.mark.anyio

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.fixture
def desk():
    made = Desk()
    made.offer(
        "alpha", offers(tool("echo", inputSchema=SCHEMA), tool("open"), tool("odd", inputSchema={"$ref": "x:y"}))
    )
    return made


async def called(desk, arguments, name="alpha__echo", era="modern", **options):
    return await getattr(desk, era)("tools/call", {"name": name, "arguments": arguments}, **options)


@pytest.mark.parametrize("era", ["modern", "legacy"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "city is missing"),
        ({"city": 5}, "city has to be a string"),
        ({"city": "Rome", "days": 0}, "days has to be at least 1"),
        ({"city": "Rome", "evil": 1}, "evil is not known here"),
    ],
)
async def test_what_does_not_fit_is_a_result_that_a_model_can_read(desk, era, arguments, said):
    answer = await called(desk, arguments, era=era)
    assert (answer.status, answer.result["isError"]) == (200, True)
    (block,) = answer.result["content"]
    assert block["text"].startswith(f"The arguments of alpha__echo are not as it takes them: {said}")
    assert "Nothing was called" in block["text"]
    assert desk.servers.requests == []
    (entry,) = desk.entries.closed
    assert (entry.outcome, entry.code, entry.server, entry.tool, entry.cost_micro_usd) == (
        "error", "invalid_arguments", "alpha", "echo", 0,
    )  # fmt: skip
    assert "Rome" not in entry.error


async def test_what_fits_goes_out_as_it_came(desk):
    assert "isError" not in (await called(desk, {"city": "Rome", "days": 2.0})).result
    assert desk.servers.params["arguments"] == {"city": "Rome", "days": 2.0}


async def test_what_may_be_left_out_may_be_null(desk):
    """Clients and models say so that they leave it out; the server gets what they said."""
    assert "isError" not in (await called(desk, {"city": "Rome", "days": None})).result
    assert desk.servers.params["arguments"] == {"city": "Rome", "days": None}
    for wrong in ({"city": None}, {"city": "Rome", "more": None}):
        assert (await called(desk, wrong)).result["isError"]


async def test_a_number_that_nobody_can_hold_is_told(desk):
    body, *how = desk.modern_request("tools/call", {"name": "alpha__echo", "arguments": {"city": "Rome", "days": 11}})
    answer = await desk.ask(body.replace(b"11", b"1e999"), *how)
    assert "too large" in answer.result["content"][0]["text"]
    assert desk.servers.requests == []


async def test_a_schema_that_nobody_understands_lets_every_call_pass(desk):
    for arguments in ({}, {"x": [1]}):
        assert "isError" not in (await called(desk, arguments, "alpha__odd")).result
    assert len(desk.servers.requests) == 2


async def test_a_server_may_be_stricter_than_its_schemas_or_not_be_checked_at_all(desk):
    servers = {"alpha": {"command": ["alpha"], "check_arguments": "strict"}, "beta": {"command": ["beta"]}}
    assert "isError" not in (await called(desk, {"more": 1}, "alpha__open")).result
    desk.apply(servers=servers)
    answer = await called(desk, {"more": 1}, "alpha__open")
    assert "more is not known here. It takes: text." in answer.result["content"][0]["text"]
    servers["alpha"]["check_arguments"] = "off"
    desk.apply(servers=servers)
    assert "isError" not in (await called(desk, {"city": 5})).result


async def test_arguments_are_looked_at_as_the_server_gets_them(desk):
    """What a profile pins or fills in is there for the schema, too, and what a caller says of a pinned one is not."""
    rules = {"arguments": {"echo": {"city": "Rome"}}, "defaults": {"echo": {"days": 3}}}
    desk.apply(profiles={**desk.resources["profiles"], "demo": {"servers": {"alpha": rules}}})
    assert "isError" not in (await called(desk, {})).result
    assert "isError" not in (await called(desk, {"city": 7})).result
    assert desk.servers.params["arguments"] == {"days": 3, "city": "Rome"}
    assert (await called(desk, {"days": "x"})).result["isError"]


async def test_nobody_is_told_of_what_the_operator_has_pinned(desk):
    rules = {"arguments": {"echo": {"city": 5, "hidden": "s3cret"}}}
    desk.apply(profiles={**desk.resources["profiles"], "demo": {"servers": {"alpha": rules}}})
    assert "isError" not in (await called(desk, {})).result
    assert desk.servers.params["arguments"] == {"city": 5, "hidden": "s3cret"}
    said = (await called(desk, {"days": "x", "evil": 1})).result["content"][0]["text"]
    assert "days has to be an integer; evil is not known here. It takes: days." in said
    assert not any(word in said for word in ("city", "hidden", "s3cret"))


async def test_a_changed_schema_holds_from_the_next_call_on(desk):
    assert (await called(desk, {"city": 5})).result["isError"]
    loose = {**SCHEMA, "properties": {"city": {"type": "integer"}}}
    desk.offer("alpha", offers(tool("echo", inputSchema=loose)))
    assert "isError" not in (await called(desk, {"city": 5})).result


async def test_large_arguments_are_looked_at_too(desk):
    wide = {"type": "object", "properties": {"rows": {"type": "array", "items": {"type": "integer"}}}}
    desk.offer("alpha", offers(tool("echo", inputSchema=wide)))
    rows = list(range(50_000))
    assert "isError" not in (await called(desk, {"rows": rows})).result
    assert "rows[50000] has to be an integer" in json.dumps((await called(desk, {"rows": [*rows, "x"]})).result)


async def test_a_program_and_a_found_tool_are_told_the_same(desk):
    answer = await called(
        desk, {"name": "alpha__echo", "arguments": {"city": 5}}, "call_tool", path="/mcp/demo?mode=search"
    )
    assert "city has to be a string" in answer.result["content"][0]["text"]
    program = {"program": "alpha__echo(city=5)"}
    answer = await called(desk, program, "run_program", path="/mcp/demo?mode=code")
    assert "city has to be a string" in answer.result["content"][0]["text"]
    assert desk.servers.requests == []


def test_so_many_schemas_are_kept_and_no_more():
    """What is compiled of a definition takes much more memory than it; one that is needed again is compiled again."""
    kept = Schemas()
    for number in range(1000):
        raw = bytes(tool(f"t{number}", description="d" * 8000, inputSchema=SCHEMA))
        assert "city has to be a string" in kept.fault(Tool("t", "s", "t", raw, offered=raw), b'{"city":1}', "schema")
    assert 100 < len(kept._known) < 300
