"""A reply in OpenAI's Chat Completions: read, and written."""

from collections.abc import Iterator
from typing import Any

from hub.core.usage import Usage
from hub.core.values import a_dict, a_list, a_number, a_text
from hub.dialect.ask import Ask
from hub.dialect.chat_details import Details, text_in
from hub.dialect.given import json_text
from hub.dialect.media import pictures_in, write_picture
from hub.dialect.neutral import OPEN, Answer, Block, Citation, Media, Refused, Text, Thinking, ToolUse
from hub.dialect.openai_chat import buckets_of
from hub.dialect.sealed import seal, unseal
from hub.dialect.tiers import renamed

STOP = {
    "stop": "end", "length": "length", "tool_calls": "tool", "function_call": "tool", "content_filter": "filter",
    "eos": "end",
}  # fmt: skip
FINISH = {
    "end": "stop", "length": "length", "sequence": "stop", "tool": "tool_calls", "refusal": "content_filter",
    "filter": "content_filter", "pause": "stop", "context": "length",
}  # fmt: skip


def read_answer(body: dict[str, Any]) -> Answer:
    """The reply."""
    choice = a_dict(next(iter(a_list(body.get("choices"))), None))
    message = a_dict(choice.get("message"))
    blocks = [*thinking_of(message), *_texts(message, choice), *pictures_in(message)]
    id_ = a_text(body.get("id"))
    blocks += [call_of(call, made_id(id_, number)) for number, call in enumerate(calls_in(message))]
    stop = STOP.get(a_text(choice.get("finish_reason")), "end")
    if stop == "end" and any(isinstance(block, ToolUse) for block in blocks):
        stop = "tool"  # some servers say "stop" after a call
    return Answer(
        id=id_,
        model=a_text(body.get("model")),
        content=tuple(blocks),
        stop=stop,
        usage=buckets_of(body.get("usage")),
        tier=renamed(a_text(body.get("service_tier"))),
        created=a_number(body.get("created")) or 0,
    )


def thinking_of(message: dict[str, Any]) -> list[Block]:
    """What a message or a delta tells of the thinking."""
    for detail in map(a_dict, a_list(message.get("reasoning_details"))):
        opened = unseal(a_text(detail.get("data")))
        if opened is not None:
            return [opened]
    details = Details()
    details.add(message)
    text, signature = text_in(message), details.told()
    return [Thinking(text, signature, OPEN)] if text or signature else []


def _texts(message: dict[str, Any], choice: dict[str, Any]) -> list[Block]:
    told = list(contents_of(message.get("content")))
    blocks: list[Block] = [part for part in told if isinstance(part, Thinking)]
    if text := "".join(part.text for part in told if isinstance(part, Text)):
        citations = tuple(citation_of(a_dict(one)) for one in a_list(message.get("annotations")))
        logprobs = tuple(a_list(a_dict(choice.get("logprobs")).get("content")))
        blocks.append(Text(text, citations=citations, logprobs=logprobs))
    if refusal := a_text(message.get("refusal")):
        blocks.append(Refused(refusal))
    return blocks


def contents_of(content: Any) -> Iterator[Text | Thinking]:
    """What a message or a delta says: a text, or parts, among which Mistral's models think."""
    if isinstance(content, str):
        yield Text(content)
        return
    for part in map(a_dict, a_list(content)):
        if part.get("type") == "thinking":
            yield Thinking(
                "".join(a_text(a_dict(one).get("text")) for one in a_list(part.get("thinking"))), origin=OPEN
            )
        else:
            yield Text(a_text(part.get("text")))


