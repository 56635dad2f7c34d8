"""A request in Anthropic's Messages, read."""

from typing import Any

from hub.core.values import a_dict, a_text
from hub.dialect.caching import lifetime
from hub.dialect.given import Given, Notes, json_text, wrong
from hub.dialect.media import of_mime
from hub.dialect.neutral import (
    Block,
    Choice,
    Form,
    Media,
    Message,
    Request,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolResult,
    ToolUse,
)
from hub.dialect.sealed import opaque

VENDOR = "anthropic"
_ROLES = ("user", "assistant", "system")


def read_request(body: dict[str, Any], notes: Notes) -> Request:
    """The call. Raises Malformed naming the field."""
    given = Given(body, "")
    for name in ("model", "stream"):
        given.any(name)
    system = _blocks(given, "system", notes)
    turns = [_message(one, notes) for one in given.each("messages")]
    if not turns:
        raise wrong("messages", "a list with at least one message")
    output = given.within("output_config")
    form = output.mapping("format") or given.mapping("output_format")
    choice = given.mapping("tool_choice")
    cache = lifetime(given.mapping("cache_control"))
    user = a_text(given.mapping("metadata").get("user_id"))
    messages = ([Message("system", tuple(system))] if system else []) + turns
    request = Request(
        messages=tuple(messages),
        tools=_tools(given, _referenced(body), notes),
        choice=_choice(choice),
        parallel=False if choice.get("disable_parallel_tool_use") is True else None,
        max_tokens=given.whole("max_tokens"),
        temperature=given.number("temperature"),
        top_p=given.number("top_p"),
        top_k=given.whole("top_k"),
        stop=tuple(one for one in given.items("stop_sequences") if isinstance(one, str)),
        thought=thought_of(given.mapping("thinking"), output.text("effort")),
        form=Form(form.get("schema")) if form.get("type") == "json_schema" else None,
        user=user,
        tier=given.text("service_tier"),
        extras=given.rest() | {f"output_config.{name}": value for name, value in output.rest().items()},
    )
    if cache:
        notes.drop("cache_control")
    return request


def thought_of(thinking: dict[str, Any], effort: str) -> Thought:
    """How much to think, in the vendor's words."""
    mode = {"enabled": "on", "adaptive": "adaptive", "disabled": "off"}.get(a_text(thinking.get("type")), "")
    budget = thinking.get("budget_tokens")
    shown = {"omitted": False, "summarized": True}.get(a_text(thinking.get("display")))
    return Thought(mode, budget if isinstance(budget, int) else None, effort, shown)


def _choice(choice: dict[str, Any]) -> Choice | None:
    kind = a_text(choice.get("type"))
    if kind == "tool":
        return Choice("tool", a_text(choice.get("name")))
    known = {"auto": "auto", "any": "required", "none": "none"}.get(kind)
    return Choice(known) if known else None


def _referenced(body: dict[str, Any]) -> frozenset[str]:
    """The deferred tools that a search has brought up until now."""
    found: set[str] = set()
    for message in body.get("messages") or ():
        for block in _list(a_dict(message).get("content")):
            for inner in (block, *_list(a_dict(block).get("content"))):
                if a_dict(inner).get("type") == "tool_reference":
                    found.add(a_text(a_dict(inner).get("tool_name")))
    return frozenset(found)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _tools(given: Given, referenced: frozenset[str], notes: Notes) -> tuple[Tool, ...]:
    """The tools that are loaded. A deferred one counts once a search has named it.

    Where the search would be the provider's own, nobody is there to search: then all are loaded.
    """
    tools = given.each("tools")
    kinds = [a_text(tool.any("type")) for tool in tools]
    searched_here = any(kind.startswith("tool_search_tool") for kind in kinds)
    kept: list[Tool] = []
    for tool, kind in zip(tools, kinds, strict=True):
        if kind not in ("", "custom"):
            notes.drop(f"tools.{kind}")
            continue
        name = tool.text("name")
        if not name:
            raise wrong(f"{tool.at}.name", "a name")
        deferred = tool.flag("defer_loading") or False
        if deferred and not searched_here and name not in referenced:
            continue
        cache = lifetime(tool.mapping("cache_control"))
        examples = tool.items("input_examples")
        description = tool.text("description")
        if examples:
            description = f"{description}\n\nExamples of input: {json_text(examples)}"
        kept.append(Tool(name, description, tool.mapping("input_schema"), tool.flag("strict"), cache=cache))
    return tuple(kept)


