"""Specs of what the hub tells others: announcements for people, exports for machines."""

import hashlib
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from hub.resources.access import Instant
from hub.resources.serving import OwnerSpec
from hub.resources.spec import Header, HeaderValue, Name, SecretRef, Spec, Title


class AnnouncementSpec(Spec):
    """A notice shown in the Console while it is current: from `starts_at` to `ends_at`, until it is archived.

    `body` is Markdown. With `teams` only members of those see it.
    """

    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    body: Annotated[str, StringConstraints(max_length=20_000)] = ""
    severity: Literal["info", "warning", "critical"] = "info"
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    teams: list[Name] = Field(default_factory=list, max_length=1000)
    archived: bool = False

    def is_current(self, now: datetime | None = None) -> bool:
        """Whether it is shown at this time."""
        at = now or datetime.now(UTC)
        begun = self.starts_at is None or self.starts_at <= at
        return not self.archived and begun and (self.ends_at is None or at < self.ends_at)

    def is_for(self, teams: Collection[str]) -> bool:
        """Whether it is for people of any of these teams."""
        return not self.teams or any(team in teams for team in self.teams)

    @property
    def digest(self) -> str:
        """What tells this announcement from the same one after a change."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    @model_validator(mode="after")
    def _ends_after_start(self) -> "AnnouncementSpec":
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at lies after starts_at")
        return self


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address like https://collector.example.com/v1/traces is needed")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("an address holds no credential and no fragment: name the credential with auth and secret")
    return value


def _protocol(value: Any) -> Any:
    if value == "grpc":
        raise ValueError("OTLP over gRPC is not spoken: collectors take http/protobuf at port 4318")
    return value


def _own_to_set(header: str) -> str:
    if header.lower() in _FRAMING:
        raise ValueError(f"'{header}' says how a message is sent, and is not yours to set")
    return header


_FRAMING = frozenset({"host", "connection", "content-length", "content-type", "transfer-encoding", "te", "upgrade"})
Address = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_url)]
OwnHeader = Annotated[Header, AfterValidator(_own_to_set)]
Protocol = Annotated[Literal["http/protobuf", "http/json"], BeforeValidator(_protocol)]


class ExportSpec(Spec):
    """Where a copy of the ledger or of the audit trail goes.

    `jsonl` appends to `exports/NAME.jsonl` in the data folder; `otlp` sends traces to an OpenTelemetry collector;
    `webhook` posts JSON. `of` is what is sent: `calls`, `audit`, or both (traces tell of calls only).
    `auth` says how `secret` is presented: `bearer`, `basic` (the secret is `user:password`), `api_key` (in
    `api_key_header`) or `signature` (HMAC-SHA256 of the body in `x-hub-signature`). `sample` is the share of calls
    whose trace is sent, where their caller has not decided it; `content` adds what was said to the spans of calls
    whose bodies are kept. `allow_private` allows loopback and private addresses. With `owner` it is a team's or a
    person's own: traces of their calls alone, without what was said.
    """

    title: Title = ""
    format: Literal["jsonl", "otlp", "webhook"] = "jsonl"
    of: list[Literal["calls", "audit"]] = Field(default_factory=lambda: ["calls"], min_length=1, max_length=2)
    endpoint: Address | None = None
    protocol: Protocol = "http/protobuf"
    auth: Literal["none", "bearer", "basic", "api_key", "signature"] = "none"
    secret: SecretRef | None = None
    api_key_header: OwnHeader = "X-API-Key"
    headers: dict[OwnHeader, HeaderValue] = Field(default_factory=dict, max_length=32)
    service_name: Annotated[str, StringConstraints(min_length=1, max_length=100)] = "hub"
    sample: Annotated[float, Field(ge=0, le=1, strict=False)] = 1.0
    content: bool = False
    allow_private: bool = False
    owner: OwnerSpec | None = None
    enabled: bool = Field(default=True)

    @model_validator(mode="after")
    def _has_its_destination(self) -> "ExportSpec":
        if self.format == "jsonl" and self.endpoint is not None:
            raise ValueError("jsonl writes a file and has no endpoint; format is otlp or webhook")
        if self.format != "jsonl" and self.endpoint is None:
            raise ValueError(f"{self.format} needs an endpoint")
        if self.format == "otlp" and self.of != ["calls"]:
            raise ValueError("traces tell of calls only; send the audit trail by webhook or jsonl")
        if (self.auth == "none") != (self.secret is None):
            raise ValueError("auth and secret belong together")
        if self.owner is not None and (self.format != "otlp" or self.content):
            raise ValueError("what a team or a person exports is format: otlp, without content")
        return self
