"""Who is calling, and what they may reach."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from hub.core.calls import Arrival
from hub.core.capture import Capture


class Role(StrEnum):
    """The roles of the permission table. `admin` and `auditor` hold for the whole hub, the rest per team."""

    ADMIN = "admin"
    AUDITOR = "auditor"
    OWNER = "owner"
    DEVELOPER = "developer"
    VIEWER = "viewer"


@lru_cache(maxsize=4096)
def _matcher(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


@dataclass(frozen=True, slots=True)
class Globs:
    """An ordered set of glob patterns; a pattern that starts with `!` takes away. Empty means nothing."""

    patterns: tuple[str, ...] = ()

    def allows(self, name: str) -> bool:
        """Whether `name` is granted: some plain pattern matches it and no `!` pattern does."""
        granted = False
        for pattern in self.patterns:
            if pattern.startswith("!"):
                if _matcher(pattern[1:]).match(name):
                    return False
            elif not granted and (pattern == "*" or _matcher(pattern).match(name)):
                granted = True
        return granted

    def covers(self, other: "Globs") -> bool:
        """Whether all that `other` grants is surely granted here too. Patterns that cannot be compared do not count."""
        mine = [pattern for pattern in self.patterns if not pattern.startswith("!")]
        for pattern in other.patterns:
            if not pattern.startswith("!") and not any(_covers(own, pattern) for own in mine):
                return False
        taken = [pattern[1:] for pattern in self.patterns if pattern.startswith("!")]
        return all(other.denies(pattern) for pattern in taken)

    def denies(self, taken: str) -> bool:
        """Whether surely nothing is granted that the pattern `taken` matches."""
        denied = [pattern[1:] for pattern in self.patterns if pattern.startswith("!")]
        if any(_covers(pattern, taken) for pattern in denied):
            return True
        return all(
            _are_apart(own, taken) or any(_covers(pattern, own) for pattern in denied)
            for own in self.patterns
            if not own.startswith("!")
        )


def _is_glob(pattern: str) -> bool:
    return any(char in pattern for char in "*?[")


def _are_apart(one: str, other: str) -> bool:
    """Whether surely no name matches both; of two globs that cannot be said."""
    if not _is_glob(one):
        return not _matcher(other).match(one)
    return not _is_glob(other) and not _matcher(one).match(other)


def _covers(wide: str, narrow: str) -> bool:
    """Whether every name that `narrow` matches is matched by `wide`: sure for `*`, else only for equal patterns."""
    if wide == narrow:
        return True
    if "?" in wide or "[" in wide:
        return not _is_glob(narrow) and bool(_matcher(wide).match(narrow))
    if "[" in narrow:  # its letters are not those of the names: only what stands before it can be compared
        begin, star, rest = wide.partition("*")
        return bool(star) and not rest and narrow.partition("[")[0].startswith(begin)
    return bool(_matcher(wide).match(narrow))


EVERYTHING = Globs(("*",))
NOTHING = Globs()


class Reach(StrEnum):
    """What access is granted to: the fields of `Access` that hold globs."""

    MODEL = "models"
    PROFILE = "profiles"
    TOOL = "tools"
    ENDPOINT = "endpoints"


@lru_cache(maxsize=4096)
def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)


@lru_cache(maxsize=4096)
def _lies_in(client: str, networks: tuple[str, ...]) -> bool:
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in _network(network) for network in networks)


@dataclass(frozen=True, slots=True)
class Access:
    """What is granted at one level (team, user or key). A principal holds several; all must agree.

    `endpoints` are globs over the paths of the hub. `networks` are those a request may come from (none named: any),
    `headers` pairs of a header's name and a glob that its value must match.
    """

    models: Globs = NOTHING
    profiles: Globs = NOTHING
    tools: Globs = EVERYTHING
    endpoints: Globs = EVERYTHING
    networks: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def is_conditional(self) -> bool:
        """Whether it matters here where a request comes from, and how."""
        return bool(self.networks or self.headers or self.endpoints != EVERYTHING)

    def objection(self, arrival: Arrival) -> str:
        """Why a request that arrives like this is not let in at this level, or ""."""
        if self.networks and not _lies_in(arrival.client, self.networks):
            return "may not be used from this network"
        if not self.endpoints.allows(arrival.path):
            return f"may not be used at {arrival.path[:100]}"
        for name, glob in self.headers:
            if not _matcher(glob).match(arrival.header(name)):
                return f"may be used only with the header '{name}' that its access asks for"
        return ""


def excess(given: Iterable[Access], own: Iterable[Access]) -> str:
    """The first thing in which access `given` may reach beyond access `own`, by its field; "" when it does not."""
    levels = tuple(given)
    for mine in own:
        for reach in Reach:
            if not any(getattr(mine, reach).covers(getattr(level, reach)) for level in levels):
                return reach
        if mine.networks and not any(_within(level.networks, mine.networks) for level in levels):
            return "networks"
        if not set(mine.headers).issubset(pair for level in levels for pair in level.headers):
            return "headers"
    return ""


def _within(narrow: tuple[str, ...], wide: tuple[str, ...]) -> bool:
    return bool(narrow) and all(any(_is_subnet(inner, outer) for outer in wide) for inner in narrow)


def _is_subnet(inner: str, outer: str) -> bool:
    small, large = _network(inner), _network(outer)
    return small.version == large.version and small.subnet_of(large)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `id` is stable and names them in the ledger (`key:ci`, `user:ann`).

    `access` is the chain of grants (team, user, key): something is reachable only when every level
    grants it. `roles` maps a team's name to the role held there; `""` is the whole hub. `ends_at` (seconds since the
    epoch) is when the first level ends. `capture` is how much of their calls is kept, by their key or else their
    team; None leaves it to the hub. `via` tells the secrets of one key apart: the beginning of the presented one's hash.
    `priority` is 0 for calls that go before others where calls wait, 1, or 2 for those that go after them.
    """

    id: str
    kind: str
    key: str = ""
    user: str = ""
    team: str = ""
    roles: dict[str, Role] = field(default_factory=dict[str, Role])
    access: tuple[Access, ...] = ()
    ends_at: float | None = None
    conditions: tuple[Access, ...] = ()  # those levels of `access` that are conditional
    capture: Capture | None = None
    via: str = ""
    priority: int = 1

    @property
    def is_admin(self) -> bool:
        """Whether they hold the admin role for the whole hub."""
        return self.roles.get("") is Role.ADMIN

    def may(self, reach: Reach, name: str) -> bool:
        """The decision about reaching anything, for listing, calling, reading and searching: every level grants it."""
        for level in self.access:
            globs: Globs = getattr(level, reach)
            if globs is not EVERYTHING and not globs.allows(name):
                return False
        return bool(self.access)

    def may_use_model(self, model: str) -> bool:
        """Whether every level of access grants this public model name."""
        return self.may(Reach.MODEL, model)

    def may_use_profile(self, profile: str) -> bool:
        """Whether every level of access grants this profile."""
        return self.may(Reach.PROFILE, profile)

    def may_use_tool(self, tool: str) -> bool:
        """Whether every level of access grants this tool, by `server/tool` of the upstream."""
        return self.may(Reach.TOOL, tool)

    def objection(self, arrival: Arrival) -> str:
        """Why a request that arrives like this is not let in, or ""."""
        return next((found for level in self.conditions if (found := level.objection(arrival))), "")


ANONYMOUS = Principal(id="anonymous", kind="anonymous")
