"""A request in Anthropic's Messages, written."""

import re
from base64 import b64decode
from typing import Any

from hub.core.plan import Deployment
from hub.core.refusal import Malformed
from hub.dialect.caching import ephemeral
from hub.dialect.given import Notes, json_object
from hub.dialect.media import mime_of
from hub.dialect.neutral import (
    Block,
    Choice,
    Media,
    Message,
    Refused,
    Request,
    Text,
    Thinking,
    Tool,
    ToolResult,
    ToolUse,
    flat,
)
from hub.dialect.neutral_to_chat import schema_of
from hub.dialect.turns import merged, system_first, tools_called, undrawn

VENDOR = "anthropic"
_BAD_ID = re.compile(r"[^a-zA-Z0-9_-]")
# Models that choose by themselves how much to think; they take an effort and no budget.
_ADAPTIVE = re.compile(r"claude-(?:[a-z]+-)?(?:[a-z]+-)?(?:4-[6-9]|[5-9])(?:-|$|@|v)|claude-(?:fable|mythos)")
# Models that take a temperature or a nucleus, and refuse a call with both.
_EITHER = re.compile(r"claude-(?:[a-z]+-)?(?:[a-z]+-)?(?:4-[1-9]|[5-9])(?:-|$|@|v)|claude-(?:fable|mythos)")
# The most that old models produce; a call must name a limit.
_OUTPUT = ((re.compile(r"claude-3-[57]"), 8192), (re.compile(r"claude-(?:3|2|instant)"), 4096))
_USUAL_OUTPUT = 32_000
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576, "max": 31_999}
_EFFORTS = {"minimal": "low", "none": "low"}
_LEAST_BUDGET = 1024


def write_request(request: Request, deployment: Deployment, stream: bool, notes: Notes) -> dict[str, Any]:
    """The call for `deployment`."""
    writer = _Writer(notes)
    system, turns = system_first(request.messages)
    messages = [written for turn in merged(turns) if (written := writer.message(turn))["content"]]
    most = request.max_tokens if request.max_tokens is not None else usual_output(deployment.model)
    body: dict[str, Any] = {"model": deployment.model, "max_tokens": most}
    if system:
        body["system"] = writer.blocks(system)
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        choice = _choice(request.choice, request.parallel)
        if choice:
            body["tool_choice"] = choice
    elif called := tools_called(request.messages):
        body |= {"tools": [_tool(tool) for tool in called], "tool_choice": {"type": "none"}}
    body["messages"] = messages
    thinking, effort = thinking_of(request, deployment.model, most, notes)
    output: dict[str, Any] = {"effort": effort} if effort else {}
    if request.form is not None and request.form.schema is not None:
        output["format"] = {"type": "json_schema", "schema": request.form.schema}
    elif request.form is not None:
        notes.drop("response_format")
    plain = {
        "temperature": temperature_of(request, notes, thinking=bool(thinking)),
        "top_p": nucleus_of(request, deployment.model, notes, thinking=bool(thinking)),
        "top_k": request.top_k if not thinking else None,
        "stop_sequences": stops_of(request, notes),
        "thinking": thinking,
        "output_config": output or None,
        "metadata": {"user_id": request.user} if request.user else None,
        "service_tier": request.tier if request.tier in ("auto", "standard_only") else None,
        "stream": stream or None,
    }
    body |= {name: value for name, value in plain.items() if value is not None}
    if thinking and request.top_k:
        notes.drop("top_k")
    notes.drop(*left_behind(request), *request.extras)
    return body


def nucleus_of(request: Request, model: str, notes: Notes, *, thinking: bool) -> float | None:
    """The nucleus, where the model takes one beside what else is said. Thinking is done at the vendor's own settings."""
    if request.top_p is None or not (thinking or (request.temperature is not None and _EITHER.search(model))):
        return request.top_p
    if request.top_p != 1:
        notes.drop("top_p")
    return None


def left_behind(request: Request) -> list[str]:
    """What of a call only OpenAI's dialects have a home for."""
    found = {
        "presence_penalty": request.presence,
        "frequency_penalty": request.frequency,
        "seed": request.seed,
        "n": request.count > 1,
        "logprobs": request.logprobs,
        "top_logprobs": request.top_logprobs,
        "verbosity": request.verbosity,
    }
    return [name for name, value in found.items() if value]


def usual_output(model: str) -> int:
    """How many tokens a model may produce when the caller sets no limit."""
    return next((most for pattern, most in _OUTPUT if pattern.search(model)), _USUAL_OUTPUT)


def stops_of(request: Request, notes: Notes) -> list[str] | None:
    """Where to stop. A sequence of blanks alone is refused."""
    kept = [one for one in request.stop if one.strip()]
    if len(kept) < len(request.stop):
        notes.drop("stop")
    return kept or None


def temperature_of(request: Request, notes: Notes, *, thinking: bool) -> float | None:
    """The temperature on a scale that ends at 1, where OpenAI's and Google's end at 2. Who thinks takes none."""
    if request.temperature is None:
        return None
    if request.temperature > 1 or (thinking and request.temperature != 1):
        notes.drop("temperature")
    return None if thinking else min(request.temperature, 1.0)


