"""Web searches that a provider made itself: how many it charges for, by what its answer says."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Raw

from hub.core.values import a_dict, a_list, a_number, a_text
from hub.dialect.members import UNREADABLE

# Words without which there is nothing to look for.
CALL = b'"web_search_call"'
QUERIES = b'SearchQueries"'  # of the web and of pictures
SEARCHES = (CALL, QUERIES)
# Google charges these once for a call, however often they search; later models for every search.
_CHARGED_ONCE = ("gemini-1", "gemini-2")


def counted(usage: Mapping[str, Any]) -> int | None:
    """The searches that a `usage` counts, in whichever vendor's words; None when it counts none of them."""
    held = a_dict(usage.get("server_tool_use"))  # Anthropic, OpenRouter
    if (count := a_number(held.get("web_search_requests"))) is not None:
        return count
    held = a_dict(usage.get("server_side_tool_usage_details"))  # xAI
    counts = [a_number(held.get(name)) for name in ("web_search_calls", "x_search_calls")]
    if any(count is not None for count in counts):
        return sum(count or 0 for count in counts)
    # Perplexity counts queries; xAI's searches of old the sources that they read, which were charged each.
    told = a_number(usage.get("num_search_queries"))
    return a_number(usage.get("num_sources_used")) if told is None else told


def of_response(response: Mapping[str, Any]) -> int:
    """The searches of one of OpenAI's responses: as it counts them, else the items that are searches."""
    told = a_number(a_dict(a_dict(response.get("tool_usage")).get("web_search")).get("num_requests"))
    if told is None:
        told = counted(a_dict(response.get("usage")))
    if told is None:
        told = sum(is_search(a_dict(item)) for item in a_list(response.get("output")))
    return told


def is_search(item: Mapping[str, Any]) -> bool:
    """Whether an output item is a search that is charged: opening a page or looking through it is free."""
    action = a_text(a_dict(item.get("action")).get("type"))
    return item.get("type") == "web_search_call" and item.get("status") != "failed" and action in ("", "search")


def queries_in(candidates: Iterable[Any]) -> set[str]:
    """What Gemini searched for, by its candidates. Empty queries are not charged."""
    found: set[str] = set()
    for candidate in candidates:
        grounding = a_dict(a_dict(candidate).get("groundingMetadata"))
        for name in ("webSearchQueries", "imageSearchQueries"):
            found.update(query for query in map(a_text, a_list(grounding.get(name))) if query.strip())
    return found


def charged(queries: set[str], model: str) -> int:
    """For how many searches Google charges: each different one, and with models before Gemini 3 one in all."""
    once = model.rpartition("/")[2].startswith(_CHARGED_ONCE)
    return min(len(queries), 1) if once else len(queries)


def value_of(raw: Raw) -> Any:
    """The value of a part of an answer that was left unread; None when it is none."""
    try:
        return msgspec.json.decode(raw) if bytes(raw) else None
    except UNREADABLE:
        return None
