"""Gemini's paths: which model is called and how stands in them, not in the body."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from hub.core.calls import Dialect
from hub.core.refusal import Malformed, NotFound
from hub.routing import VisibleModel

PREFIX = "/v1beta/models"
_PREFIXES = ("/v1beta/models/", "/v1/models/", "/v1alpha/models/")
_METHODS: Mapping[str, tuple[Dialect, bool]] = {
    "generateContent": (Dialect.GEMINI, False),
    "streamGenerateContent": (Dialect.GEMINI, True),
    "countTokens": (Dialect.GEMINI_COUNT, False),
}


class Aim(Struct, frozen=True):
    """What a path asks for: a model, and whether its answer shall come as a stream."""

    dialect: Dialect
    model: str
    stream: bool


def is_call(path: str) -> bool:
    """Whether a path calls a method of a model, in any version of the API: Google's SDKs choose one by themselves."""
    return path.startswith(_PREFIXES) and path.rpartition(":")[2] in _METHODS


def aim_of(path: str, query: bytes) -> Aim:
    """What the path of a call asks for. Raises NotFound, or Malformed for a stream that is not of events."""
    model, _, method = path.partition("/models/")[2].rpartition(":")
    known = _METHODS.get(method)
    if known is None or not model:
        raise NotFound(
            "not_found", f"There is no {path[:100]}. Known here: {PREFIX}/MODEL:METHOD with {', '.join(_METHODS)}."
        )
    dialect, stream = known
    if stream and b"alt=sse" not in query.split(b"&"):
        raise Malformed("unsupported_field", f"Streams come as server-sent events only: call {method}?alt=sse.")
    return Aim(dialect, model, stream)


def gemini_model(model: VisibleModel) -> dict[str, Any]:
    """One model as Gemini's clients read it."""
    told = {
        "name": f"models/{model.id}",
        "displayName": model.title,
        "description": model.description,
        "inputTokenLimit": model.context_window,
        "outputTokenLimit": model.max_output_tokens,
        "supportedGenerationMethods": list(_METHODS)[::2],
    }
    return {name: value for name, value in told.items() if value not in (None, "")}


def gemini_list(models: Sequence[VisibleModel]) -> dict[str, Any]:
    """The list as Gemini's clients read it: what can be called in their dialect, which has no embeddings here."""
    return {"models": [gemini_model(model) for model in models if model.generates]}
