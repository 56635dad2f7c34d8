"""A request in OpenAI's Responses, read."""

from typing import Any

from hub.core.refusal import Malformed
from hub.core.values import a_dict, a_list, a_text
from hub.dialect.caching import lifetime
from hub.dialect.chat_to_neutral import with_grammar
from hub.dialect.given import Given, Notes, wrong
from hub.dialect.media import of_data_url, of_format
from hub.dialect.neutral import (
    Block,
    Choice,
    Form,
    Media,
    Message,
    Refused,
    Request,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
    flat,
)
from hub.dialect.sealed import unseal
from hub.dialect.tiers import renamed
from hub.dialect.turns import grouped

VENDOR = "openai"
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
# What a call says to OpenAI's own servers only, and means nothing for the answer.
_SILENT = ("model", "stream", "stream_options", "store", "truncation", "client_metadata", "background")
# Said outright they are wishes, which only those servers fulfil.
_WISHES = (("background", True), ("store", True), ("truncation", "auto"))
_INCLUDED = ("reasoning.encrypted_content", "message.output_text.logprobs")


def read_request(body: dict[str, Any], notes: Notes) -> Request:
    """The call. Raises Malformed naming the field, also when it builds on a response that is kept elsewhere."""
    given = Given(body, "")
    notes.drop(*(name for name, wish in _WISHES if given.any(name) == wish))
    for name in _SILENT:
        given.any(name)
    if given.text("previous_response_id") or given.any("conversation") is not None:
        raise stateless("previous_response_id")
    instructions = given.text("instructions")
    turns = _input(given.any("input"), notes)
    if not turns and not instructions:
        raise wrong("input", "a text or a list of items")
    include = [a_text(one) for one in given.items("include")]
    notes.drop(*(f"include.{one}" for one in include if one not in _INCLUDED))
    text = given.within("text")
    reasoning = given.within("reasoning")
    tools = tuple(tool for one in given.each("tools") for tool in _tools(one, notes))
    top = given.whole("top_logprobs")
    request = Request(
        messages=((Message("system", (Text(instructions),)),) if instructions else ()) + turns,
        tools=tools,
        choice=_choice(given.any("tool_choice")),
        parallel=given.flag("parallel_tool_calls"),
        max_tokens=given.whole("max_output_tokens"),
        temperature=given.number("temperature"),
        top_p=given.number("top_p"),
        thought=_thought(reasoning),
        form=_form(text.mapping("format")),
        logprobs=bool(top) or _INCLUDED[1] in include,
        top_logprobs=top,
        verbosity=text.text("verbosity"),
        user=given.text("user"),
        tier=renamed(given.text("service_tier")),
        extras=given.rest(),
    )
    notes.drop(*(f"reasoning.{name}" for name in reasoning.rest()))
    return request


def stateless(field: str) -> Malformed:
    """The refusal of a call that builds on what no provider of this model keeps."""
    return Malformed(
        "unsupported_field",
        f"The field '{field}' names a response that is not kept for this model. Send the whole conversation in "
        "'input', with store: false (in VS Code: \"zeroDataRetentionEnabled\": true).",
    )


def _thought(reasoning: Given) -> Thought:
    effort = reasoning.text("effort")
    summary = reasoning.text("summary") or reasoning.text("generate_summary")
    mode = "off" if effort == "none" else "on" if effort else "adaptive" if summary else ""
    return Thought(mode, None, "" if effort == "none" else effort, True if summary else None)


def _form(form: dict[str, Any]) -> Form | None:
    kind = form.get("type")
    if kind == "json_object":
        return Form()
    if kind != "json_schema":
        return None
    held = Given(form, "text.format")
    return Form(held.mapping("schema"), held.text("name") or "answer", held.text("description"), held.flag("strict"))


def _tools(given: Given, notes: Notes, namespace: str = "") -> list[Tool]:
    kind = given.text("type")
    if kind == "namespace":
        name = given.text("name")
        return [tool for one in given.each("tools") for tool in _tools(one, notes, name)]
    if kind == "function":
        name = given.text("name")
        if not name:
            raise wrong(f"{given.at}.name", "a name")
        schema, strict = given.mapping("parameters"), given.flag("strict")
        return [Tool(name, given.text("description"), schema, strict, namespace)]
    if kind == "custom":
        described = with_grammar(given.text("description"), given.mapping("format"))
        return [Tool(given.text("name"), described, freeform=True, namespace=namespace)]
    notes.drop(f"tools.{kind or 'tool'}")
    return []


