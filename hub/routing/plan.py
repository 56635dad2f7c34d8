"""A call in, a plan out: where it may go, in which order, and why each other target is left out."""

from dataclasses import replace

from hub.core.calls import ModelCall
from hub.core.plan import Plan, Retry, Shadow, Target
from hub.core.principal import Principal
from hub.core.refusal import Forbidden, NotFound, Unavailable
from hub.resources.snapshot import KeyGrant, Snapshot, VirtualModel
from hub.routing.conditions import Conditions
from hub.routing.decide import SHOWN, Decided, decide
from hub.routing.facts import Facts
from hub.routing.order import Order, expected_pico
from hub.routing.sift import ENDPOINTS, NO_WEIGHT, NOT_GRANTED, NOT_YOURS, Sifted, credentialed, no_endpoint, sift

_USUAL = Retry()
_CALM = Conditions()
_USUAL_OUTPUT = 1024


def plan(snapshot: Snapshot, grant: KeyGrant, call: ModelCall, at: Conditions = _CALM) -> Plan:
    """The targets to try for `call`, in order, under the conditions of the moment. Pure.

    Raises NotFound `model_not_found`, `model_not_routed` or `not_found` (the route), Forbidden `model_not_allowed`
    or `forbidden` (the route), Unavailable `model_not_ready` when there is nothing to try.
    """
    virtual = allowed_model(snapshot, grant.principal, call.model)
    facts = Facts(call, grant.principal, at)
    decided = decide(snapshot, grant, virtual, facts, at)
    sifted = sift(snapshot, decided, facts, at.health)
    if not sifted.kept:
        raise _nothing(call, decided, sifted)
    anchor = facts.anchor(decided.sticky)
    kept = f"{virtual.name}\0{anchor}" if anchor and decided.strategy not in ("weighted", "priority") else ""
    targets = sifted.kept
    if len(targets) > 1:
        order = Order(at.health, _costs(snapshot, call, decided, facts), at.pick)
        targets = order.by(decided.strategy, targets, anchor, at.health.kept(kept) if kept else "")
    targets = [_ready(snapshot, target, decided, facts) for target in targets]
    return Plan(
        model=call.model,
        attempts=tuple(target.deployment for target in targets),
        dropped=tuple(sifted.dropped),
        targets=tuple(targets),
        route=decided.route,
        rules=tuple(decided.rules),
        strategy=decided.strategy,
        sticky=decided.sticky if anchor else "",
        kept=kept,
        tokens=prompt_tokens(call),
        retry=decided.retry or _USUAL,
        shadow=_shadow(decided),
    )


def prompt_tokens(call: ModelCall) -> int:
    """About how many tokens the prompt has, by its size."""
    return len(call.body) // 4 + 1


def allowed_model(snapshot: Snapshot, principal: Principal, model: str) -> VirtualModel:
    """The model, if it exists and the principal may call it. Raises NotFound or Forbidden."""
    shown = model[:SHOWN]
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


def _ready(snapshot: Snapshot, target: Target, decided: Decided, facts: Facts) -> Target:
    """The target with the caller's credential and the route's clocks."""
    deployment = target.deployment
    if snapshot.own_credentials or facts.call.credential is not None:
        deployment = credentialed(snapshot, deployment, facts)
    if decided.timeouts is not None and deployment.timeouts != decided.timeouts:
        deployment = replace(deployment, timeouts=decided.timeouts)
    return target if deployment is target.deployment else Target(deployment, target.priority, target.weight)


def _shadow(decided: Decided) -> Shadow | None:
    """The shadow, unless it lies outside of the regions that hold for the call."""
    shadow = decided.shadow
    if shadow is None or not all(globs.allows(shadow.deployment.region) for globs in decided.regions):
        return None
    return shadow


def _costs(snapshot: Snapshot, call: ModelCall, decided: Decided, facts: Facts) -> dict[str, int | None]:
    """What the call is expected to cost at each target, where the strategy asks."""
    if decided.strategy != "lowest_cost":
        return {}
    output = call.max_output or _USUAL_OUTPUT
    names = (target.deployment.target for target in decided.targets)
    return {name: expected_pico(snapshot.told_price(name), facts.tokens, output) for name in names}


def _nothing(call: ModelCall, decided: Decided, sifted: Sifted) -> Unavailable | NotFound | Forbidden:
    shown = call.model[:SHOWN]
    reasons = {drop.reason for drop in sifted.dropped} - {NO_WEIGHT}
    if reasons == {NOT_YOURS}:
        return Forbidden(
            "forbidden",
            f"The providers of '{shown}' take no credentials of callers. Send the hub's key alone, without your own beside it.",
        )
    if NOT_GRANTED in reasons:
        return Forbidden(
            "model_not_allowed",
            f"The route '{decided.route}' of your team leads the model '{shown}' to nothing that you may call. Change its "
            "targets, or ask an administrator to grant them.",
        )
    if reasons == {no_endpoint(call.dialect)}:
        return NotFound(
            "model_not_routed",
            f"The model '{shown}' is enabled, but no provider of it has {ENDPOINTS[call.dialect]}. Choose another model.",
        )
    if reasons and decided.regions:
        return NotFound(
            "model_not_routed",
            f"The model '{shown}' is enabled, but no target of it lies in the regions that your routes allow. "
            "An administrator adds one, or changes 'residency'.",
        )
    return Unavailable(
        "model_not_ready",
        f"The model '{shown}' has no target that can be tried: its providers are disabled. Enable one of them.",
        retry_after=30,
    )
