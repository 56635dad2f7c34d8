"""What the store hands out: resources, versions, changes, audit rows. Frozen values."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

API = "api"
# What rows of the audit trail tell of.
Action = Literal[
    "create", "change", "delete", "rotate", "revoke", "stop", "resume", "approve", "secret", "secret-removed", "test",
    "recompute-costs", "read-bodies", "denied", "sign-in", "sign-in-failed", "sign-in-link", "sign-in-ended", "sign-ins-ended",
    "password-set", "password-removed", "program-sign-in", "program-signed-out", "account-connected", "account-disconnected",
    "oauth-client-forgotten",
]  # fmt: skip
ACTIONS: tuple[str, ...] = get_args(Action)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: `user:ann`, `key:ci`, `system`; through which door; from which address."""

    id: str
    source: str = "api"
    address: str = ""


def file_of(managed_by: str) -> str:
    """The file that manages a resource, or ""."""
    return managed_by.removeprefix("file:") if managed_by.startswith("file:") else ""


def by_file(source: str) -> str:
    """What `managed_by` says of a resource from that file, which may be named with `file:` or without."""
    return f"file:{source.removeprefix('file:')}"


def managed(managed_by: str) -> dict[str, str]:
    """What a resource tells of who manages it: `managed_by` is `api` or `file`; with a file its path, as `file`."""
    file = file_of(managed_by)
    return {"managed_by": "file", "file": file} if file else {"managed_by": managed_by}


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource at its current version. `managed_by` is `api`, or `file:PATH` (see `managed`)."""

    kind: str
    name: str
    version: int
    managed_by: str
    updated_at: datetime
    updated_by: str
    spec: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a resource; `spec` is None where it was deleted."""

    version: int
    at: datetime
    by: str
    managed_by: str
    spec: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an apply, done or (in a dry run) foreseen. `secret` is a made key's, shown once."""

    kind: str
    name: str
    action: str  # create, change, delete
    version: int
    diff: list[dict[str, Any]]
    note: str = ""
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """A resource that was written, whether it is new, and a made key's secret."""

    resource: Resource
    created: bool
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row of the audit trail."""

    id: int
    at: datetime
    actor: str
    source: str
    address: str
    action: str
    kind: str
    name: str
    version: int
    diff: list[dict[str, Any]]
    detail: str
    hash: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Whether the chain is whole; `fault` says where it is not."""

    ok: bool
    rows: int
    head: str
    fault: str = ""