def _choice(choice: Any) -> Choice | None:
    if isinstance(choice, str):
        return Choice(choice) if choice in ("auto", "none", "required") else None
    held = a_dict(choice)
    if held.get("type") == "allowed_tools":
        named = tuple(a_text(a_dict(one).get("name")) for one in a_list(held.get("tools")))
        return Choice("required" if held.get("mode") == "required" else "auto", names=named)
    name = a_text(held.get("name"))
    return Choice("tool", flat(a_text(held.get("namespace")), name)) if name else None


def _input(value: Any, notes: Notes) -> tuple[Message, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (Message("user", (Text(value),)),)
    if not isinstance(value, list):
        raise wrong("input", "a text or a list of items")
    return grouped(turn for n, one in enumerate(value) if (turn := _item(Given(one, f"input[{n}]"), notes)) is not None)


def _item(given: Given, notes: Notes) -> Message | None:
    kind = given.text("type") or "message"
    match kind:
        case "message":
            return _message(given, notes)
        case "function_call":
            name, namespace = given.text("name"), given.text("namespace")
            return _said(ToolUse(given.text("call_id"), name, given.text("arguments") or "{}", namespace))
        case "custom_tool_call":
            name, namespace = given.text("name"), given.text("namespace")
            return _said(ToolUse(given.text("call_id"), name, given.text("input"), namespace, freeform=True))
        case "function_call_output" | "custom_tool_call_output":
            content = tuple(b for b in _content(given, "output", notes) if isinstance(b, Text | Media))
            freeform = kind.startswith("custom")
            return Message("user", (ToolResult(given.text("call_id"), content, freeform=freeform),))
        case "reasoning":
            return _said(_reasoning(given))
        case "item_reference":
            raise stateless("input.item_reference")
        case _:
            notes.drop(f"input.{kind}")
            return None


def _said(block: Block) -> Message:
    return Message("assistant", (block,))


def _reasoning(given: Given) -> Thinking:
    parts = [a_text(a_dict(part).get("text")) for part in given.items("summary")]
    opaque = given.text("encrypted_content")
    opened = unseal(opaque)
    if opened is not None:
        return opened
    told = "\n\n".join(parts) or "\n\n".join(a_text(a_dict(part).get("text")) for part in given.items("content"))
    return Thinking(told, opaque, VENDOR if opaque else "open", given.text("id"))


def _message(given: Given, notes: Notes) -> Message:
    role = given.text("role")
    if role not in _ROLES:
        raise wrong(f"{given.at}.role", "system, developer, user or assistant")
    return Message(_ROLES[role], tuple(_content(given, "content", notes)))


def _content(given: Given, name: str, notes: Notes) -> list[Block]:
    value = given.any(name)
    if isinstance(value, str):
        return [Text(value)] if value else []
    if not isinstance(value, list):
        raise wrong(f"{given.at}.{name}", "a text or a list of parts")
    parts = [_part(Given(one, f"{given.at}.{name}[{number}]"), notes) for number, one in enumerate(value)]
    return [part for part in parts if part is not None]


def _part(part: Given, notes: Notes) -> Block | None:
    kind = part.text("type")
    cache = lifetime(part.mapping("prompt_cache_breakpoint"))
    match kind:
        case "input_text" | "output_text" | "text":
            return Text(part.text("text"), cache)
        case "refusal":
            return Refused(part.text("refusal"))
        case "input_image":
            url, id_, detail = part.text("image_url"), part.text("file_id"), part.text("detail")
            return of_data_url("image", url, file_id=id_, detail=detail, cache=cache)
        case "input_file":
            data, url = part.text("file_data"), part.text("file_url")
            return of_data_url(
                "file", data or url, name=part.text("filename"), file_id=part.text("file_id"), cache=cache
            )
        case "input_audio":
            held = part.within("input_audio")
            return of_format("audio", held.text("format"), held.text("data"), cache=cache)
        case _:
            notes.drop(f"input.content.{kind or 'part'}")
            return None
