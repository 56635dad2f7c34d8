"""What each kind of resource asks for: the permission to read it, and the one to change it."""

from collections.abc import Mapping

from hub.identity.permissions import Permission

# For each kind, the permission that reading and writing it takes.
READ: Mapping[str, Permission] = {
    "providers": Permission.PLATFORM_READ,
    "models": Permission.CATALOGUE_READ,
    "routes": Permission.PLATFORM_READ,
    "servers": Permission.PLATFORM_READ,
    "profiles": Permission.CATALOGUE_READ,
    "teams": Permission.PEOPLE_READ,
    "users": Permission.PEOPLE_READ,
    "keys": Permission.KEYS_READ,
    "budgets": Permission.SPENDING_READ,
    "limits": Permission.SPENDING_READ,
    "guardrails": Permission.PLATFORM_READ,
    "announcements": Permission.CATALOGUE_READ,
    "exports": Permission.PLATFORM_READ,
}
WRITE: Mapping[str, Permission] = {
    kind: {
        Permission.PLATFORM_READ: Permission.PLATFORM_WRITE,
        Permission.CATALOGUE_READ: Permission.CATALOGUE_WRITE,
        Permission.PEOPLE_READ: Permission.PEOPLE_WRITE,
        Permission.KEYS_READ: Permission.KEYS_WRITE,
        Permission.SPENDING_READ: Permission.SPENDING_WRITE,
    }[permission]
    for kind, permission in READ.items()
}