def _message(given: Given, notes: Notes) -> Message:
    role = given.text("role")
    if role not in _ROLES:
        raise wrong(f"{given.at}.role", "user, assistant or system")
    return Message(role, tuple(_blocks(given, "content", notes)))


def _blocks(given: Given, name: str, notes: Notes) -> list[Block]:
    value = given.any(name)
    at = f"{given.at}.{name}" if given.at else name
    if value is None:
        return []
    if isinstance(value, str):
        return [Text(value)] if value else []
    if not isinstance(value, list):
        raise wrong(at, "a string or a list of blocks")
    blocks: list[Block] = []
    for number, one in enumerate(value):
        blocks += _block(Given(one, f"{at}[{number}]"), notes)
    return blocks


def _block(given: Given, notes: Notes) -> list[Block]:
    kind = given.text("type")
    cache = lifetime(given.mapping("cache_control"))
    block: Block | None = None
    match kind:
        case "text":
            text = given.text("text")
            block = Text(text, cache) if text else None
            if given.items("citations"):
                notes.drop("messages.content.citations")
        case "thinking":
            block = opaque(given.any("signature"), given.text("thinking"), VENDOR)
        case "redacted_thinking":
            block = Thinking("", given.text("data"), VENDOR, redacted=True)
        case "tool_use":
            arguments = json_text(given.mapping("input"))
            block = ToolUse(given.text("id"), given.text("name"), arguments, cache=cache)
        case "tool_result":
            block = _result(given, cache, notes)
        case "image" | "document":
            return _media(given, kind, cache, notes)
        case "tool_reference":
            block = Text(f"The tool {given.text('tool_name')} is available now.")
        case "search_result":
            found = "\n".join(a_text(a_dict(one).get("text")) for one in given.items("content"))
            block = Text(f"{given.text('title')} ({given.text('source')})\n{found}", cache)
        case _:
            notes.drop(f"messages.content.{kind or 'block'}")
    return [] if block is None else [block]


def _result(given: Given, cache: str, notes: Notes) -> ToolResult:
    blocks = _blocks(given, "content", notes)
    kept = tuple(block for block in blocks if isinstance(block, Text | Media))
    return ToolResult(given.text("tool_use_id"), kept, failed=given.flag("is_error") or False, cache=cache)


def _media(given: Given, kind: str, cache: str, notes: Notes) -> list[Block]:
    source = given.mapping("source")
    form = a_text(source.get("type"))
    title = given.text("title")
    cited = a_dict(given.any("citations")).get("enabled") is True
    whole = "image" if kind == "image" else "file"
    about: list[Block] = [Text(context)] if (context := given.text("context")) else []
    if form == "base64":
        media = of_mime(a_text(source.get("media_type")), a_text(source.get("data")), name=title)
        return [*about, Media(whole, media.mime, media.data, name=title, cache=cache, cited=cited)]
    if form == "url":
        return [*about, Media(whole, url=a_text(source.get("url")), name=title, cache=cache, cited=cited)]
    if form in ("text", "content"):
        if cited:
            notes.drop("messages.content.citations")
        return [*about, *_written(title, source, cache, notes)]
    if form == "file":
        return [*about, Media(whole, file_id=a_text(source.get("file_id")), name=title, cache=cache, cited=cited)]
    notes.drop(f"messages.content.{kind}")
    return about


def _written(title: str, source: dict[str, Any], cache: str, notes: Notes) -> list[Block]:
    """A document that is written out in the call: its words, and the pictures among them."""
    held = source.get("data") if isinstance(source.get("data"), str) else source.get("content")
    parts = [Text(held)] if isinstance(held, str) else _blocks(Given({"content": held}, "source"), "content", notes)
    words = "".join(part.text for part in parts if isinstance(part, Text))
    pictures = [part for part in parts if isinstance(part, Media)]
    return [*pictures, Text(f"{title}\n{words}".strip(), cache)]