def calls_in(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The calls of tools in a message or a delta; some servers still make the one call of old."""
    old = a_dict(message.get("function_call"))
    return [a_dict(call) for call in a_list(message.get("tool_calls"))] or ([{"function": old}] if old else [])


def made_id(answer: str, number: int) -> str:
    """An id for a call that was given none: another one in each answer of a conversation."""
    return f"call_{answer or 'chat'}_{number}"


def citation_of(annotation: dict[str, Any]) -> Citation:
    """A source."""
    held = a_dict(annotation.get("url_citation")) or annotation
    return Citation(
        a_text(held.get("url")),
        a_text(held.get("title")),
        "",
        a_number(held.get("start_index")),
        a_number(held.get("end_index")),
    )


def call_of(call: dict[str, Any], made: str) -> ToolUse:
    """A call of a tool; its id is `made` where the server gave it none."""
    freeform = call.get("type") == "custom"
    held = a_dict(call.get("custom" if freeform else "function"))
    arguments = a_text(held.get("input")) if freeform else arguments_text(held.get("arguments")) or "{}"
    signature = a_text(a_dict(a_dict(call.get("extra_content")).get("google")).get("thought_signature"))
    id_ = a_text(call.get("id")) or made
    return ToolUse(id_, a_text(held.get("name")), arguments, freeform=freeform, signature=signature)


def write_answer(answer: Answer, ask: Ask) -> dict[str, Any]:
    """The reply."""
    texts = [block for block in answer.content if isinstance(block, Text)]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(block.text for block in texts) or None,
        "refusal": "\n".join(block.text for block in answer.content if isinstance(block, Refused)) or None,
    }
    annotations = [written for block in texts for one in block.citations if (written := annotation(one))]
    if annotations:
        message["annotations"] = annotations
    thoughts = [block for block in answer.content if isinstance(block, Thinking)]
    if told := "".join(block.text for block in thoughts):
        message["reasoning_content"] = told
    if details := [detail(block) for block in thoughts if block.signature]:
        message["reasoning_details"] = details
    pictures = [block for block in answer.content if isinstance(block, Media) and block.kind == "image"]
    if pictures:
        message["images"] = [write_picture(one, number) for number, one in enumerate(pictures)]
    calls = [write_call(block) for block in answer.content if isinstance(block, ToolUse)]
    if calls:
        message["tool_calls"] = calls
    elif message["content"] is None and message["refusal"] is None:
        message["content"] = ""
    weights = [one for block in texts for one in block.logprobs]
    choice = {
        "index": 0,
        "message": message,
        "logprobs": {"content": weights, "refusal": None} if weights else None,
        "finish_reason": FINISH[answer.stop],
        **rated(answer.ratings),
    }
    return {
        "id": answer.id or f"chatcmpl-{ask.id}",
        "object": "chat.completion",
        "created": answer.created or ask.created,
        "model": answer.model or ask.model,
        "choices": [choice],
        "usage": write_usage(answer.usage or Usage()),
        **({"service_tier": answer.tier} if answer.tier in ("auto", "default", "flex", "priority", "scale") else {}),
    }


def rated(ratings: tuple[Any, ...]) -> dict[str, Any]:
    """Gemini's judgements of an answer, where its own endpoint in this dialect tells what the dialect has no name for."""
    return {"extra_content": {"google": {"safety_ratings": list(ratings)}}} if ratings else {}


def annotation(citation: Citation) -> dict[str, Any] | None:
    """A source, where it is one that has an address."""
    if not citation.url:
        return None
    held = {
        "url": citation.url,
        "title": citation.title,
        "start_index": citation.start or 0,
        "end_index": citation.end or 0,
    }
    return {"type": "url_citation", "url_citation": held}


def detail(block: Thinking) -> dict[str, Any]:
    """Signed thinking, for callers who give it back with the next turn."""
    return {"type": "reasoning.encrypted", "format": block.origin, "data": seal(block), "index": 0}


def write_call(use: ToolUse) -> dict[str, Any]:
    """A call of a tool."""
    if use.freeform:
        return {"id": use.id, "type": "custom", "custom": {"name": use.name, "input": use.arguments}}
    call: dict[str, Any] = {
        "id": use.id,
        "type": "function",
        "function": {"name": use.name, "arguments": use.arguments or "{}"},
    }
    if use.signature:
        call["extra_content"] = {"google": {"thought_signature": use.signature}}
    return call


def write_usage(usage: Usage) -> dict[str, Any]:
    """Counts as this dialect has them: the cached tokens within the prompt's, the reasoning within the completion's."""
    written = usage.cache_write_5m + usage.cache_write_1h
    prompt = {"cached_tokens": usage.cache_read, "audio_tokens": usage.audio_in}
    if written:
        prompt["cache_write_tokens"] = written
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": usage.audio_out},
    }


def arguments_text(value: Any) -> str:
    """Arguments as text, whichever way a server gives them."""
    return value if isinstance(value, str) else json_text(value or {})
