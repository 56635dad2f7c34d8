"""Marks of where a cached prefix ends, in the words of the vendors that have some."""

import re
from typing import Any

# OpenAI's models that take a mark of their own beside the one they set by themselves.
_MARKABLE = re.compile(r"gpt-(?:5\.(?:[6-9]|\d\d)|[6-9]|\d\d)")


def ephemeral(cache: str) -> dict[str, Any]:
    """Anthropic's mark, as a field of a block; {} for no mark."""
    if not cache:
        return {}
    return {"cache_control": {"type": "ephemeral", **({"ttl": cache} if cache == "1h" else {})}}


def lifetime(mark: dict[str, Any]) -> str:
    """The lifetime, `5m` or `1h`, that a mark of Anthropic or OpenAI asks for at least; "" without a mark."""
    if not mark:
        return ""
    return "1h" if mark.get("ttl") in ("1h", "12h") else "5m"


def takes_breakpoints(model: str) -> bool:
    """Whether a model of OpenAI takes marks."""
    return _MARKABLE.search(model) is not None


def breakpoint_of(cache: str) -> dict[str, Any]:
    """OpenAI's mark, as a field of a part. Its lifetimes are 30 minutes and 12 hours: the next longer one is asked for."""
    return {"prompt_cache_breakpoint": {"mode": "explicit", **({"ttl": "12h"} if cache == "1h" else {})}}
