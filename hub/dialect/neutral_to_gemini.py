"""A request in Gemini's generateContent, written."""

import re
from collections.abc import Mapping
from typing import Any

from hub.core.plan import Deployment
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
from hub.dialect.turns import merged, system_first, tool_names

VENDOR = "gemini"
_LEVELLED = re.compile(r"gemini-(?:[3-9]|\d\d)")
_LEVELS = {
    "minimal": "LOW", "low": "LOW", "medium": "MEDIUM", "high": "HIGH", "xhigh": "HIGH", "max": "HIGH"
}  # fmt: skip
_BUDGETS = {"minimal": 512, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
_MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE", "tool": "ANY"}
# What Google takes for the signature of a call that another model made.
FOREIGN_SIGNATURE = "skip_thought_signature_validator"
# Extras that this dialect itself has a home for.
_OWN = ("safetySettings", "cachedContent", "labels")


def write_request(request: Request, deployment: Deployment, stream: bool, notes: Notes) -> dict[str, Any]:
    """The call for `deployment`; its path names the model and whether it streams."""
    del stream
    levelled = _LEVELLED.search(deployment.model) is not None
    system, turns = system_first(request.messages)
    writer = _Writer(notes, tool_names(request.messages), signs=levelled)
    contents = [writer.content(turn) for turn in merged(turns)]
    body: dict[str, Any] = {"contents": [content for content in contents if content["parts"]]}
    if system:
        body["systemInstruction"] = {"parts": [{"text": block.text} for block in system if isinstance(block, Text)]}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_tool(tool) for tool in request.tools]}]
        if request.choice is not None:
            body["toolConfig"] = {"functionCallingConfig": _choice(request.choice)}
    config = _config(request, levelled=levelled)
    if config:
        body["generationConfig"] = config
    for name, value in request.extras.items():
        if name in _OWN:
            body[name] = value
        else:
            notes.drop(name)
    left: Mapping[str, Any] = {
        "n": request.count > 1, "verbosity": request.verbosity, "user": request.user,
        "parallel_tool_calls": request.parallel is False, "service_tier": request.tier not in ("", "auto", "default"),
    }  # fmt: skip
    notes.drop(*(name for name, value in left.items() if value))
    return body


def _config(request: Request, *, levelled: bool) -> dict[str, Any]:
    schema = request.form.schema if request.form is not None else None
    plain = {
        "maxOutputTokens": request.max_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "presencePenalty": request.presence,
        "frequencyPenalty": request.frequency,
        "seed": request.seed,
        "stopSequences": list(request.stop) or None,
        "responseMimeType": "application/json" if request.form is not None else None,
        "responseJsonSchema": schema,
        "responseLogprobs": request.logprobs or None,
        "logprobs": request.top_logprobs,
        "thinkingConfig": _thinking(request, levelled=levelled),
    }
    return {name: value for name, value in plain.items() if value is not None}


def _thinking(request: Request, *, levelled: bool) -> dict[str, Any] | None:
    thought = request.thought
    if thought.mode == "off":
        return None if levelled else {"thinkingBudget": 0}
    if not thought.mode and not thought.effort:
        return None
    told: dict[str, Any] = {} if thought.shown is False else {"includeThoughts": True}
    if levelled and thought.effort:
        told["thinkingLevel"] = _LEVELS.get(thought.effort, "HIGH")
    elif not levelled and (thought.budget or thought.effort):
        told["thinkingBudget"] = min(thought.budget or _BUDGETS.get(thought.effort, 8192), 24_576)
    return told


def _tool(tool: Tool) -> dict[str, Any]:
    written: dict[str, Any] = {"name": tool.flat}
    if tool.description:
        written["description"] = tool.description
    schema = schema_of(tool)
    if schema.get("properties") or schema.get("$ref") or schema.get("anyOf"):
        written["parametersJsonSchema"] = schema
    return written


def _choice(choice: Choice) -> dict[str, Any]:
    names = [flat("", choice.name)] if choice.kind == "tool" else list(choice.names)
    mode = _MODES[choice.kind]
    return {"mode": mode, **({"allowedFunctionNames": names} if names and mode == "ANY" else {})}


class _Writer:
    def __init__(self, notes: Notes, names: Mapping[str, str], *, signs: bool) -> None:
        self._notes = notes
        self._names = names
        self._signs = signs

    def content(self, message: Message) -> dict[str, Any]:
        """A turn. Signatures of calls that came back as blocks of their own return to their calls."""
        signed = {
            block.id: block.signature
            for block in message.content
            if isinstance(block, Thinking) and block.origin == VENDOR and block.id
        }
        parts: list[dict[str, Any]] = []
        for block in message.content:
            if isinstance(block, ToolUse):
                first = not any("functionCall" in part for part in parts)
                parts.append(self._call(block, block.signature or signed.get(block.id, ""), first=first))
            else:
                parts += self._parts(block)
        return {"role": "model" if message.role == "assistant" else "user", "parts": parts}

    def _call(self, use: ToolUse, signature: str, *, first: bool) -> dict[str, Any]:
        value = {"input": use.arguments} if use.freeform else json_object(use.arguments)
        part: dict[str, Any] = {"functionCall": {"name": flat(use.namespace, use.name), "args": value}}
        if signature:
            part["thoughtSignature"] = signature
        elif first and self._signs:  # these models insist on one for the first call of a turn
            part["thoughtSignature"] = FOREIGN_SIGNATURE
        return part

    def _parts(self, block: Block) -> list[dict[str, Any]]:
        if getattr(block, "cache", ""):
            self._notes.drop("cache_control")
        match block:
            case Text():
                signed = {"thoughtSignature": block.signature} if block.signature else {}
                return [{"text": block.text} | signed] if block.text or signed else []
            case Refused():
                return [{"text": block.text}]
            case Thinking():
                return self._thinking(block)
            case Media():
                media = self._media(block)
                return [media] if media else []
            case ToolResult():
                return self._result(block)
            case ToolUse():
                return []

    def _thinking(self, block: Thinking) -> list[dict[str, Any]]:
        if block.origin == VENDOR and block.signature and not block.id:
            return [{"text": block.text, "thought": True, "thoughtSignature": block.signature}]
        if block.signature and block.origin != VENDOR:
            self._notes.drop("messages.content.thinking")
        return []

    def _result(self, result: ToolResult) -> list[dict[str, Any]]:
        text = "\n".join(block.text for block in result.content if isinstance(block, Text))
        name = self._names.get(result.id) or flat("", result.name or "tool")
        response = {"name": name, "response": {"error" if result.failed else "output": text}}
        media = [part for block in result.content if isinstance(block, Media) and (part := self._media(block))]
        return [{"functionResponse": response}, *media]

    def _media(self, media: Media) -> dict[str, Any] | None:
        if media.cited:
            self._notes.drop("messages.content.citations")
        if media.data:
            return {"inlineData": {"mimeType": mime_of(media), "data": media.data}}
        if media.url:
            return {"fileData": {"mimeType": mime_of(media), "fileUri": media.url}}
        self._notes.drop(f"messages.content.{media.kind}")
        return None
