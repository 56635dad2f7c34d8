"""A reply in Gemini's generateContent: read, and written."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from hub.core.usage import Usage
from hub.core.values import a_dict, a_list, a_number, a_text
from hub.dialect.ask import Ask
from hub.dialect.gemini_api import buckets_of
from hub.dialect.gemini_to_neutral import VENDOR
from hub.dialect.given import json_object, json_text
from hub.dialect.media import mime_of, of_mime
from hub.dialect.neutral import OPEN, Answer, Block, Citation, Media, Refused, Text, Thinking, ToolUse
from hub.dialect.sealed import seal
from hub.dialect.searches import charged, queries_in

STOP = {
    "STOP": "end", "MAX_TOKENS": "length", "SAFETY": "filter", "RECITATION": "filter", "BLOCKLIST": "filter",
    "PROHIBITED_CONTENT": "filter", "SPII": "filter", "LANGUAGE": "filter", "IMAGE_SAFETY": "filter",
    "MODEL_ARMOR": "filter", "MALFORMED_FUNCTION_CALL": "end", "OTHER": "end",
}  # fmt: skip
FINISH = {
    "end": "STOP", "length": "MAX_TOKENS", "sequence": "STOP", "tool": "STOP", "refusal": "SAFETY", "filter": "SAFETY",
    "pause": "STOP", "context": "MAX_TOKENS",
}  # fmt: skip

NOTHING: Mapping[str, Any] = MappingProxyType({})
_SOURCES = frozenset({"citationMetadata", "groundingMetadata"})


def read_answer(body: dict[str, Any]) -> Answer:
    """The reply."""
    candidate = first_candidate(body)
    id_ = a_text(body.get("responseId"))
    blocks: list[Block] = []
    for part in parts_of(candidate):
        block = read_part(part, id_, len(blocks))
        last = blocks[-1] if blocks else None
        if isinstance(block, Text) and isinstance(last, Text):
            blocks[-1] = Text(last.text + block.text, signature=block.signature or last.signature)
        elif block is not None:
            blocks.append(block)
    last = next((n for n in range(len(blocks) - 1, -1, -1) if isinstance(blocks[n], Text)), None)
    if last is not None:
        said = [block.text for block in blocks if isinstance(block, Text)]
        sources, weights = tuple(citations_of(candidate, said)), tuple(weights_of(candidate))
        blocks[last] = replace(blocks[last], citations=sources, logprobs=weights)
    called = any(isinstance(block, ToolUse) for block in blocks)
    model = a_text(body.get("modelVersion"))
    return Answer(
        id=id_,
        model=model,
        content=tuple(blocks),
        stop=stop_of(body, called=called) or "end",
        ratings=ratings_of(body),
        usage=buckets_of(body.get("usageMetadata"), charged(queries_in(a_list(body.get("candidates"))), model)),
    )


def first_candidate(body: dict[str, Any]) -> dict[str, Any]:
    """The answer; others to the same call are left out."""
    return a_dict(next(iter(a_list(body.get("candidates"))), None))


def ratings_of(body: dict[str, Any]) -> tuple[Any, ...]:
    """How harmful the provider takes the answer to be; where the prompt was refused, the prompt."""
    return tuple(
        rating
        for held in (first_candidate(body), a_dict(body.get("promptFeedback")))
        for rating in a_list(held.get("safetyRatings"))
        if isinstance(rating, dict)
    )


def parts_of(candidate: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of an answer."""
    yield from map(a_dict, a_list(a_dict(candidate.get("content")).get("parts")))


def stop_of(body: dict[str, Any], *, called: bool) -> str:
    """Why the answer ended; "" when it has not."""
    if a_dict(body.get("promptFeedback")).get("blockReason"):
        return "filter"
    reason = a_text(first_candidate(body).get("finishReason"))
    stop = STOP.get(reason, "end") if reason else ""
    return "tool" if called and stop == "end" else stop


def read_part(part: dict[str, Any], id_: str, number: int) -> Text | Thinking | ToolUse | Media | None:
    """One part; None for what only this vendor knows."""
    signature = a_text(part.get("thoughtSignature"))
    call = a_dict(part.get("functionCall"))
    if call:
        made = a_text(call.get("id")) or f"call_{id_ or 'gemini'}_{number}"
        return ToolUse(made, a_text(call.get("name")), json_text(a_dict(call.get("args"))), signature=signature)
    text, inline = part.get("text"), a_dict(part.get("inlineData"))
    if inline and part.get("thought") is not True:
        return of_mime(a_text(inline.get("mimeType")), a_text(inline.get("data")))
    if not isinstance(text, str):
        return None
    if part.get("thought") is True:
        return Thinking(text, signature, VENDOR if signature else OPEN)
    return Text(text, signature=signature)


def citations_of(candidate: dict[str, Any], texts: Sequence[str]) -> Iterator[Citation]:
    """The sources of an answer: of its words, and of a search. Google counts bytes; `texts` are what it said until now."""
    if _SOURCES.isdisjoint(candidate):
        return
    said = "".join(texts).encode()
    held = a_dict(candidate.get("citationMetadata"))
    for one in map(a_dict, a_list(held.get("citationSources")) or a_list(held.get("citations"))):
        yield Citation(a_text(one.get("uri")), a_text(one.get("title")), "", *_span(one, said))
    grounding = a_dict(candidate.get("groundingMetadata"))
    found = [a_dict(a_dict(chunk).get("web")) for chunk in a_list(grounding.get("groundingChunks"))]
    supports = [a_dict(one) for one in a_list(grounding.get("groundingSupports"))]
    placed = {n for one in supports for n in a_list(one.get("groundingChunkIndices"))}
    for support in supports:
        span = _span(a_dict(support.get("segment")), said)
        for n in a_list(support.get("groundingChunkIndices")):
            if isinstance(n, int) and 0 <= n < len(found) and found[n]:
                yield Citation(a_text(found[n].get("uri")), a_text(found[n].get("title")), "", *span)
    for number, web in enumerate(found):
        if web and number not in placed:
            yield Citation(a_text(web.get("uri")), a_text(web.get("title")))


