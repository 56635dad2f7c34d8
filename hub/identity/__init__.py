"""Credentials in, principal out: keys, and the table of what each role may do."""

from hub.identity.access_tokens import ACCESS_SECONDS, AccessTokens, Claims, Refresh
from hub.identity.catalogue_tokens import CatalogueTokens, catalogue_token
from hub.identity.keys import digest, is_mistyped, make_key
from hub.identity.kind_permissions import READ, WRITE
from hub.identity.passwords import Passwords, check_strength
from hub.identity.permissions import PLATFORM_ROLES, TABLE, Permission, require, teams_with
from hub.identity.resolver import Identity

__all__ = [
    "ACCESS_SECONDS",
    "PLATFORM_ROLES",
    "READ",
    "TABLE",
    "WRITE",
    "AccessTokens",
    "CatalogueTokens",
    "Claims",
    "Identity",
    "Passwords",
    "Permission",
    "Refresh",
    "catalogue_token",
    "check_strength",
    "digest",
    "is_mistyped",
    "make_key",
    "require",
    "teams_with",
]
