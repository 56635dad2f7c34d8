"""Usage where no dialect says whose it is: OpenAI's two vocabularies, and any vendor's by the words that it uses."""

from typing import Any, Literal

from msgspec.structs import replace

from hub.core.usage import Usage
from hub.core.values import a_dict, a_number
from hub.dialect import anthropic_messages, gemini_api, openai_chat, openai_responses

Counted = Literal["text", "image", "audio"]


def usage_of(told: dict[str, Any], made: Counted) -> Usage | None:
    """Disjoint buckets of a `usage` in either of OpenAI's two vocabularies; None when it counts no tokens."""
    read = a_number(told.get("input_tokens")) or a_number(told.get("prompt_tokens")) or 0
    written = a_number(told.get("output_tokens")) or a_number(told.get("completion_tokens")) or 0
    total = a_number(told.get("total_tokens")) or 0
    if not (read or written or total):
        return None
    read = read or total - written
    given = a_dict(told.get("input_tokens_details")) or a_dict(told.get("input_token_details"))
    heard = min(a_number(given.get("audio_tokens")) or 0, read)
    seen = min(a_number(given.get("image_tokens")) or 0, read - heard) if made == "image" else 0
    plain = Usage(input=max(read - heard - seen, 0), audio_in=heard, image_in=seen)
    if made == "text":
        return replace(plain, output=written)
    if made == "audio":
        return replace(plain, audio_out=written)
    said = min(a_number(a_dict(told.get("output_tokens_details")).get("text_tokens")) or 0, written)
    return replace(plain, image=written - said, output=said)


_ANTHROPIC = ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "server_tool_use")


def plain_usage(told: dict[str, Any]) -> Usage | None:
    """Disjoint buckets of a `usage` in whichever vendor's words; None when it counts nothing."""
    if "promptTokenCount" in told:
        return gemini_api.buckets_of(told)
    if "prompt_tokens" in told and "completion_tokens" in told:
        return openai_chat.buckets_of(told)
    if any(name in told for name in _ANTHROPIC):
        return anthropic_messages.buckets_of(told)
    given = a_dict(told.get("input_tokens_details"))
    if "image_tokens" in given:
        return usage_of(told, "image")
    if "cached_tokens" in given or "output_tokens_details" in told:
        return openai_responses.buckets_of({"usage": told})
    return usage_of(told, "text")