def _span(segment: dict[str, Any], said: bytes) -> tuple[int | None, int | None]:
    """Where a segment begins and ends, in characters."""
    start, end = a_number(segment.get("startIndex")), a_number(segment.get("endIndex"))
    if end is None:
        return None, None
    return len(said[: start or 0].decode(errors="ignore")), len(said[:end].decode(errors="ignore"))


def weights_of(candidate: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """How likely the tokens of an answer were, in OpenAI's form."""
    held = a_dict(candidate.get("logprobsResult"))
    others = a_list(held.get("topCandidates"))
    for number, one in enumerate(a_list(held.get("chosenCandidates"))):
        tops = a_list(a_dict(others[number]).get("candidates")) if number < len(others) else []
        yield {**_weight(a_dict(one)), "top_logprobs": [_weight(a_dict(top)) for top in tops]}


def _weight(one: dict[str, Any]) -> dict[str, Any]:
    token = a_text(one.get("token"))
    return {"token": token, "logprob": one.get("logProbability") or 0.0, "bytes": list(token.encode())}


def write_weights(weights: tuple[Any, ...]) -> dict[str, Any]:
    """The same in this dialect."""
    chosen = [_written_weight(a_dict(one)) for one in weights]
    tops = [[_written_weight(a_dict(top)) for top in a_list(a_dict(one).get("top_logprobs"))] for one in weights]
    return {"chosenCandidates": chosen, "topCandidates": [{"candidates": one} for one in tops]}


def _written_weight(one: dict[str, Any]) -> dict[str, Any]:
    return {"token": a_text(one.get("token")), "logProbability": one.get("logprob") or 0.0}


def write_answer(answer: Answer, ask: Ask) -> dict[str, Any]:
    """The reply."""
    parts = [part for block in answer.content for part in write_parts(block)]
    sources = [one for block in answer.content if isinstance(block, Text) for one in block.citations if one.url]
    weights = tuple(one for block in answer.content if isinstance(block, Text) for one in block.logprobs)
    more = cited(sources) | ({"logprobsResult": write_weights(weights)} if weights else {})
    return chunk(ask, answer.id, answer.model, parts, answer.stop, answer.usage, more)


def chunk(
    ask: Ask, id_: str, model: str, parts: list[dict[str, Any]], stop: str = "", usage: Usage | None = None,
    more: Mapping[str, Any] = NOTHING,
) -> dict[str, Any]:  # fmt: skip
    """A response, or one piece of a stream of them. `more` stands in its candidate beside what was said."""
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0, **more}
    if stop:
        candidate["finishReason"] = FINISH[stop]
    out: dict[str, Any] = {"candidates": [candidate]}
    if stop:
        out["usageMetadata"] = write_usage(usage or Usage())
    return out | {"modelVersion": model or ask.model, "responseId": id_ or ask.id}


def cited(sources: list[Citation]) -> dict[str, Any]:
    """The sources, as they stand in a candidate."""
    return {"citationMetadata": {"citationSources": [write_source(one) for one in sources]}} if sources else {}


def write_source(citation: Citation) -> dict[str, Any]:
    """A source."""
    told = {
        "uri": citation.url, "title": citation.title or None, "startIndex": citation.start, "endIndex": citation.end
    }  # fmt: skip
    return {name: value for name, value in told.items() if value is not None}


def write_parts(block: Block) -> list[dict[str, Any]]:
    """One block as parts."""
    match block:
        case Text() | Refused():
            return [{"text": block.text}] if block.text else []
        case Thinking():
            return [write_thought(block)]
        case ToolUse():
            return [write_call(block)]
        case Media():
            return [write_media(block)]
        case _:
            return []


def write_media(media: Media) -> dict[str, Any]:
    """A picture or a sound."""
    if media.data:
        return {"inlineData": {"mimeType": mime_of(media), "data": media.data}}
    return {"fileData": {"mimeType": mime_of(media), "fileUri": media.url}}


def write_thought(block: Thinking) -> dict[str, Any]:
    """Thinking; another vendor's is sealed, and comes back with the next turn."""
    signature = block.signature if block.origin == VENDOR else seal(block)
    return {"text": block.text, "thought": True, "thoughtSignature": signature}


def write_call(use: ToolUse) -> dict[str, Any]:
    """A call of a tool."""
    value = {"input": use.arguments} if use.freeform else json_object(use.arguments)
    signed = {"thoughtSignature": use.signature} if use.signature else {}
    return {"functionCall": {"id": use.id, "name": use.name, "args": value}} | signed


def write_usage(usage: Usage) -> dict[str, Any]:
    """Counts as this dialect has them."""
    told = {
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": usage.output + usage.audio_out + usage.image,
        "totalTokenCount": usage.prompt + usage.completion,
        "cachedContentTokenCount": usage.cache_read,
        "thoughtsTokenCount": usage.reasoning,
    }
    return {name: count for name, count in told.items() if count or name.startswith(("prompt", "cand", "total"))}
