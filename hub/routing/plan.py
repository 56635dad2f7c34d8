"""A call in, a plan out: where it may go, in which order, and why each other target is left out."""

import random
from collections.abc import Callable, Iterable

from hub.core.calls import PLAIN, Dialect, ModelCall
from hub.core.plan import Dropped, Plan
from hub.core.principal import Globs, Principal
from hub.core.refusal import Forbidden, NotFound, Unavailable
from hub.resources.snapshot import KeyGrant, Snapshot, Target, VirtualModel
from hub.routing.order import ordered

# Where each dialect is spoken.
ENDPOINTS = {
    Dialect.OPENAI_CHAT: "/v1/chat/completions",
    Dialect.OPENAI_RESPONSES: "/v1/responses",
    Dialect.ANTHROPIC_MESSAGES: "/v1/messages",
    Dialect.ANTHROPIC_COUNT: "/v1/messages/count_tokens",
    Dialect.GEMINI: "/v1beta/models/{model}:generateContent",
    Dialect.GEMINI_COUNT: "/v1beta/models/{model}:countTokens",
    Dialect.OPENAI_COMPLETIONS: "/v1/completions",
    Dialect.OPENAI_EMBEDDINGS: "/v1/embeddings",
    Dialect.OPENAI_IMAGES: "/v1/images/generations",
    Dialect.OPENAI_SPEECH: "/v1/audio/speech",
    Dialect.OPENAI_TRANSCRIPTIONS: "/v1/audio/transcriptions",
    Dialect.OPENAI_MODERATIONS: "/v1/moderations",
    Dialect.RERANK: "/v1/rerank",
}
_SHOWN = 100


def plan(snapshot: Snapshot, grant: KeyGrant, call: ModelCall, pick: Callable[[], float] = random.random) -> Plan:
    """The targets to try for `call`, in order. `pick` gives numbers in [0, 1).

    Raises NotFound `model_not_found` or `not_found` (the route), Forbidden `model_not_allowed` or `forbidden`
    (the route), Unavailable `model_not_ready` when there is nothing to try.
    """
    virtual = allowed_model(snapshot, grant.principal, call.model)
    targets = _routed(snapshot, grant, call.route) if call.route else virtual.targets
    kept, dropped = sift(targets, call.dialect)
    if not kept:
        raise _nothing(call, dropped)
    attempts = kept if len(kept) == 1 else ordered(kept, call.origin.session, pick)
    return Plan(call.model, tuple(target.deployment for target in attempts), dropped)


def allowed_model(snapshot: Snapshot, principal: Principal, model: str) -> VirtualModel:
    """The model, if it exists and the principal may call it. Raises NotFound or Forbidden."""
    shown = model[:_SHOWN]
    virtual = snapshot.resolve(model)
    if virtual is None:
        raise NotFound(
            "model_not_found", f"There is no model '{shown}' on this hub. GET /v1/models lists what this key may call."
        )
    if not principal.may_use_model(model):
        raise Forbidden(
            "model_not_allowed",
            f"You may not call the model '{shown}'. GET /v1/models lists what you may call; an administrator grants.",
        )
    return virtual


def sift(targets: Iterable[Target], dialect: Dialect | None) -> tuple[list[Target], tuple[Dropped, ...]]:
    """The targets that can be tried, and the others with the reason. Without a dialect, any will do."""
    kept: list[Target] = []
    dropped: list[Dropped] = []
    for target in targets:
        if target.weight == 0:
            dropped.append(Dropped(target.deployment.target, "its weight is 0"))
        elif dialect is not None and not target.deployment.paths:
            dropped.append(Dropped(target.deployment.target, f"it cannot be called in {dialect}"))
        elif dialect is not None and dialect in PLAIN and dialect not in target.deployment.paths:
            dropped.append(Dropped(target.deployment.target, _no_endpoint(dialect)))
        else:
            kept.append(target)
    return kept, tuple(dropped)


def _routed(snapshot: Snapshot, grant: KeyGrant, route: str) -> tuple[Target, ...]:
    shown = route[:_SHOWN]
    if not grant.principal.is_admin and not Globs(grant.routes).allows(route):
        raise Forbidden("forbidden", f"This key may not use the route '{shown}'. Grant it in the key's 'routes'.")
    targets = snapshot.routes.get(route)
    if targets is None:
        raise NotFound("not_found", f"There is no route '{shown}' (named in x-hub-route).")
    return targets


def _nothing(call: ModelCall, dropped: Iterable[Dropped]) -> Unavailable | NotFound:
    shown = call.model[:_SHOWN]
    reasons = {drop.reason for drop in dropped} - {"its weight is 0"}
    if reasons == {_no_endpoint(call.dialect)}:
        return NotFound(
            "model_not_routed",
            f"The model '{shown}' is enabled, but no provider of it has {ENDPOINTS[call.dialect]}. Choose another model.",
        )
    return Unavailable(
        "model_not_ready",
        f"The model '{shown}' has no target that can be tried: its providers are disabled. Enable one of them.",
        retry_after=30,
    )


def _no_endpoint(dialect: Dialect) -> str:
    return f"its provider has no {ENDPOINTS[dialect]}"
