"""A request in Bedrock's Converse, written."""

import re
from typing import Any

from hub.core.plan import Deployment
from hub.dialect.given import Notes, json_object, json_text
from hub.dialect.media import format_of
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
from hub.dialect.neutral_to_messages import call_id, left_behind, nucleus_of, stops_of, temperature_of, thinking_of
from hub.dialect.turns import merged, system_first, tools_called, undrawn

VENDOR = "anthropic"  # whose signatures Converse carries
_BAD_NAME = re.compile(r"[^a-zA-Z0-9 ()\[\]-]+")
_CLAUDE = re.compile(r"anthropic|claude")
_CACHES = re.compile(r"anthropic|claude|nova")


def write_request(request: Request, deployment: Deployment, stream: bool, notes: Notes) -> dict[str, Any]:
    """The call for `deployment`; its path names the model and whether it streams."""
    del stream
    writer = _Writer(notes, caches=_CACHES.search(deployment.model) is not None)
    system, turns = system_first(request.messages)
    messages = [written for turn in merged(turns) if (written := writer.message(turn))["content"]]
    body: dict[str, Any] = {}
    if system:
        body["system"] = writer.blocks(system)
    body["messages"] = messages
    more: dict[str, Any] = {}
    effort = ""
    if _CLAUDE.search(deployment.model):
        thinking, effort = thinking_of(request, deployment.model, request.max_tokens or 4096, notes)
        more = {"thinking": thinking} if thinking else {}
        if request.top_k is not None and not thinking:
            more["top_k"] = request.top_k
    elif request.thought.mode in ("on", "adaptive"):
        notes.drop("thinking")
    inference = {
        "maxTokens": request.max_tokens,
        "temperature": temperature_of(request, notes, thinking=bool(more.get("thinking"))),
        "topP": nucleus_of(request, deployment.model, notes, thinking=bool(more.get("thinking"))),
        "stopSequences": stops_of(request, notes),
    }
    if set_ := {name: value for name, value in inference.items() if value is not None}:
        body["inferenceConfig"] = set_
    if config := writer.tools(request):
        body["toolConfig"] = config
    if output := _output(request, effort, notes):
        body["outputConfig"] = output
    if more:
        body["additionalModelRequestFields"] = more
    left = {"parallel_tool_calls": request.parallel is False, "user": request.user}
    notes.drop(*left_behind(request), *(name for name, value in left.items() if value), *request.extras)
    return body


def _output(request: Request, effort: str, notes: Notes) -> dict[str, Any]:
    output: dict[str, Any] = {"effort": effort} if effort else {}
    form = request.form
    if form is not None and form.schema is not None:
        held = {"schema": json_text(form.schema), "name": form.name, "description": form.description}
        schema = {name: value for name, value in held.items() if value}
        output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": schema}}
    elif form is not None:
        notes.drop("response_format")
    return output


class _Writer:
    def __init__(self, notes: Notes, *, caches: bool) -> None:
        self._notes = notes
        self._caches = caches
        self._files: dict[str, int] = {}

    def message(self, message: Message) -> dict[str, Any]:
        blocks = undrawn(message.content, self._notes) if message.role == "assistant" else message.content
        content = self.blocks(blocks)
        if content and all("document" in part or "cachePoint" in part for part in content):
            content.insert(0, {"text": "See the attached document."})  # a document must not stand alone
        return {"role": message.role, "content": content}

    def blocks(self, blocks: tuple[Block, ...]) -> list[dict[str, Any]]:
        written: list[dict[str, Any]] = []
        for block in blocks:
            part = self._block(block)
            if part is None:
                continue
            written.append(part)
            written += self._mark(getattr(block, "cache", ""))
        return written

    def _mark(self, cache: str) -> list[dict[str, Any]]:
        if cache and not self._caches:
            self._notes.drop("cache_control")
        if not cache or not self._caches:
            return []
        return [{"cachePoint": {"type": "default", **({"ttl": cache} if cache == "1h" else {})}}]

    def tools(self, request: Request) -> dict[str, Any]:
        """The tools. None can be forbidden here: then only those are told that the conversation has called."""
        choice, called = request.choice, tools_called(request.messages)
        forbidden = choice is not None and choice.kind == "none"
        offered = called if forbidden or not request.tools else request.tools
        if forbidden and called:
            self._notes.drop("tool_choice")
        return self._config(offered, None if forbidden else choice) if offered else {}

    def _config(self, tools: tuple[Tool, ...], choice: Choice | None) -> dict[str, Any]:
        listed: list[dict[str, Any]] = []
        for tool in tools:
            schema = schema_of(tool)
            spec: dict[str, Any] = {"name": tool.flat, "inputSchema": {"json": {"type": "object", **schema}}}
            if tool.description:
                spec["description"] = tool.description
            if tool.strict:
                spec["strict"] = True
            listed.append({"toolSpec": spec})
            listed += self._mark(tool.cache)
        config: dict[str, Any] = {"tools": listed}
        if choice is not None and choice.kind in ("required", "tool"):
            config["toolChoice"] = {"tool": {"name": flat("", choice.name)}} if choice.kind == "tool" else {"any": {}}
        elif choice is not None:
            config["toolChoice"] = {"auto": {}}
        return config

    def _block(self, block: Block) -> dict[str, Any] | None:
        match block:
            case Text() | Refused():
                return {"text": block.text} if block.text.strip() else None
            case Media():
                return self._media(block)
            case Thinking():
                return self._thinking(block)
            case ToolUse():
                value = {"input": block.arguments} if block.freeform else json_object(block.arguments)
                use = {"toolUseId": call_id(block.id), "name": flat(block.namespace, block.name), "input": value}
                return {"toolUse": use}
            case ToolResult():
                return self._result(block)

    def _thinking(self, block: Thinking) -> dict[str, Any] | None:
        if block.origin != VENDOR:
            if block.signature:
                self._notes.drop("messages.content.thinking")
            return None
        if block.redacted:
            return {"reasoningContent": {"redactedContent": block.signature}}
        return {"reasoningContent": {"reasoningText": {"text": block.text, "signature": block.signature}}}

    def _result(self, result: ToolResult) -> dict[str, Any]:
        content = [part for block in result.content if (part := self._block(block)) is not None]
        held: dict[str, Any] = {"toolUseId": call_id(result.id), "content": content or [{"text": "(nothing)"}]}
        if result.failed:
            held["status"] = "error"
        return {"toolResult": held}

    def _media(self, media: Media) -> dict[str, Any] | None:
        if media.data and media.kind in ("image", "video", "audio"):
            form = format_of(media, {"image": "png", "video": "mp4"}.get(media.kind, "wav"))
            return {media.kind: {"format": form, "source": {"bytes": media.data}}}
        if media.data and media.kind == "file":
            document: dict[str, Any] = {"format": format_of(media, "pdf"), "name": self._named(media.name)}
            document["source"] = {"bytes": media.data}
            return {"document": document | ({"citations": {"enabled": True}} if media.cited else {})}
        self._notes.drop(f"messages.content.{media.kind}")
        return None

    def _named(self, name: str) -> str:
        """A document's name as Converse takes it: of few characters, and each once."""
        plain = _BAD_NAME.sub(" ", name.rpartition(".")[0] or name).strip()[:180] or "document"
        self._files[plain] = number = self._files.get(plain, 0) + 1
        return plain if number == 1 else f"{plain} {number}"
