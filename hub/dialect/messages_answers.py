"""A reply in Anthropic's Messages: read, and written."""

from typing import Any

from hub.core.usage import Usage
from hub.core.values import a_dict, a_list, a_text
from hub.dialect.anthropic_messages import buckets_of
from hub.dialect.ask import Ask
from hub.dialect.given import json_object, json_text
from hub.dialect.neutral import OPEN, Answer, Block, Citation, Media, Refused, Text, Thinking, ToolResult, ToolUse
from hub.dialect.neutral_to_messages import VENDOR, call_id
from hub.dialect.sealed import seal, told
from hub.dialect.tiers import tier_of

STOP = {
    "end_turn": "end", "max_tokens": "length", "stop_sequence": "sequence", "tool_use": "tool", "refusal": "refusal",
    "pause_turn": "pause", "model_context_window_exceeded": "context",
}  # fmt: skip
REASON = {
    "end": "end_turn", "length": "max_tokens", "sequence": "stop_sequence", "tool": "tool_use", "refusal": "refusal",
    "filter": "refusal", "pause": "pause_turn", "context": "model_context_window_exceeded",
}  # fmt: skip


def read_answer(body: dict[str, Any]) -> Answer:
    """The reply."""
    blocks = [block for one in a_list(body.get("content")) if (block := read_block(a_dict(one))) is not None]
    usage = body.get("usage")
    return Answer(
        id=a_text(body.get("id")),
        model=a_text(body.get("model")),
        content=tuple(blocks),
        stop=STOP.get(a_text(body.get("stop_reason")), "end"),
        sequence=a_text(body.get("stop_sequence")),
        usage=buckets_of(usage),
        tier=tier_of(usage),
    )


def read_block(block: dict[str, Any]) -> Text | Thinking | ToolUse | None:
    """One block of a reply; None for what only this vendor knows."""
    match block.get("type"):
        case "text":
            citations = tuple(read_citation(a_dict(one)) for one in a_list(block.get("citations")))
            return Text(a_text(block.get("text")), citations=citations)
        case "thinking":
            return Thinking(a_text(block.get("thinking")), a_text(block.get("signature")), VENDOR)
        case "redacted_thinking":
            return Thinking("", a_text(block.get("data")), VENDOR, redacted=True)
        case "tool_use":
            return ToolUse(a_text(block.get("id")), a_text(block.get("name")), json_text(a_dict(block.get("input"))))
        case _:
            return None


def read_citation(one: dict[str, Any]) -> Citation:
    """A source."""
    title = a_text(one.get("title")) or a_text(one.get("document_title"))
    url = a_text(one.get("url")) or a_text(one.get("source"))
    return Citation(url, title, a_text(one.get("cited_text")), raw=one, origin=VENDOR)


def write_citation(citation: Citation) -> dict[str, Any]:
    """A source: what came from this vendor as it was, else as a find on the web."""
    if citation.origin == VENDOR and citation.raw is not None:
        return citation.raw
    return {
        "type": "web_search_result_location",
        "cited_text": citation.quote,
        "encrypted_index": "",
        "title": citation.title or None,
        "url": citation.url,
    }


def write_answer(answer: Answer, ask: Ask) -> dict[str, Any]:
    """The reply."""
    blocks = [written for block in answer.content for written in write_block(block)]
    return {
        "id": message_id(answer.id, ask),
        "type": "message",
        "role": "assistant",
        "model": answer.model or ask.model,
        "content": blocks,
        "stop_reason": REASON[answer.stop],
        "stop_sequence": answer.sequence or None,
        "usage": write_usage(answer.usage or Usage()),
    }


def message_id(id_: str, ask: Ask) -> str:
    """The id of a message."""
    return id_ or f"msg_{ask.id}"


def write_block(block: Block) -> list[dict[str, Any]]:
    """One block of a reply. A signature that stands at a call gets a block of its own before it."""
    match block:
        case Text(text, _, citations):
            written: dict[str, Any] = {"type": "text", "text": text}
            if citations:
                written["citations"] = [write_citation(one) for one in citations]
            return [written]
        case Refused(text):
            return [{"type": "text", "text": text}]
        case Thinking():
            return [write_thinking(block)]
        case ToolUse():
            value = {"input": block.arguments} if block.freeform else json_object(block.arguments)
            use = {"type": "tool_use", "id": call_id(block.id), "name": block.name, "input": value}
            return [*signature_of(block), use]
        case Media() | ToolResult():
            return []


def signature_of(use: ToolUse) -> list[dict[str, Any]]:
    """The block that carries what was signed at a call."""
    return [write_thinking(Thinking("", use.signature, "gemini", use.id))] if use.signature else []


def write_thinking(block: Thinking) -> dict[str, Any]:
    """Thinking; another vendor's signature is sealed, and comes back with the next turn."""
    if block.redacted and block.origin == VENDOR:
        return {"type": "redacted_thinking", "data": block.signature}
    signature = seal(block) if block.origin == OPEN else told(block, VENDOR)
    return {"type": "thinking", "thinking": block.text, "signature": signature}


def write_usage(usage: Usage) -> dict[str, Any]:
    """Counts as this dialect has them: the cached tokens beside the input's, the thinking within the output's."""
    return {
        "input_tokens": usage.input + usage.audio_in + usage.image_in,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.completion,
        **({"server_tool_use": {"web_search_requests": usage.searches}} if usage.searches else {}),
        **({"output_tokens_details": {"thinking_tokens": usage.reasoning}} if usage.reasoning else {}),
    }
