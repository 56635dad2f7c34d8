"""Which targets a call can use: those that cannot serve it are left out, those that rest wait behind the others."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from msgspec import Struct

from hub.core.calls import PLAIN, Dialect
from hub.core.health import Circuit, HealthView
from hub.core.plan import Deployment, Dropped, Target
from hub.core.principal import Globs, Principal
from hub.core.stored import before
from hub.resources.composition import has_capability
from hub.resources.provider_kinds import KINDS
from hub.resources.snapshot import Snapshot
from hub.routing.decide import Decided
from hub.routing.facts import Facts

# Where each dialect is spoken.
ENDPOINTS = {
    Dialect.OPENAI_CHAT: "/v1/chat/completions",
    Dialect.OPENAI_RESPONSES: "/v1/responses",
    Dialect.ANTHROPIC_MESSAGES: "/v1/messages",
    Dialect.ANTHROPIC_COUNT: "/v1/messages/count_tokens",
    Dialect.GEMINI: "/v1beta/models/{model}:generateContent",
    Dialect.GEMINI_COUNT: "/v1beta/models/{model}:countTokens",
    Dialect.BEDROCK: "/model/{model}/converse",
    Dialect.OPENAI_COMPLETIONS: "/v1/completions",
    Dialect.OPENAI_EMBEDDINGS: "/v1/embeddings",
    Dialect.OPENAI_IMAGES: "/v1/images/generations",
    Dialect.OPENAI_SPEECH: "/v1/audio/speech",
    Dialect.OPENAI_TRANSCRIPTIONS: "/v1/audio/transcriptions",
    Dialect.OPENAI_MODERATIONS: "/v1/moderations",
    Dialect.RERANK: "/v1/rerank",
}
NO_WEIGHT = "its weight is 0"
NOT_YOURS = "its provider takes no credentials of callers"
NOT_GRANTED = "your access to models does not grant it, and the route is your team's own"
Reason = Callable[[Target], str]


class Sifted(Struct):
    """The targets that remain, and the others with the reason."""

    kept: list[Target]
    dropped: list[Dropped] = []

    def drop(self, reason: Reason) -> None:
        """Leave out every target for which there is a reason."""
        kept: list[Target] = []
        for target in self.kept:
            why = reason(target)
            if why:
                self.dropped.append(Dropped(target.deployment.target, why))
            else:
                kept.append(target)
        self.kept = kept

    def spare(self, reason: Reason, rank: Callable[[Target], float]) -> None:
        """Leave out those for which there is a reason, but never the last: then the one of least `rank` stays."""
        if len(self.kept) < 2:
            return
        reasons = [(target, reason(target)) for target in self.kept]
        good = [target for target, why in reasons if not why]
        if len(good) == len(self.kept):
            return
        last = min(self.kept, key=rank)
        self.kept = good or [last]
        self.dropped += [
            Dropped(target.deployment.target, why) for target, why in reasons if why and target not in self.kept
        ]


def no_endpoint(dialect: Dialect) -> str:
    """The reason for which a target without an endpoint is left out: such calls are not translated."""
    return f"its provider has no {ENDPOINTS.get(dialect, dialect)}"


def cannot(target: Target, dialect: Dialect, regions: Iterable[Globs]) -> str:
    """Why a target can never serve a call in this dialect that is bound to these regions, or ""."""
    deployment = target.deployment
    if target.weight == 0:
        return NO_WEIGHT
    if not deployment.paths:
        return "it cannot be called in any dialect"
    if dialect in PLAIN and dialect not in deployment.paths:
        return no_endpoint(dialect)
    for globs in regions:
        if not globs.allows(deployment.region):
            where = f"in {deployment.region}" if deployment.region else "in no stated region"
            return f"it computes {where}, outside of {', '.join(globs.patterns)}"
    return ""


def sift(snapshot: Snapshot, decided: Decided, facts: Facts, health: HealthView) -> Sifted:
    """The targets of a call. Weight and region are never given up; ability, length and health may be.

    A call that goes on with a response which one of them keeps can be served by that one alone.
    """
    sifted = Sifted(list(decided.targets))
    sifted.drop(lambda target: cannot(target, facts.call.dialect, decided.regions))
    if facts.call.credential is not None:
        sifted.drop(lambda target: _unwelcome(snapshot, target.deployment))
    if decided.own:
        grants = facts.principal.may_use_model
        sifted.drop(lambda target: "" if grants(target.deployment.target) else NOT_GRANTED)
    stored = before(facts.call)
    if stored and any(target.deployment.target == (home := health.kept(stored)) for target in sifted.kept):
        sifted.drop(
            lambda target: "" if target.deployment.target == home else f"{home} keeps the response that it goes on with"
        )
    if len(sifted.kept) > 1:
        sifted.spare(lambda target: _unable(snapshot, target.deployment, facts), lambda target: target.priority)
        sifted.spare(lambda target: _too_small(target.deployment, facts), lambda t: -(t.deployment.context_window or 0))
        sifted.spare(lambda target: _resting(target.deployment, health), lambda t: _rest(t.deployment, health))
    return sifted


def credentialed(snapshot: Snapshot, deployment: Deployment, facts: Facts) -> Deployment:
    """The deployment with the credential that this caller's calls go out with: their own comes first."""
    if facts.call.credential is not None and _takes_callers(deployment):
        return replace(deployment, secret="", spares=(), own="caller")
    return with_own_credential(snapshot, deployment, facts.principal)


def _takes_callers(deployment: Deployment) -> bool:
    """Whether a caller's own credential goes out to a deployment in place of the hub's."""
    row = KINDS[deployment.kind]
    return row.passthrough or (not deployment.secret and bool(row.env))


def _unwelcome(snapshot: Snapshot, deployment: Deployment) -> str:
    provider = snapshot.providers.get(deployment.provider)
    forbids = provider is not None and not provider.spec.passthrough and _takes_callers(deployment)
    return NOT_YOURS if forbids else ""


def with_own_credential(snapshot: Snapshot, deployment: Deployment, principal: Principal) -> Deployment:
    """The deployment with the credential that the caller, else their team, keeps at the hub; as it is without one."""
    for owner in (("user", principal.user), ("team", principal.team)):
        secret = snapshot.own_credentials.get((deployment.provider, owner))
        if secret is not None:
            return replace(deployment, secret=secret, spares=(), own=owner[0])
    return deployment


def _unable(snapshot: Snapshot, deployment: Deployment, facts: Facts) -> str:
    if not (facts.tools or facts.images):
        return ""
    known = snapshot.catalogue_model(deployment.target)
    if known is None or not known.capabilities:
        return ""
    if facts.tools and not has_capability(known, "tools"):
        return "the call offers tools, which it is not known to use"
    if facts.images and not has_capability(known, "vision"):
        return "the call holds a picture, which it is not known to see"
    return ""


def _too_small(deployment: Deployment, facts: Facts) -> str:
    window = deployment.context_window
    if window is None or facts.tokens <= window:
        return ""
    return f"its context window of {window} tokens is less than the prompt's about {facts.tokens}"


def _resting(deployment: Deployment, health: HealthView) -> str:
    state = health.of(deployment)
    if state.circuit is Circuit.OPEN:
        return "its circuit is open: it failed repeatedly"
    if state.rests:
        return f"its credentials are throttled or refused, for another {state.rests:.0f} s"
    return ""


def _rest(deployment: Deployment, health: HealthView) -> float:
    state = health.of(deployment)
    return state.rests + (1000.0 if state.circuit is Circuit.OPEN else 0.0)
