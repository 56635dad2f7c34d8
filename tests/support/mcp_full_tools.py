"""The tools of the full test server; see `tests.support.mcp_full`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.mcp_full import PNG, TASKS, WAV, Caller, Core, Json, RpcError, form, sampling, text

Run = Callable[[Core, Caller, Json], Awaitable[Json]]
TOOLS: dict[str, tuple[Json, Run]] = {}
_STRING, _INTEGER, _BOOLEAN = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def tool(name: str, description: str = "A tool for tests.", **fields: Any) -> Callable[[Run], Run]:
    """Offer a function as a tool; `fields` are further members of its definition."""

    def add(run: Run) -> Run:
        schema = {"type": "object", "properties": {}}
        TOOLS[name] = ({"name": name, "description": description, "inputSchema": schema, **fields}, run)
        return run

    return add


def _takes(**properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _fixed(name: str, result: Json) -> None:
    async def run(core: Core, caller: Caller, given: Json) -> Json:
        return result

    tool(name)(run)


_IMAGE = {"type": "image", "data": PNG, "mimeType": "image/png"}
_fixed("test_simple_text", text("This is a simple text response for testing."))
_fixed("test_image_content", {"content": [_IMAGE]})
_fixed("test_audio_content", {"content": [{"type": "audio", "data": WAV, "mimeType": "audio/wav"}]})
_EMBEDDED = {
    "uri": "test://embedded-resource",
    "mimeType": "text/plain",
    "text": "This is an embedded resource content.",
}
_fixed("test_embedded_resource", {"content": [{"type": "resource", "resource": _EMBEDDED}]})
_MIXED = {"uri": "test://mixed-content-resource", "mimeType": "application/json", "text": '{"test":"data","value":123}'}
_fixed(
    "test_multiple_content_types",
    {
        "content": [
            {"type": "text", "text": "Multiple content types test:"},
            _IMAGE,
            {"type": "resource", "resource": _MIXED},
        ]
    },
)
_fixed("test_error_handling", text("This tool intentionally returns an error for testing", isError=True))
_fixed("plain", {"content": [], "structuredContent": None, "x-kept": {"deep": [None, 1]}})
_fixed("link", {"content": [{"type": "resource_link", "uri": "test://static-text", "name": "static-text"}]})


@tool("echo", inputSchema=_takes(text=_STRING), annotations={"idempotentHint": True})
async def _echo(core: Core, caller: Caller, given: Json) -> Json:
    return text(str(given.get("text")))


@tool("capabilities", "What the client declared.")
async def _capabilities(core: Core, caller: Caller, given: Json) -> Json:
    return text(json.dumps(caller.capabilities, sort_keys=True))


@tool("journal", "What has happened here.")
async def _journal(core: Core, caller: Caller, given: Json) -> Json:
    told = {"calls": core.calls, "cancelled": core.cancelled, "levels": core.log_levels, "subscribed": core.subscribed}
    return text(json.dumps({**told, "declared": [one.get("capabilities") for one in core.initialized]}))


@tool("test_tool_with_logging")
async def _logging(core: Core, caller: Caller, given: Json) -> Json:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        caller.log("info", words)
        await asyncio.sleep(0.05)
    return text("logged")


TOOLS["test_logging_tool"] = ({**TOOLS["test_tool_with_logging"][0], "name": "test_logging_tool"}, _logging)


@tool("log", "One line of the log for each level.")
async def _log(core: Core, caller: Caller, given: Json) -> Json:
    for level in ("debug", "info", "warning", "error"):
        caller.log(level, {"said": level})
    return text("logged")


@tool("test_tool_with_progress")
async def _progress(core: Core, caller: Caller, given: Json) -> Json:
    for step in (0, 50, 100):
        caller.progress(step, 100, f"Completed step {step} of 100")
        await asyncio.sleep(0.05)
    return text("done")


@tool("wait", "Answers when it is cancelled, that is never.")
async def _wait(core: Core, caller: Caller, given: Json) -> Json:
    caller.progress(1, 2)
    await asyncio.Event().wait()
    return text("")


@tool("test_sampling", inputSchema=_takes(prompt=_STRING))
async def _sampling(core: Core, caller: Caller, given: Json) -> Json:
    _require(caller, "sampling")
    answer = (await caller.ask(sample=sampling(str(given.get("prompt")))))["sample"]
    return text(f"LLM response: {answer.get('content', {}).get('text')}", structuredContent=answer)


@tool("test_sampling_tools", "Samples with tools.")
async def _sampling_tools(core: Core, caller: Caller, given: Json) -> Json:
    tools = [{"name": "look", "description": "Look.", "inputSchema": {"type": "object"}}]
    answer = (await caller.ask(sample=sampling("look", tools=tools, toolChoice={"mode": "auto"})))["sample"]
    return text(json.dumps(answer, sort_keys=True))


@tool("test_elicitation", inputSchema=_takes(message=_STRING))
async def _elicitation(core: Core, caller: Caller, given: Json) -> Json:
    _require(caller, "elicitation")
    wanted = {"username": {**_STRING, "description": "User's response"}, "email": {**_STRING, "description": "E-mail"}}
    answer = (await caller.ask(user=form(str(given.get("message")), **wanted)))["user"]
    return text(f"User response: action={answer.get('action')}, content={json.dumps(answer.get('content'))}")


TOOLS["test_streaming_elicitation"] = (
    {**TOOLS["test_elicitation"][0], "name": "test_streaming_elicitation", "inputSchema": {"type": "object"}},
    _elicitation,
)


@tool("test_elicitation_sep1034_defaults")
async def _defaults(core: Core, caller: Caller, given: Json) -> Json:
    _require(caller, "elicitation")
    wanted = {
        "name": {**_STRING, "default": "John Doe"},
        "age": {**_INTEGER, "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {**_STRING, "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {**_BOOLEAN, "default": True},
    }
    return await _completed(caller, wanted)


@tool("test_elicitation_sep1330_enums")
async def _enums(core: Core, caller: Caller, given: Json) -> Json:
    _require(caller, "elicitation")
    options = ["option1", "option2", "option3"]
    titled = [
        {"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second", "Third"), 1)
    ]
    choices = [{**one, "title": one["title"].replace("Option", "Choice")} for one in titled]
    names = ["Option One", "Option Two", "Option Three"]
    wanted: Json = {
        "untitledSingle": {**_STRING, "enum": options},
        "titledSingle": {**_STRING, "oneOf": titled},
        "legacyEnum": {**_STRING, "enum": ["opt1", "opt2", "opt3"], "enumNames": names},
        "untitledMulti": {"type": "array", "items": {**_STRING, "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": choices}},
    }
    return await _completed(caller, wanted)


async def _completed(caller: Caller, wanted: Json) -> Json:
    answer = (await caller.ask(user=form("Please fill in.", **wanted)))["user"]
    return text(f"Elicitation completed: action={answer.get('action')}, content={json.dumps(answer.get('content'))}")


@tool("two_questions", "Asks two things at once.")
async def _two(core: Core, caller: Caller, given: Json) -> Json:
    answers = await caller.ask(one=form("One?", a=_STRING), two=form("Two?", b=_STRING))
    return text(json.dumps([answers["one"], answers["two"]], sort_keys=True))


@tool("url", "Sends the user to a page.")
async def _url(core: Core, caller: Caller, given: Json) -> Json:
    asked: Json = {"mode": "url", "message": "Sign in.", "url": "https://example.com/sign-in"}
    if not caller.modern:
        asked["elicitationId"] = "e-1"
    answer = await caller.ask(page=("elicitation/create", asked))
    return text(json.dumps(answer["page"], sort_keys=True))


@tool("trap", "Sends the user to where no page is, or asks for the field `secret` in a form.")
async def _trap(core: Core, caller: Caller, given: Json) -> Json:
    asked: Json = {"mode": "url", "message": "Go.", "url": "javascript:alert(1)", "elicitationId": "e-3"}
    if "secret" in given:
        field: Json = {"type": "string", "title": given.get("title", "")}
        asked = {"message": "Log in.", "requestedSchema": {"type": "object", "properties": {given["secret"]: field}}}
    answer = await caller.ask(page=("elicitation/create", asked))
    return text(json.dumps(answer["page"], sort_keys=True))


@tool("url_error", "Cannot go on before the user was at a page: says so once by an error.")
async def _url_error(core: Core, caller: Caller, given: Json) -> Json:
    if not caller.modern and core.calls.count("url_error") == 1:
        asked = {"mode": "url", "message": "Sign in.", "url": "https://example.com/x", "elicitationId": "e-2"}
        raise RpcError(-32042, "URL elicitation required", {"elicitations": [asked]})
    if caller.modern:
        await caller.ask(
            page=("elicitation/create", {"mode": "url", "message": "Sign in.", "url": "https://example.com/x"})
        )
    return text("signed in")


@tool("roots", "The client's roots.")
async def _roots(core: Core, caller: Caller, given: Json) -> Json:
    answer = await caller.ask(roots=("roots/list", {}))
    return text(json.dumps(answer["roots"], sort_keys=True))


@tool("test_missing_capability")
async def _missing(core: Core, caller: Caller, given: Json) -> Json:
    _require(caller, "sampling")
    return text("the client can sample")


def _require(caller: Caller, capability: str) -> None:
    if capability in caller.capabilities:
        return
    if caller.modern:
        raise RpcError(-32021, f"{capability} is needed", {"requiredCapabilities": {capability: {}}})
    raise RpcError(-32602, f"the client does not support {capability}")


# -- rounds, as the suite wants them -----------------------------------------------------------------------------------

_NAME = form("What is your name?", name=_STRING)
_GREETING = sampling("Generate a greeting")


@tool("test_input_required_result_elicitation")
async def _round_elicitation(core: Core, caller: Caller, given: Json) -> Json:
    answer = (await caller.ask(user_name=_NAME))["user_name"]
    if not isinstance(answer.get("content"), dict) or not isinstance(answer["content"].get("name"), str):
        raise RpcError(-32602, "user_name is not answered as its schema wants it")
    return text(f"Hello, {answer['content']['name']}!")


@tool("test_input_required_result_sampling")
async def _round_sampling(core: Core, caller: Caller, given: Json) -> Json:
    answer = await caller.ask(capital_question=sampling("What is the capital of France?"))
    return text(str(answer["capital_question"].get("content", {}).get("text")))


@tool("test_input_required_result_list_roots")
async def _round_roots(core: Core, caller: Caller, given: Json) -> Json:
    return text(json.dumps((await caller.ask(client_roots=("roots/list", {})))["client_roots"]))


@tool("test_input_required_result_request_state")
async def _round_state(core: Core, caller: Caller, given: Json) -> Json:
    await caller.ask(state=True, confirm=form("Please confirm", ok=_BOOLEAN))
    return text("state-ok" if not caller.modern or caller.params.get("requestState") else "state-lost")


TOOLS["test_input_required_result_tampered_state"] = (
    {**TOOLS["test_input_required_result_request_state"][0], "name": "test_input_required_result_tampered_state"},
    _round_state,
)


@tool("test_input_required_result_multiple_inputs")
async def _round_many(core: Core, caller: Caller, given: Json) -> Json:
    answers = await caller.ask(state=True, user_name=_NAME, greeting=_GREETING, client_roots=("roots/list", {}))
    return text(json.dumps(answers, sort_keys=True))


@tool("test_input_required_result_multi_round")
async def _rounds(core: Core, caller: Caller, given: Json) -> Json:
    first = await caller.ask(state=True, step1=form("Step 1: What is your name?", name=_STRING))
    second = await caller.ask(state=True, step2=form("Step 2: What is your favorite color?", color=_STRING))
    return text(json.dumps([first, second], sort_keys=True))


@tool("test_input_required_result_capabilities")
async def _round_capabilities(core: Core, caller: Caller, given: Json) -> Json:
    every = {"elicitation": ("user_name", _NAME), "sampling": ("greeting", _GREETING)}
    questions = dict(one for kind, one in every.items() if kind in caller.capabilities)
    return text(json.dumps(await caller.ask(**questions), sort_keys=True) if questions else "{}")


# -- schemas, headers, changes ----------------------------------------------------------------------------------------

_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {"$anchor": "addressDef", "type": "object", "properties": {"street": _STRING, "city": _STRING}}
    },
    "properties": {
        "name": _STRING,
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": _STRING,
        "email": _STRING,
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


@tool("json_schema_2020_12_tool", "Tool with JSON Schema 2020-12 features", inputSchema=_SCHEMA)
async def _schema(core: Core, caller: Caller, given: Json) -> Json:
    return text(json.dumps(given, sort_keys=True))


@tool(
    "with_headers",
    inputSchema={"type": "object", "properties": {"region": {**_STRING, "x-mcp-header": "Region"}, "query": _STRING}},
)
async def _headers(core: Core, caller: Caller, given: Json) -> Json:
    return text(json.dumps(given, sort_keys=True))


@tool("app", _meta={"ui": {"resourceUri": "ui://full/app"}, "ui/resourceUri": "ui://full/app"})
async def _app(core: Core, caller: Caller, given: Json) -> Json:
    return text("app")


@tool("test_trigger_tool_change")
async def _change_tools(core: Core, caller: Caller, given: Json) -> Json:
    name = f"extra_{next(core.numbers)}"
    core.tools[name] = ({"name": name, "description": "Extra.", "inputSchema": {"type": "object"}}, _capabilities)
    core.changed("tools")
    return text(name)


@tool("test_trigger_prompt_change")
async def _change_prompts(core: Core, caller: Caller, given: Json) -> Json:
    name = f"extra_{next(core.numbers)}"
    core.prompts.append({"name": name, "description": "Extra."})
    core.changed("prompts")
    return text(name)


@tool("change_resources")
async def _change_resources(core: Core, caller: Caller, given: Json) -> Json:
    uri = f"test://extra/{next(core.numbers)}"
    core.resources.append({"uri": uri, "name": "extra", "description": "Extra.", "mimeType": "text/plain"})
    core.changed("resources")
    return text(uri)


@tool("touch", "Announces an update of the watched resource.")
async def _touch(core: Core, caller: Caller, given: Json) -> Json:
    core.updated("test://watched-resource")
    return text("touched")


@tool("test_reconnection")
async def _reconnection(core: Core, caller: Caller, given: Json) -> Json:
    await asyncio.sleep(0.2)
    return text("reconnected")


@tool("greet", inputSchema={"type": "object", "properties": {"name": _STRING}})
async def _greet(core: Core, caller: Caller, given: Json) -> Json:
    return text(f"Hello, {given.get('name')}!")


def wants_tasks(caller: Caller) -> bool:
    """Whether the caller understands tasks."""
    return caller.modern and TASKS in (caller.capabilities.get("extensions") or {})
