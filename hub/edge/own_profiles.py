"""Profiles of a team: its owners and developers make and change them, out of what they may use themselves."""

from collections.abc import Iterable, Mapping
from typing import Any

from hub.core.principal import Globs, Principal
from hub.core.refusal import Forbidden
from hub.identity import Permission, require

Spec = dict[str, Any]


def check_of_team(principal: Principal, permission: Permission, what: str, *specs: Mapping[str, Any] | None) -> None:
    """Raise Forbidden unless each of these is of a team in which the principal has the permission."""
    for spec in specs:
        if spec is None:
            continue
        team = spec.get("team")
        if not isinstance(team, str):
            raise Forbidden(
                "forbidden", f"{what} of the whole hub are an administrator's. One of your team says so: team: NAME."
            )
        require(principal, permission, team)


def check_own_profile(principal: Principal, name: str, new: Spec | None, old: Spec | None) -> None:
    """Refuse a change of a profile that is not the principal's team's, or that reaches beyond what they may use.

    Raises Forbidden. `new` is None for a deletion, `old` for a creation.
    """
    check_of_team(principal, Permission.CATALOGUE_OWN, "Profiles", old, new)
    if new is not None:
        _check_name(principal, name, new)
        _check_rules(new, old or {})
        _check_content(principal, new)


def _check_name(principal: Principal, name: str, new: Spec) -> None:
    if not principal.may_use_profile(name):
        raise Forbidden(
            "forbidden",
            f"Nobody of your team could use a profile named '{name[:64]}'. Choose a name that your access to profiles "
            "grants, or ask an administrator to grant this one.",
        )
    if new.get("security", "key") == "none":
        raise Forbidden("forbidden", "Only an administrator opens a profile to everybody: leave out security: none.")


def _check_rules(new: Spec, old: Spec) -> None:
    gone = [rule for rule in _names(old.get("guardrails")) if rule not in _names(new.get("guardrails"))]
    if gone:
        raise Forbidden("forbidden", f"Only an administrator takes the guardrail '{gone[0][:64]}' off a profile.")


def _check_content(principal: Principal, new: Spec) -> None:
    for other in _names(new.get("include")):
        if not principal.may_use_profile(other):
            raise Forbidden("forbidden", f"You may not use the profile '{other[:64]}', so yours cannot include it.")
    servers = new.get("servers")
    for server, own in servers.items() if isinstance(servers, dict) else ():
        beyond = _beyond(principal, server, own if isinstance(own, dict) else {})
        if beyond:
            raise Forbidden(
                "forbidden",
                f"Your access to tools does not grant '{beyond[:128]}'. Choose of '{server[:64]}' only tools that it grants.",
            )


def _beyond(principal: Principal, server: str, own: Spec) -> str:
    """The first pattern of tools that reaches beyond what the principal may use; "" when none does."""
    patterns = own.get("tools", ["*"])
    plain = [one for one in patterns if isinstance(one, str)] if isinstance(patterns, list) else []
    if not plain or len(plain) < len(patterns):
        plain = ["*", *plain]  # tools that are chosen by what they are can be any
    taken = [f"!{server}/{one[1:]}" for one in plain if one.startswith("!")]
    for pattern in plain:
        whole = f"{server}/{pattern}"
        if not pattern.startswith("!") and not all(
            level.tools.covers(Globs((whole, *taken))) for level in principal.access
        ):
            return whole
    return ""


def _names(given: object) -> Iterable[str]:
    return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []
