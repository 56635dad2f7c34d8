"""A request in OpenAI's Chat Completions, written."""

from typing import Any

from hub.core.plan import Deployment
from hub.dialect.caching import breakpoint_of, ephemeral, takes_breakpoints
from hub.dialect.chat_details import details_in
from hub.dialect.given import Notes, json_text
from hub.dialect.media import data_url, format_of, write_picture
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
    Tool,
    ToolResult,
    ToolUse,
    flat,
)
from hub.dialect.sampling import without_sampling

# Fields of the OpenAI family that mean the same in its other dialect.
EXTRAS = ("metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier")
_EFFORTS = {"max": "xhigh"}
# A budget of thinking tokens as an effort: up to this many.
_BUDGETS = ((2048, "low"), (10_000, "medium"))


def write_request(request: Request, deployment: Deployment, stream: bool, notes: Notes) -> dict[str, Any]:
    """The call for `deployment`, which may be OpenAI itself or any server of its dialect."""
    own = deployment.kind in ("openai", "azure-openai")
    if own:
        request = without_sampling(request, deployment.model, notes)
    writer = _Writer(notes, own=own, marks=takes_breakpoints(deployment.model), thoughts=request.keeps_thoughts)
    body: dict[str, Any] = {"model": deployment.model, "messages": writer.messages(request.messages)}
    if request.tools:
        body["tools"] = [_tool(tool, own=own) for tool in request.tools]
        if request.parallel is not None:
            body["parallel_tool_calls"] = request.parallel
        if request.choice is not None:
            body["tool_choice"] = _choice(request.choice, request.tools)
    plain = {
        "max_completion_tokens" if own else "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "presence_penalty": request.presence,
        "frequency_penalty": request.frequency,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "reasoning_effort": effort_of(request),
        "response_format": _form(request.form),
        "logprobs": request.logprobs or None,
        "top_logprobs": request.top_logprobs,
        "verbosity": request.verbosity or None,
        "user": request.user or None,
        "service_tier": request.tier if request.tier in ("auto", "default", "flex", "priority") else None,
        "top_k": None if own else request.top_k,
    }
    body |= {name: value for name, value in plain.items() if value is not None}
    if own and request.top_k is not None:
        notes.drop("top_k")
    if request.count > 1:
        notes.drop("n")
    extras(request, body, notes, EXTRAS if own else ())
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def extras(request: Request, body: dict[str, Any], notes: Notes, known: tuple[str, ...]) -> None:
    """Add to `body` what it has a home for; the rest is left behind."""
    for name, value in request.extras.items():
        if name in known:
            body[name] = value
        else:
            notes.drop(name)


def effort_of(request: Request) -> str | None:
    """The effort of thinking in OpenAI's words."""
    thought = request.thought
    if thought.effort:
        return _EFFORTS.get(thought.effort, thought.effort)
    if thought.budget:
        return next((effort for most, effort in _BUDGETS if thought.budget <= most), "high")
    return None


def _form(form: Form | None) -> dict[str, Any] | None:
    if form is None:
        return None
    if form.schema is None:
        return {"type": "json_object"}
    held = {"name": form.name, "description": form.description or None, "schema": form.schema, "strict": form.strict}
    return {"type": "json_schema", "json_schema": {name: value for name, value in held.items() if value is not None}}


