"""A request in OpenAI's Chat Completions, read."""

from typing import Any

from hub.core.values import a_dict, a_text
from hub.dialect.caching import lifetime
from hub.dialect.given import Given, Notes, json_text, wrong
from hub.dialect.media import of_data_url, of_format, pictures_in
from hub.dialect.neutral import (
    OPEN,
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
)
from hub.dialect.sealed import unseal
from hub.dialect.tiers import renamed

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


def read_request(body: dict[str, Any], notes: Notes) -> Request:
    """The call. Raises Malformed naming the field."""
    given = Given(body, "")
    for name in ("model", "stream", "stream_options"):
        given.any(name)
    messages = tuple(_message(one, notes) for one in given.each("messages"))
    if not messages:
        raise wrong("messages", "a list with at least one message")
    limit = given.whole("max_completion_tokens")
    old_limit = given.whole("max_tokens")
    return Request(
        messages=messages,
        tools=_tools(given, notes),
        choice=_choice(given),
        parallel=given.flag("parallel_tool_calls"),
        max_tokens=limit if limit is not None else old_limit,
        temperature=given.number("temperature"),
        top_p=given.number("top_p"),
        top_k=given.whole("top_k"),
        presence=given.number("presence_penalty"),
        frequency=given.number("frequency_penalty"),
        seed=given.whole("seed"),
        count=given.whole("n") or 1,
        stop=stops_of(given.any("stop")),
        thought=_thought(given),
        form=form_of(given.mapping("response_format")),
        logprobs=given.flag("logprobs") or False,
        top_logprobs=given.whole("top_logprobs"),
        verbosity=given.text("verbosity"),
        user=given.text("user"),
        tier=renamed(given.text("service_tier")),
        extras=given.rest(),
    )


def stops_of(value: Any) -> tuple[str, ...]:
    """Stop sequences: one, or a list of them."""
    if value is None:
        return ()
    given = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in given):
        raise wrong("stop", "a string or a list of strings")
    return tuple(given)


def form_of(form: dict[str, Any]) -> Form | None:
    """The form of the answer that `response_format` asks for."""
    kind = form.get("type")
    if kind == "json_object":
        return Form()
    if kind != "json_schema":
        return None
    held = Given(form.get("json_schema") or {}, "response_format.json_schema")
    return Form(held.mapping("schema"), held.text("name") or "answer", held.text("description"), held.flag("strict"))


def _thought(given: Given) -> Thought:
    effort = given.text("reasoning_effort")
    asked = given.within("reasoning")  # OpenRouter's way to say it
    effort = effort or asked.text("effort")
    budget = asked.whole("max_tokens")
    enabled = asked.flag("enabled")
    excluded = asked.flag("exclude")
    mode = "off" if effort == "none" or enabled is False else "on" if effort or budget or enabled else ""
    return Thought(mode, budget, effort if effort != "none" else "", None if excluded is None else not excluded)


def _tools(given: Given, notes: Notes) -> tuple[Tool, ...]:
    tools = [tool for one in given.each("tools") if (tool := _tool(one, notes)) is not None]
    old = [Tool(_name(one), one.text("description"), one.mapping("parameters")) for one in given.each("functions")]
    return (*tools, *old)


def _name(given: Given) -> str:
    name = given.text("name")
    if not name:
        raise wrong(f"{given.at}.name", "a name")
    return name


def _tool(given: Given, notes: Notes) -> Tool | None:
    kind = given.text("type") or "function"
    cache = lifetime(given.mapping("cache_control"))
    if kind == "function":
        held = given.within("function")
        return Tool(_name(held), held.text("description"), held.mapping("parameters"), held.flag("strict"), cache=cache)
    if kind == "custom":
        held = given.within("custom")
        return Tool(_name(held), with_grammar(held.text("description"), held.mapping("format")), freeform=True)
    notes.drop(f"tools.{kind}")
    return None


def with_grammar(description: str, form: dict[str, Any]) -> str:
    """The description of a tool that takes text, with the grammar of the text: others know no grammars."""
    grammar = a_dict(form.get("grammar")) or form
    text = a_text(grammar.get("definition"))
    if not text:
        return description
    return f"{description}\n\nThe input must follow this {a_text(grammar.get('syntax'))} grammar:\n{text}".strip()


def _choice(given: Given) -> Choice | None:
    choice = given.any("tool_choice")
    old = given.any("function_call")
    choice = old if choice is None else choice
    if choice is None:
        return None
    if isinstance(choice, str):
        return Choice(choice) if choice in ("auto", "none", "required") else None
    held = a_dict(choice)
    name = held.get("name") or a_dict(held.get("function") or held.get("custom")).get("name")
    if held.get("type") == "allowed_tools":
        allowed = a_dict(held.get("allowed_tools"))
        names = tuple(a_text(a_dict(a_dict(t).get("function")).get("name")) for t in allowed.get("tools") or ())
        return Choice("required" if allowed.get("mode") == "required" else "auto", names=names)
    return Choice("tool", a_text(name)) if name else None


