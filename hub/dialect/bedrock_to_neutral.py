"""A request in Bedrock's Converse, read."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from hub.core.values import a_dict, a_list, a_text
from hub.dialect.caching import lifetime
from hub.dialect.given import Given, Notes, json_text, wrong
from hub.dialect.media import of_format
from hub.dialect.members import UNREADABLE
from hub.dialect.messages_to_neutral import thought_of
from hub.dialect.neutral import Block, Choice, Form, Media, Message, Request, Text, Thinking, Tool, ToolResult, ToolUse
from hub.dialect.neutral_to_bedrock import VENDOR
from hub.dialect.sealed import opaque

_MEDIA = {"image": "image", "document": "file", "video": "video", "audio": "audio"}
_ROLES = ("user", "assistant")


def read_request(body: dict[str, Any], notes: Notes) -> Request:
    """The call. Raises Malformed naming the field. Which model is asked for stands in the path."""
    given = Given(body, "")
    system = _blocks(given.each("system"), notes)
    turns = [_message(one, notes) for one in given.each("messages")]
    if not turns:
        raise wrong("messages", "a list with at least one message")
    config, tools = given.within("inferenceConfig"), given.within("toolConfig")
    more, output = given.within("additionalModelRequestFields"), given.within("outputConfig")
    thinking = more.mapping("thinking") or more.mapping("reasoning_config")
    request = Request(
        messages=((Message("system", tuple(system)),) if system else ()) + tuple(turns),
        tools=tuple(_tools(tools, notes)),
        choice=_choice(tools.mapping("toolChoice")),
        max_tokens=config.whole("maxTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=more.whole("top_k"),
        stop=tuple(one for one in config.items("stopSequences") if isinstance(one, str)),
        thought=thought_of(thinking, output.text("effort") or more.text("reasoning_effort")),
        form=_form(output.mapping("textFormat")),
        tier=a_text(given.mapping("serviceTier").get("type")),
        extras=given.rest() | {f"additionalModelRequestFields.{name}": value for name, value in more.rest().items()},
    )
    notes.drop(*(f"inferenceConfig.{name}" for name in config.rest()))
    return request


def _form(form: dict[str, Any]) -> Form | None:
    held = a_dict(a_dict(form.get("structure")).get("jsonSchema"))
    if not held:
        return None
    try:
        schema = msgspec.json.decode(a_text(held.get("schema")))
    except UNREADABLE:
        raise wrong("outputConfig.textFormat.structure.jsonSchema.schema", "a JSON Schema as text") from None
    return Form(schema, a_text(held.get("name")) or "answer", a_text(held.get("description")))


def _choice(choice: dict[str, Any]) -> Choice | None:
    if "tool" in choice:
        return Choice("tool", a_text(a_dict(choice["tool"]).get("name")))
    kind = next((name for name in ("auto", "any") if name in choice), "")
    return Choice("required" if kind == "any" else kind) if kind else None


def _tools(given: Given, notes: Notes) -> list[Tool]:
    tools: list[Tool] = []
    for one in given.each("tools"):
        spec, mark = one.within("toolSpec"), one.mapping("cachePoint")
        if mark and tools:
            tools[-1] = replace(tools[-1], cache=lifetime(mark))
        notes.drop(*(f"tools.{name}" for name in one.rest()))
        name = spec.text("name")
        if name:
            schema = spec.mapping("inputSchema").get("json")
            tools.append(Tool(name, spec.text("description"), schema, spec.flag("strict")))
        elif not mark and not one.rest():
            raise wrong(f"{spec.at}.name", "a name")
    return tools


def _message(given: Given, notes: Notes) -> Message:
    role = given.text("role")
    if role not in _ROLES:
        raise wrong(f"{given.at}.role", "user or assistant")
    return Message(role, tuple(_blocks(given.each("content"), notes)))


def _blocks(parts: list[Given], notes: Notes) -> list[Block]:
    """The blocks; a mark of the cache belongs to the one that it stands behind."""
    blocks: list[Block] = []
    for part in parts:
        mark = part.mapping("cachePoint")
        if mark and blocks and isinstance(blocks[-1], Text | Media | ToolUse | ToolResult):
            blocks[-1] = replace(blocks[-1], cache=lifetime(mark))
        elif mark:
            notes.drop("cachePoint")
        blocks += _block(part, notes)
    return blocks


def _block(part: Given, notes: Notes) -> Iterator[Block]:
    text = part.text("text") or a_text(a_dict(part.mapping("guardContent").get("text")).get("text"))
    if text:
        yield Text(text)
    if use := part.mapping("toolUse"):
        arguments = json_text(a_dict(use.get("input")))
        yield ToolUse(a_text(use.get("toolUseId")), a_text(use.get("name")), arguments)
    result = part.within("toolResult")
    if id_ := result.text("toolUseId"):
        yield _result(id_, result, notes)
    if thought := part.mapping("reasoningContent"):
        yield _thinking(thought)
    if cited := part.mapping("citationsContent"):
        yield Text("".join(a_text(a_dict(one).get("text")) for one in a_list(cited.get("content"))))
    if found := part.mapping("searchResult"):
        words = "\n".join(a_text(a_dict(one).get("text")) for one in a_list(found.get("content")))
        yield Text(f"{a_text(found.get('title'))} ({a_text(found.get('source'))})\n{words}")
    for name, kind in _MEDIA.items():
        if held := part.mapping(name):
            yield from _media(name, kind, held, notes)
    notes.drop(*(f"messages.content.{name}" for name in part.rest()))


def _thinking(thought: dict[str, Any]) -> Thinking:
    if redacted := a_text(thought.get("redactedContent")):
        return Thinking("", redacted, VENDOR, redacted=True)
    told = a_dict(thought.get("reasoningText"))
    return opaque(told.get("signature"), a_text(told.get("text")), VENDOR)


def _result(id_: str, result: Given, notes: Notes) -> ToolResult:
    content: list[Text | Media] = []
    for part in result.each("content"):
        value = part.any("json")
        if value is not None:
            content.append(Text(json_text(value)))
        content += [block for block in _block(part, notes) if isinstance(block, Text | Media)]
    return ToolResult(id_, tuple(content), failed=result.text("status") == "error")


def _media(name: str, kind: str, held: dict[str, Any], notes: Notes) -> Iterator[Text | Media]:
    source, title = a_dict(held.get("source")), a_text(held.get("name"))
    data, said = a_text(source.get("bytes")), a_text(source.get("text"))
    said = said or "".join(a_text(a_dict(one).get("text")) for one in a_list(source.get("content")))
    if data:
        media = of_format(kind, a_text(held.get("format")), data, name=title)
        yield replace(media, cited=a_dict(held.get("citations")).get("enabled") is True)
    elif said:
        yield Text(f"{title}\n{said}".strip())
    else:
        notes.drop(f"messages.content.{name}")