def thinking_of(request: Request, model: str, most: int, notes: Notes) -> tuple[dict[str, Any] | None, str]:
    """How to think, and the effort, in what this model understands."""
    thought = request.thought
    shown = {} if thought.shown is None else {"display": "summarized" if thought.shown else "omitted"}
    if thought.mode == "off":
        return {"type": "disabled"} if thought.budget is not None else None, ""
    adaptive = _ADAPTIVE.search(model) is not None
    effort = _EFFORTS.get(thought.effort, thought.effort)
    if not thought.mode:
        return None, effort if adaptive else ""
    if _unthinking_call(request):
        notes.drop("thinking")
        return None, effort if adaptive else ""
    if adaptive:
        return {"type": "adaptive", **shown}, effort
    budget = thought.budget or _BUDGETS.get(thought.effort or "medium", 8192)
    budget = min(budget, most - 1)
    if budget < _LEAST_BUDGET or (request.choice and request.choice.kind in ("required", "tool")):
        notes.drop("thinking")
        return None, ""
    return {"type": "enabled", "budget_tokens": budget, **shown}, ""


def _unthinking_call(request: Request) -> bool:
    """Whether the turn that goes on began with a tool call without signed thinking: then none may be asked for."""
    for message in reversed(request.messages):
        if message.role == "assistant":
            uses = any(isinstance(block, ToolUse) for block in message.content)
            signed = any(isinstance(block, Thinking) and block.origin == VENDOR for block in message.content)
            return uses and not signed
        if message.role == "user" and not any(isinstance(block, ToolResult) for block in message.content):
            return False
    return False


def _tool(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.flat}
    if tool.description:
        written["description"] = tool.description
    schema = schema_of(tool)
    written["input_schema"] = schema if schema.get("type") else {"type": "object", **schema}
    if tool.strict:
        written["strict"] = True
    return written | ephemeral(tool.cache)


def _choice(choice: Choice | None, parallel: bool | None) -> dict[str, Any] | None:
    kind = choice.kind if choice else "auto"
    named: dict[str, Any] = {"type": {"required": "any"}.get(kind, kind)}
    if choice and kind == "tool":
        named["name"] = flat("", choice.name)
    if parallel is False and kind != "none":
        named["disable_parallel_tool_use"] = True
    return named if choice or parallel is False else None


class _Writer:
    def __init__(self, notes: Notes) -> None:
        self._notes = notes

    def message(self, message: Message) -> dict[str, Any]:
        blocks = undrawn(message.content, self._notes) if message.role == "assistant" else message.content
        return {"role": message.role, "content": self.blocks(blocks)}

    def blocks(self, blocks: tuple[Block, ...]) -> list[dict[str, Any]]:
        return [written for block in blocks if (written := self._block(block)) is not None]

    def _block(self, block: Block) -> dict[str, Any] | None:
        match block:
            case Text():
                return {"type": "text", "text": block.text} | ephemeral(block.cache) if block.text else None
            case Refused():
                return {"type": "text", "text": block.text} if block.text else None
            case Media():
                return self._media(block)
            case Thinking():
                return self._thinking(block)
            case ToolUse():
                value = {"input": block.arguments} if block.freeform else json_object(block.arguments)
                name = flat(block.namespace, block.name)
                use = {"type": "tool_use", "id": call_id(block.id), "name": name, "input": value}
                return use | ephemeral(block.cache)
            case ToolResult():
                return self._result(block)

    def _thinking(self, block: Thinking) -> dict[str, Any] | None:
        if block.origin != VENDOR:
            if block.signature:
                self._notes.drop("messages.content.thinking")
            return None
        if block.redacted:
            return {"type": "redacted_thinking", "data": block.signature}
        return {"type": "thinking", "thinking": block.text, "signature": block.signature}

    def _result(self, block: ToolResult) -> dict[str, Any]:
        written: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id(block.id)}
        content = self.blocks(block.content)
        if len(content) == 1 and set(content[0]) == {"type", "text"}:
            written["content"] = content[0]["text"]
        elif content:
            written["content"] = content
        if block.failed:
            written["is_error"] = True
        return written | ephemeral(block.cache)

    def _media(self, media: Media) -> dict[str, Any] | None:
        if media.kind not in ("image", "file") or not (media.data or media.url):
            self._notes.drop(f"messages.content.{media.kind}")
            return None
        mime = mime_of(media)
        if media.kind == "file" and media.data and mime.startswith("text/"):
            source: dict[str, Any] = {"type": "text", "media_type": "text/plain", "data": decoded(media.data)}
        elif media.data:
            source = {"type": "base64", "media_type": mime, "data": media.data}
        else:
            source = {"type": "url", "url": media.url}
        written: dict[str, Any] = {"type": "image" if media.kind == "image" else "document", "source": source}
        if media.kind == "file" and media.name:
            written["title"] = media.name
        if media.cited:
            written["citations"] = {"enabled": True}
        return written | ephemeral(media.cache)


def call_id(id_: str) -> str:
    """An id of a tool call as this dialect takes it; the same id always gives the same."""
    return _BAD_ID.sub("_", id_) or "call"


def decoded(data: str) -> str:
    """The text in base64 bytes."""
    try:
        return b64decode(data + "=" * (-len(data) % 4)).decode(errors="replace")
    except ValueError:
        raise Malformed("malformed", "A file's data is not base64.") from None
