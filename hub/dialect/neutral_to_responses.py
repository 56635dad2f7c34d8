"""A request in OpenAI's Responses, written."""

import re
from typing import Any

from hub.core.plan import Deployment
from hub.dialect.caching import breakpoint_of, takes_breakpoints
from hub.dialect.given import Notes
from hub.dialect.media import data_url, format_of
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
    Tool,
    ToolResult,
    ToolUse,
    flat,
)
from hub.dialect.neutral_to_chat import EXTRAS, effort_of, extras, schema_of
from hub.dialect.sampling import without_sampling
from hub.dialect.turns import undrawn

VENDOR = "openai"
_REASONS = re.compile(r"^(?:o\d|gpt-[5-9]|codex|gpt-oss)")
_CALL, _RESULT = ("function_call", "custom_tool_call"), ("function_call_output", "custom_tool_call_output")


def write_request(request: Request, deployment: Deployment, stream: bool, notes: Notes) -> dict[str, Any]:
    """The call for `deployment`. Nothing is kept at the provider: what was signed comes back with each call."""
    request = without_sampling(request, deployment.model, notes)
    writer = _Writer(notes, marks=takes_breakpoints(deployment.model))
    body: dict[str, Any] = {"model": deployment.model, "input": writer.items(request.messages)}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
        if request.parallel is not None:
            body["parallel_tool_calls"] = request.parallel
        if request.choice is not None:
            body["tool_choice"] = _choice(request.choice, request.tools)
    reasons = _REASONS.match(deployment.model.rpartition("/")[2]) is not None
    include = ["reasoning.encrypted_content"] if reasons else []
    if request.logprobs:
        include.append("message.output_text.logprobs")
    text = {"format": _form(request.form), "verbosity": request.verbosity or None}
    plain = {
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "reasoning": _reasoning(request) if reasons else None,
        "text": {name: value for name, value in text.items() if value is not None} or None,
        "include": include or None,
        "top_logprobs": request.top_logprobs,
        "user": request.user or None,
        "service_tier": request.tier if request.tier in ("auto", "default", "flex", "priority") else None,
    }
    body |= {name: value for name, value in plain.items() if value is not None}
    body["store"] = False
    left = {
        "top_k": request.top_k, "presence_penalty": request.presence, "frequency_penalty": request.frequency,
        "seed": request.seed, "stop": request.stop, "n": request.count > 1,
        "thinking": not reasons and request.thought.mode in ("on", "adaptive"),
    }  # fmt: skip
    notes.drop(*(name for name, value in left.items() if value))
    extras(request, body, notes, EXTRAS)
    if stream:
        body["stream"] = True
    return body


def _reasoning(request: Request) -> dict[str, Any] | None:
    effort = effort_of(request)
    thought = request.thought
    told = {"effort": effort} if effort else {}
    if thought.mode in ("on", "adaptive") and thought.shown is not False:
        told["summary"] = "auto"
    return told or None


def _form(form: Form | None) -> dict[str, Any] | None:
    if form is None:
        return None
    if form.schema is None:
        return {"type": "json_object"}
    held = {"name": form.name, "description": form.description or None, "schema": form.schema, "strict": form.strict}
    return {"type": "json_schema", **{name: value for name, value in held.items() if value is not None}}


def _tool(tool: Tool) -> dict[str, Any]:
    if tool.freeform:
        return {"type": "custom", "name": tool.flat, "description": tool.description}
    written = {"type": "function", "name": tool.flat, "description": tool.description or None}
    kept: dict[str, Any] = {name: value for name, value in written.items() if value is not None}
    return kept | {"parameters": schema_of(tool), "strict": tool.strict or False}


def _choice(choice: Choice, tools: tuple[Tool, ...]) -> Any:
    if choice.kind != "tool":
        return choice.kind
    freeform = any(tool.freeform and tool.flat == choice.name for tool in tools)
    return {"type": "custom" if freeform else "function", "name": flat("", choice.name)}


class _Writer:
    def __init__(self, notes: Notes, *, marks: bool) -> None:
        self._notes = notes
        self._marks = marks

    def items(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        return [item for message in messages for item in self._message(message)]

    def _message(self, message: Message) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        parts: list[dict[str, Any]] = []

        def close() -> None:
            if parts:
                items.append({"type": "message", "role": message.role, "content": parts.copy()})
                parts.clear()

        for block in undrawn(message.content, self._notes) if message.role == "assistant" else message.content:
            item = self._item(block)
            if item is not None:
                close()
                items.append(item)
            elif (part := self._part(block, message.role)) is not None:
                parts.append(part)
        close()
        return items

    def _item(self, block: Block) -> dict[str, Any] | None:
        match block:
            case Thinking() if block.origin == VENDOR:
                summary = [{"type": "summary_text", "text": block.text}] if block.text else []
                named = {"id": block.id} if block.id else {}
                return {"type": "reasoning", **named, "summary": summary, "encrypted_content": block.signature}
            case ToolUse():
                name = flat(block.namespace, block.name)
                call = {"type": _CALL[block.freeform], "call_id": block.id, "name": name}
                return call | {"input" if block.freeform else "arguments": block.arguments}
            case ToolResult():
                return {"type": _RESULT[block.freeform], "call_id": block.id, "output": self._output(block)}
            case _:
                return None

    def _output(self, result: ToolResult) -> Any:
        parts = [part for block in result.content if (part := self._part(block, "user")) is not None]
        if all(part["type"] == "input_text" for part in parts):
            text = "\n".join(part["text"] for part in parts)
            return f"Error: {text}" if result.failed else text
        return [{"type": "input_text", "text": "Error:"}, *parts] if result.failed else parts

    def _part(self, block: Block, role: str) -> dict[str, Any] | None:
        match block:
            case Text():
                if role == "assistant":
                    return {"type": "output_text", "text": block.text}
                return {"type": "input_text", "text": block.text} | self._mark(block.cache)
            case Refused():
                return {"type": "refusal", "refusal": block.text}
            case Media():
                return self._media(block)
            case Thinking():
                if block.signature:
                    self._notes.drop("messages.content.thinking")
                return None
            case _:
                return None

    def _mark(self, cache: str) -> dict[str, Any]:
        if not cache or self._marks:
            return breakpoint_of(cache) if cache else {}
        self._notes.drop("cache_control")
        return {}

    def _media(self, media: Media) -> dict[str, Any] | None:
        if media.cited:
            self._notes.drop("messages.content.citations")
        if media.kind == "image" and (media.data or media.url):
            image = {"type": "input_image", "image_url": data_url(media), "detail": media.detail or "auto"}
            return image | self._mark(media.cache)
        if media.kind == "file" and media.data:
            name = media.name or f"file.{format_of(media, 'pdf')}"
            return {"type": "input_file", "filename": name, "file_data": data_url(media)}
        if media.kind == "file" and media.url:
            return {"type": "input_file", "file_url": media.url}
        self._notes.drop(f"messages.content.{media.kind}")
        return None