def _tool(tool: Tool, *, own: bool) -> dict[str, Any]:
    if tool.freeform and own:
        return {"type": "custom", "custom": {"name": tool.flat, "description": tool.description}}
    function: dict[str, Any] = {"name": tool.flat}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = schema_of(tool)
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def schema_of(tool: Tool) -> Any:
    """The schema of a tool's arguments; text is given as the one field `input`."""
    if tool.freeform:
        return {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    return tool.schema or {"type": "object", "properties": {}}


def _choice(choice: Choice, tools: tuple[Tool, ...]) -> Any:
    if choice.kind == "tool":
        kind = "custom" if any(tool.freeform and tool.flat == choice.name for tool in tools) else "function"
        return {"type": kind, kind: {"name": flat("", choice.name)}}
    return choice.kind


class _Writer:
    def __init__(self, notes: Notes, *, own: bool, marks: bool, thoughts: bool) -> None:
        self._notes = notes
        self._own = own
        self._marks = marks
        self._thoughts = thoughts

    def messages(self, messages: tuple[Message, ...]) -> list[dict[str, Any]]:
        return [written for message in messages for written in self._message(message)]

    def _message(self, message: Message) -> list[dict[str, Any]]:
        if message.role == "assistant":
            return [self._assistant(message)]
        out: list[dict[str, Any]] = []
        rest: list[Block] = []
        for block in message.content:
            if isinstance(block, ToolResult):
                out.append(self._result(block, rest))
            else:
                rest.append(block)
        if rest or not out:
            named = {"name": message.name} if message.name else {}
            out.append({"role": message.role, **named, "content": self._content(rest)})
        return out

    def _result(self, result: ToolResult, rest: list[Block]) -> dict[str, Any]:
        """A tool's answer. It can only be text here: what else it holds goes into the message that follows."""
        texts = [block.text for block in result.content if isinstance(block, Text)]
        media = [block for block in result.content if isinstance(block, Media)]
        if media:
            rest.append(Text(f"What the tool call {result.id} returned:"))
            rest += media
        text = "\n".join(texts) or ("See the next message." if media else "")
        return {"role": "tool", "tool_call_id": result.id, "content": f"Error: {text}" if result.failed else text}

    def _content(self, blocks: list[Block]) -> Any:
        parts = [part for block in blocks if (part := self._part(block)) is not None]
        if len(parts) == 1 and set(parts[0]) == {"type", "text"}:
            return parts[0]["text"]
        return parts or ""

    def _part(self, block: Block) -> dict[str, Any] | None:
        match block:
            case Text():
                return {"type": "text", "text": block.text} | self._mark(block.cache)
            case Refused():
                return {"type": "refusal", "refusal": block.text}
            case Media():
                return self._media(block)
            case _:
                return None

    def _mark(self, cache: str) -> dict[str, Any]:
        """Where to cache: in OpenAI's words for itself, in Anthropic's for the servers of its dialect that read them."""
        if not cache:
            return {}
        if not self._own:
            return ephemeral(cache)
        if not self._marks:
            self._notes.drop("cache_control")
            return {}
        return breakpoint_of(cache)

    def _media(self, media: Media) -> dict[str, Any] | None:
        if media.cited:
            self._notes.drop("messages.content.citations")
        if media.kind == "image" and (media.data or media.url):
            detail = {"detail": media.detail} if media.detail else {}
            return {"type": "image_url", "image_url": {"url": data_url(media), **detail}} | self._mark(media.cache)
        if media.kind == "audio" and media.data:
            return {"type": "input_audio", "input_audio": {"data": media.data, "format": format_of(media, "wav")}}
        if media.kind == "file" and media.data:
            name = media.name or f"file.{format_of(media, 'pdf')}"
            return {"type": "file", "file": {"filename": name, "file_data": data_url(media)}} | self._mark(media.cache)
        if media.kind == "video" and not self._own:
            return {"type": "video_url", "video_url": {"url": data_url(media)}}
        self._notes.drop(f"messages.content.{media.kind}")
        return None

    def _assistant(self, message: Message) -> dict[str, Any]:
        said = message.content
        texts: list[Block] = [block for block in said if isinstance(block, Text)]
        refusals = [block.text for block in said if isinstance(block, Refused)]
        thoughts = [self._thought(block) for block in said if isinstance(block, Thinking)]
        calls = [self._call(block) for block in said if isinstance(block, ToolUse)]
        pictures = self._pictures([block for block in said if isinstance(block, Media)])
        written: dict[str, Any] = {"role": "assistant", "content": self._content(texts) or None}
        if refusals:
            written["refusal"] = "\n".join(refusals)
        if text := "\n".join(filter(None, thoughts)):
            written["reasoning_content"] = text
        if details := self._details([block for block in said if isinstance(block, Thinking)]):
            written["reasoning_details"] = details
        if pictures:
            written["images"] = pictures
        if calls:
            written["tool_calls"] = calls
        elif written["content"] is None and not refusals:
            written["content"] = ""
        return written

    def _pictures(self, drawn: list[Media]) -> list[dict[str, Any]]:
        """What the model has drawn before, for the servers of this dialect that take it back."""
        kept = [media for media in drawn if media.kind == "image" and not self._own]
        self._notes.drop(*(f"messages.content.{media.kind}" for media in drawn if media not in kept))
        return [write_picture(media, number) for number, media in enumerate(kept)]

    def _details(self, thoughts: list[Thinking]) -> list[Any]:
        """What a server of this dialect has signed: it goes back as it came."""
        signed = [block.signature for block in thoughts if block.origin == OPEN and not self._own]
        return [detail for one in signed for detail in details_in(one)]

    def _thought(self, block: Thinking) -> str:
        if self._thoughts:
            return block.text
        if block.origin == OPEN and block.signature and not self._own:
            return ""  # its details hold it
        if block.signature:
            self._notes.drop("messages.content.thinking")
            return ""
        return "" if self._own else block.text

    def _call(self, use: ToolUse) -> dict[str, Any]:
        name = flat(use.namespace, use.name)
        if use.freeform and self._own:
            return {"id": use.id, "type": "custom", "custom": {"name": name, "input": use.arguments}}
        arguments = json_text({"input": use.arguments}) if use.freeform else use.arguments or "{}"
        call: dict[str, Any] = {"id": use.id, "type": "function", "function": {"name": name, "arguments": arguments}}
        if use.signature and not self._own:
            call["extra_content"] = {"google": {"thought_signature": use.signature}}
        return call
