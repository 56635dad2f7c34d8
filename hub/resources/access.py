"""Specs of who may call: teams, users and keys.

Access is a chain of levels: team, then user, then key. The first level that exists must grant (left out,
it grants nothing); the levels below it may narrow (left out, they narrow nothing).
"""

import json
from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from hub.core.capture import Capture
from hub.core.principal import Role
from hub.resources.spec import Glob, Header, Name, SecretRef, Spec, Text, Title

_MOST_SETTINGS = 64 << 10
Grants = Annotated[list[Glob] | None, Field(max_length=1000)]
Email = Annotated[str, StringConstraints(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")]


def _instant(value: object) -> object:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("a date and time with its offset is needed, for example 2027-01-31T00:00:00Z") from None
    return value


Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]


def _bounded_settings(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value, default=str)) > _MOST_SETTINGS:
        raise ValueError(f"the settings are longer than {_MOST_SETTINGS >> 10} KiB")
    return value


def _role(value: object) -> object:
    if isinstance(value, str):
        try:
            return Role(value)
        except ValueError:
            raise ValueError(f"there is no role '{value}'; roles: {', '.join(Role)}") from None
    return value


RoleField = Annotated[Role, BeforeValidator(_role)]


def _network(value: str) -> str:
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f"'{value}' is not an address or a network like 10.0.0.0/8") from None


Network = Annotated[str, StringConstraints(max_length=64), AfterValidator(_network)]


def _capture(value: object) -> object:
    if value is False:  # what YAML makes of a plain `off`
        return Capture.OFF
    if isinstance(value, str):
        try:
            return Capture(value)
        except ValueError:
            raise ValueError(f"there is no '{value}'; what is kept is one of: {', '.join(Capture)}") from None
    return value


Priority = Literal["high", "normal", "low"]
CaptureField = Annotated[Capture | None, BeforeValidator(_capture)]


class AccessSpec(Spec):
    """What one level grants: globs over public model names, profiles, `server/tool` names and paths of the hub.

    `networks` are those from which requests may come, `headers` maps a header that they must carry to a glob of its
    value; the level grants nothing after `expires_at`.
    """

    models: Grants = None
    profiles: Grants = None
    tools: Grants = None
    endpoints: Grants = None
    networks: Annotated[list[Network] | None, Field(min_length=1, max_length=200)] = None
    headers: Annotated[dict[Header, Glob] | None, Field(max_length=20)] = None
    expires_at: Instant | None = None


class CacheSpec(Spec):
    """Whole answers that are given again to the same request of the same team, byte for byte: how long, which models."""

    seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    models: list[Glob] = Field(default_factory=lambda: ["*"], max_length=100)


class ClientsSpec(Spec):
    """What is pushed to the clients of people who sign in through the hub.

    `profile` is the one whose plugin is switched on; `settings` are further ones of the client's own, as it writes them.
    """

    profile: Name | None = None
    settings: Annotated[dict[str, Any], AfterValidator(_bounded_settings)] = Field(default_factory=dict)


class TeamSpec(AccessSpec):
    """A group of people and keys that share access and money. `route` decides where their model calls go.

    `capture` is how much is kept of the bodies of its calls, within the hub's data boundary; `none` keeps no entry.
    `cache` gives answers again to the same request; it is off unless it is given, and never reaches another team.
    `clients` is what is pushed to the clients of its people, such as Claude Code, once they have signed in. `priority`
    says who goes first where calls wait for room at a limit with a `queue`.
    """

    title: Title = ""
    description: Text = ""
    cache: CacheSpec | None = None
    clients: ClientsSpec | None = None
    route: Name | None = None
    capture: CaptureField = None
    priority: Priority = "normal"


class UserSpec(AccessSpec):
    """A person. `role` holds for the whole hub (admin or auditor); `teams` gives the role in each team.

    A password is not part of a user: `hub user password NAME` sets it.
    """

    email: Email | None = None
    title: Title = ""
    role: Annotated[RoleField | None, Field(default=None)]
    teams: dict[Name, RoleField] = Field(default_factory=dict)
    enabled: bool = True


class KeySpec(AccessSpec):
    """A virtual key. With `user` it acts as that person; with `team` only, it is a service key.

    `secret` gives the secret by reference (at least 32 characters); left out, one is made and shown once.
    `route` decides where its model calls go, before the team's route and the model's own; `routes` are those that
    the caller may name in `x-hub-route`. `capture` takes the place of the team's. `strict` refuses a model call of
    which a field cannot be carried into the provider's dialect, instead of leaving the field out and naming it in
    `x-hub-dropped-fields`. `priority` may be lower than the team's, never higher.
    """

    title: Title = ""
    team: Name | None = None
    user: Name | None = None
    secret: SecretRef | None = None
    route: Name | None = None
    routes: list[Glob] = Field(default_factory=list, max_length=100)
    strict: bool = False
    priority: Priority | None = None
    capture: CaptureField = None
    enabled: bool = True
