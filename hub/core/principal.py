"""Who is calling, and what they may reach."""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache


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
            elif not granted and _matcher(pattern).match(name):
                granted = True
        return granted


EVERYTHING = Globs(("*",))
NOTHING = Globs()


@dataclass(frozen=True, slots=True)
class Access:
    """What is granted at one level (team, user or key). A principal holds several; all must agree."""

    models: Globs = NOTHING
    profiles: Globs = NOTHING
    tools: Globs = EVERYTHING


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `id` is stable and names them in the ledger (`key:ci`, `user:ann`).

    `access` is the chain of grants (team, user, key): something is reachable only when every level
    grants it. `roles` maps a team's name to the role held there; `""` is the whole hub.
    """

    id: str
    kind: str
    key: str = ""
    user: str = ""
    team: str = ""
    roles: dict[str, Role] = field(default_factory=dict[str, Role])
    access: tuple[Access, ...] = ()

    @property
    def is_admin(self) -> bool:
        """Whether they hold the admin role for the whole hub."""
        return self.roles.get("") is Role.ADMIN

    def may_use_model(self, model: str) -> bool:
        """Whether every level of access grants this public model name."""
        return bool(self.access) and all(level.models.allows(model) for level in self.access)

    def may_use_profile(self, profile: str) -> bool:
        """Whether every level of access grants this profile."""
        return bool(self.access) and all(level.profiles.allows(profile) for level in self.access)

    def may_use_tool(self, tool: str) -> bool:
        """Whether every level of access grants this tool, by `server/tool` of the upstream."""
        return bool(self.access) and all(level.tools.allows(tool) for level in self.access)


ANONYMOUS = Principal(id="anonymous", kind="anonymous")
