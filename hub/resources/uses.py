"""Who uses a resource: what names it, and who may reach it, so that a deletion can say what it does."""

from collections.abc import Iterator, Mapping
from typing import Any

from hub.core.principal import Globs

Specs = Mapping[str, Mapping[str, dict[str, Any]]]
Use = tuple[str, str, str]  # kind, name, how

_SCOPED = ("budgets", "limits", "guardrails")
_GRANTS = {"models": "models", "profiles": "profiles"}


def uses(specs: Specs, kind: str, name: str) -> list[Use]:
    """The resources that name `kind`/`name`, and the teams, users and keys that it is granted to."""
    found = [*_named(specs, kind, name), *_scoped(specs, kind, name), *_granted(specs, kind, name)]
    return list(dict.fromkeys(found))


def naming(specs: Specs, reference: str) -> list[tuple[str, str]]:
    """The resources (kind, name) that name a secret such as `vault:openai`, wherever in their spec."""
    return [(kind, own) for kind, named in specs.items() for own, spec in named.items() if _holds(spec, reference)]


def _holds(value: Any, text: str) -> bool:
    if isinstance(value, dict):
        return any(_holds(part, text) for part in value.values())
    if isinstance(value, list):
        return any(_holds(part, text) for part in value)
    return value == text


def _named(specs: Specs, kind: str, name: str) -> Iterator[Use]:
    for other, named in specs.items():
        for own, spec in named.items():
            if (other, own) != (kind, name):
                yield from ((other, own, how) for how in _reasons(other, spec, kind, name))


def _reasons(other: str, spec: dict[str, Any], kind: str, name: str) -> Iterator[str]:
    if kind == "providers" and any(target.startswith(f"{name}/") for target in _targets(spec)):
        yield "a target"
    if kind == "routes" and spec.get("route") == name:
        yield "its route"
    if kind == "servers" and other == "profiles" and name in spec.get("servers", {}):
        yield "one of its servers"
    if kind == "teams" and (spec.get("team") == name or name in _names(spec.get("teams"))):
        yield "a member" if other == "users" else "belongs to it"
    if kind == "users" and other == "keys" and spec.get("user") == name:
        yield "acts as this user"
    if kind in ("teams", "users") and (spec.get("owner") or {}).get(kind.rstrip("s")) == name:
        yield "is its own"
    if kind == "guardrails" and name in _names(spec.get("guardrails")):
        yield "applies it"
    if kind == "profiles" and other == "profiles" and name in _names(spec.get("include")):
        yield "includes it"


def _names(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | dict) else []


def _targets(spec: dict[str, Any]) -> list[str]:
    targets = spec.get("targets")
    return [str(t.get("model", "")) for t in targets if isinstance(t, dict)] if isinstance(targets, list) else []


def _scoped(specs: Specs, kind: str, name: str) -> Iterator[Use]:
    scope = kind.rstrip("s")
    for other in _SCOPED:
        for own, spec in specs.get(other, {}).items():
            if spec.get("scope", {}).get(scope) == name:
                yield other, own, "has it as its scope"


def _granted(specs: Specs, kind: str, name: str) -> Iterator[Use]:
    grant = _GRANTS.get(kind)
    if grant is None:
        return
    for other in ("teams", "users", "keys"):
        for own, spec in specs.get(other, {}).items():
            patterns = spec.get(grant)
            if isinstance(patterns, list) and Globs(tuple(patterns)).allows(name):
                yield other, own, "may use it"