def _message(given: Given, notes: Notes) -> Message:
    role = given.text("role")
    cache = lifetime(given.mapping("cache_control"))
    if role in ("tool", "function"):
        return Message("user", (_result(given, role, cache, notes),))
    if role not in _ROLES:
        raise wrong(f"{given.at}.role", "system, developer, user, assistant or tool")
    blocks = _thinking(given) if role == "assistant" else []
    blocks += content(given, notes)
    if role == "assistant":
        refusal = given.text("refusal")
        if refusal:
            blocks.append(Refused(refusal))
        blocks += pictures_in({"images": given.items("images")})
        blocks += _calls(given)
        if given.any("audio") is not None:
            notes.drop("messages.audio")
    if cache and blocks:
        blocks[-1] = marked(blocks[-1], cache)
    return Message(_ROLES[role], tuple(blocks), given.text("name"))


def marked(block: Block, cache: str) -> Block:
    """The block with a cache mark, where it can bear one."""
    match block:
        case Text():
            return Text(block.text, cache, block.citations, block.logprobs, block.signature)
        case Media():
            return Media(
                block.kind,
                block.mime,
                block.data,
                block.url,
                block.file_id,
                block.name,
                block.detail,
                cache,
                block.cited,
            )
        case ToolUse():
            return ToolUse(
                block.id, block.name, block.arguments, block.namespace, block.freeform, cache, block.signature
            )
        case ToolResult():
            return ToolResult(block.id, block.content, block.name, block.failed, block.freeform, cache)
        case _:
            return block


def _result(given: Given, role: str, cache: str, notes: Notes) -> ToolResult:
    name = given.text("name")
    id_ = given.text("tool_call_id") or (name if role == "function" else "")
    if not id_:
        raise wrong(f"{given.at}.tool_call_id", "the id of a tool call")
    blocks = content(given, notes)
    kept = tuple(block for block in blocks if isinstance(block, Text | Media))
    if not cache and kept and kept[-1].cache:
        cache = kept[-1].cache
    return ToolResult(id_, kept, name, cache=cache)


def content(given: Given, notes: Notes) -> list[Block]:
    """The content of a message: a string, or parts."""
    value = given.any("content")
    if value is None:
        return []
    if isinstance(value, str):
        return [Text(value)] if value else []
    if not isinstance(value, list):
        raise wrong(f"{given.at}.content", "a string or a list of parts")
    blocks: list[Block] = []
    for number, one in enumerate(value):
        part = Given(one, f"{given.at}.content[{number}]")
        block = _part(part, notes)
        if block is not None:
            blocks.append(block)
    return blocks


def _part(part: Given, notes: Notes) -> Block | None:
    kind = part.text("type")
    cache = lifetime(part.mapping("cache_control")) or lifetime(part.mapping("prompt_cache_breakpoint"))
    match kind:
        case "text":
            return Text(part.text("text"), cache)
        case "refusal":
            return Refused(part.text("refusal"))
        case "image_url":
            held = part.within("image_url")
            return of_data_url("image", held.text("url"), detail=held.text("detail"), cache=cache)
        case "input_audio":
            held = part.within("input_audio")
            return of_format("audio", held.text("format"), held.text("data"), cache=cache)
        case "file":
            held = part.within("file")
            name, data, id_ = held.text("filename"), held.text("file_data"), held.text("file_id")
            return of_data_url("file", data, name=name, file_id=id_, cache=cache)
        case "video_url":
            return of_data_url("video", part.within("video_url").text("url"), cache=cache)
        case _:
            notes.drop(f"messages.content.{kind or 'part'}")
            return None


def _thinking(given: Given) -> list[Block]:
    """What the model thought, in the forms in which servers of this dialect tell it."""
    details = given.items("reasoning_details")
    text = given.text("reasoning_content")
    other = given.any("reasoning")
    text = text or (other if isinstance(other, str) else "")
    blocks: list[Block] = []
    for detail in map(a_dict, details):
        opened = unseal(a_text(detail.get("data")) or a_text(detail.get("signature")))
        if opened is not None:
            blocks.append(opened)
    return blocks or ([Thinking(text, origin=OPEN)] if text else [])


def _calls(given: Given) -> list[Block]:
    calls: list[Block] = []
    for one in given.each("tool_calls"):
        freeform = one.text("type") == "custom"
        held = one.within("custom" if freeform else "function")
        google = a_dict(a_dict(one.any("extra_content")).get("google"))
        calls.append(
            ToolUse(
                one.text("id"),
                _name(held),
                held.text("input") if freeform else _arguments(held),
                freeform=freeform,
                signature=a_text(google.get("thought_signature")),
            )
        )
    old = given.mapping("function_call")
    if old:
        name = a_text(old.get("name"))
        calls.append(ToolUse(name, name, a_text(old.get("arguments")) or "{}"))
    return calls


def _arguments(held: Given) -> str:
    value = held.any("arguments")
    return value if isinstance(value, str) else json_text(value or {})
