"""The models that a key may call, as each kind of client lists them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from hub.core.refusal import Malformed
from hub.resources.snapshot import VIA
from hub.routing import VisibleModel, price_view

# The catalogue does not know when a model was made, and the clients' types want a time.
_CREATED = 0
_CREATED_AT = "1970-01-01T00:00:00Z"
_MOST = 1000
_CLAUDE = re.compile("claude|anthropic", re.IGNORECASE)


@cache
def _codex_instructions() -> str:
    return (Path(__file__).parent / "codex_instructions.md").read_text(encoding="utf-8")


def _known(model: VisibleModel) -> dict[str, Any]:
    """What every shape says on top of its own: price in USD per million tokens, context, what it can do."""
    return {
        "description": model.description,
        "kind": model.kind,
        "context_window": model.context_window,
        "max_output_tokens": model.max_output_tokens,
        "price": price_view(model.price),
        "modalities": {"input": list(model.input_modalities), "output": list(model.output_modalities)},
        "capabilities": list(model.capabilities),
        "dialects": [str(dialect) for dialect in model.dialects],
        "targets": list(model.targets),
        "deprecated": model.deprecated or None,
    }


def openai_model(model: VisibleModel) -> dict[str, Any]:
    """One model as OpenAI's clients read it."""
    own = {"id": model.id, "object": "model", "created": _CREATED, "owned_by": model.owner or "hub"}
    return {**own, "display_name": model.title, **_known(model)}


def anthropic_model(model: VisibleModel) -> dict[str, Any]:
    """One model as Anthropic's clients read it."""
    own = {"type": "model", "id": model.id, "display_name": model.title, "created_at": _CREATED_AT}
    return {**own, "max_input_tokens": model.context_window, "max_tokens": model.max_output_tokens, **_known(model)}


def codex_model(model: VisibleModel, priority: int) -> dict[str, Any]:
    """One model as Codex reads its catalogue: the fields without which it drops an entry, and what is known.

    `base_instructions` is the whole system prompt there, so it has to be one that works.
    """
    efforts = ("low", "medium", "high") if "reasoning" in model.capabilities else ()
    return {
        "slug": model.id,
        "display_name": model.title,
        "description": model.description or None,
        "supported_reasoning_levels": [{"effort": effort, "description": effort} for effort in efforts],
        "default_reasoning_level": "medium" if efforts else None,
        "shell_type": "unified_exec",
        "visibility": "list",
        "supported_in_api": True,
        "priority": priority,
        "base_instructions": _codex_instructions(),
        "support_verbosity": False,
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
        "experimental_supported_tools": [],
        "context_window": model.context_window,
        "max_context_window": model.context_window,
        "input_modalities": [kind for kind in model.input_modalities if kind in ("text", "image")],
        "supports_parallel_tool_calls": "tools" in model.capabilities,
    }


def openai_list(models: Sequence[VisibleModel]) -> dict[str, Any]:
    """The list as OpenAI's clients read it."""
    return {"object": "list", "data": [openai_model(model) for model in models]}


def codex_list(models: Sequence[VisibleModel]) -> dict[str, Any]:
    """The list as Codex reads it, and as OpenAI's clients do, in one object."""
    talking = [model for model in models if model.converses]
    return {**openai_list(models), "models": [codex_model(model, place) for place, model in enumerate(talking)]}


def discoverable(models: Sequence[VisibleModel]) -> list[VisibleModel]:
    """The models under names that Claude Code takes into its picker: it drops those without "claude" in them."""
    return [
        model if _CLAUDE.search(model.id) else replace(model, id=f"{VIA}{model.id}")
        for model in models
        if model.converses
    ]


def anthropic_list(models: Sequence[VisibleModel], query: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """A page of the list as Anthropic's clients read it. Raises Malformed for a limit that is no number."""
    limit = _limit(query)
    ids = [model.id for model in models]
    start, end = 0, len(models)
    after, before = query.get("after_id", [""])[0], query.get("before_id", [""])[0]
    if after in ids:
        start = ids.index(after) + 1
    if before in ids:
        end = ids.index(before)
        start = max(start, end - limit)
    page = models[start:end][:limit]
    more = start > 0 if before in ids else start + len(page) < end
    return {
        "data": [anthropic_model(model) for model in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _limit(query: Mapping[str, Sequence[str]]) -> int:
    text = query.get("limit", [str(_MOST)])[0]
    if not text.isdecimal() or len(text) > 6 or int(text) < 1:
        raise Malformed("malformed", f"limit is a number from 1 to {_MOST}.")
    return min(int(text), _MOST)


def query_of(raw: bytes) -> dict[str, list[str]]:
    """The parameters of a query string. Raises Malformed when there are absurdly many."""
    try:
        return parse_qs(raw.decode("latin-1"), max_num_fields=64)
    except ValueError:
        raise Malformed("malformed", "There are too many parameters in the query.") from None
