"""The permission table, as data: what each role may do, shown in the documentation and in the Admin Dashboard."""

from collections.abc import Mapping
from enum import StrEnum

from hub.core.principal import Principal, Role
from hub.core.refusal import Forbidden, Unauthenticated


class Permission(StrEnum):
    """What a route of the management API asks for."""

    PUBLIC = "public"  # nobody needs to sign in
    SELF = "self"  # anybody with a good credential, about themselves
    PLATFORM_READ = "platform.read"  # providers, servers, routes, exports, guardrails
    PLATFORM_WRITE = "platform.write"
    PEOPLE_READ = "people.read"  # teams, users
    PEOPLE_WRITE = "people.write"
    KEYS_READ = "keys.read"
    KEYS_WRITE = "keys.write"
    KEYS_OWN = "keys.own"  # one's own keys: make, rotate, revoke
    CATALOGUE_READ = "catalogue.read"  # models, profiles, announcements: what developers work with
    CATALOGUE_WRITE = "catalogue.write"
    CATALOGUE_OWN = "catalogue.own"  # profiles of one's own team
    ROUTES_OWN = "routes.own"  # routes of one's own team
    SPENDING_READ = "spending.read"  # budgets, limits
    SPENDING_WRITE = "spending.write"
    LEDGER_READ = "ledger.read"  # logs and usage
    AUDIT_READ = "audit.read"
    METRICS_READ = "metrics.read"
    SECRETS_WRITE = "secrets.write"


_READS = frozenset(p for p in Permission if p.value.endswith(".read"))
_OWNER = frozenset(
    {
        Permission.SELF,
        Permission.CATALOGUE_READ,
        Permission.CATALOGUE_OWN,
        Permission.ROUTES_OWN,
        Permission.KEYS_READ,
        Permission.KEYS_WRITE,
        Permission.KEYS_OWN,
        Permission.SPENDING_READ,
        Permission.PEOPLE_READ,
        Permission.LEDGER_READ,
    }
)

TABLE: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.AUDITOR: _READS | {Permission.SELF},
    Role.OWNER: _OWNER,
    Role.DEVELOPER: frozenset(
        {
            Permission.SELF,
            Permission.CATALOGUE_READ,
            Permission.CATALOGUE_OWN,
            Permission.ROUTES_OWN,
            Permission.KEYS_OWN,
        }
    ),
    Role.VIEWER: frozenset({Permission.SELF, Permission.CATALOGUE_READ}),
}

DESCRIPTIONS: Mapping[Permission, str] = {
    Permission.PUBLIC: "open to everybody",
    Permission.SELF: "what concerns oneself: who am I, my own calls and usage",
    Permission.PLATFORM_READ: "see providers, routes, servers, guardrails, exports",
    Permission.PLATFORM_WRITE: "change them, and apply files",
    Permission.PEOPLE_READ: "see teams and users",
    Permission.PEOPLE_WRITE: "change teams, users and roles",
    Permission.KEYS_READ: "see keys (never their secrets)",
    Permission.KEYS_WRITE: "make, change, rotate and revoke keys",
    Permission.KEYS_OWN: "make, change, rotate and revoke one's own keys",
    Permission.CATALOGUE_READ: "see the models, profiles and announcements that one may use",
    Permission.CATALOGUE_WRITE: "change models, profiles and announcements",
    Permission.CATALOGUE_OWN: "make and change profiles of one's team, out of tools that one may use",
    Permission.ROUTES_OWN: "make and change routes of one's team, to targets that one may call",
    Permission.SPENDING_READ: "see budgets and limits",
    Permission.SPENDING_WRITE: "change budgets and limits",
    Permission.LEDGER_READ: "see the calls and usage of the whole team (or hub)",
    Permission.AUDIT_READ: "see the audit trail",
    Permission.METRICS_READ: "read /metrics",
    Permission.SECRETS_WRITE: "write secrets to the vault",
}

# Team roles hold for what belongs to the team; these two hold for the whole hub.
PLATFORM_ROLES = frozenset({Role.ADMIN, Role.AUDITOR})


def teams_with(principal: Principal, permission: Permission) -> frozenset[str] | None:
    """The teams in which the principal holds `permission`; None means everywhere."""
    platform = principal.roles.get("")
    if platform is not None and permission in TABLE[platform]:
        return None
    return frozenset(team for team, role in principal.roles.items() if team and permission in TABLE[role])


def require(principal: Principal, permission: Permission, team: str | None = None) -> None:
    """Refuse unless the principal holds `permission`: in `team`, or anywhere when `team` is None.

    Raises Unauthenticated (nobody is signed in) or Forbidden.
    """
    if permission is Permission.PUBLIC:
        return
    if principal.kind == "anonymous":
        raise Unauthenticated(
            "missing_key",
            "Sign in, or send a key as 'Authorization: Bearer <key>'.",
            headers={"www-authenticate": "Bearer"},
        )
    if permission is Permission.SELF:
        return
    teams = teams_with(principal, permission)
    if teams is None or (teams if team is None else team in teams):
        return
    where = f" in team '{team}'" if team else ""
    raise Forbidden(
        "forbidden", f"This needs the permission '{permission}'{where}. Ask an administrator or a team owner."
    )
