"""Settings of the process, from `HUB_*` variables and the command line: the one place that reads the environment."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from hub.core.refusal import Fault, InvalidSpec
from hub.edge.heads import HttpLimits
from hub.resources.provider_kinds import KINDS

PREFIX = "HUB_"
# Read by the command line when it talks to a hub, not by the hub.
OF_THE_CLIENT = ("HUB_URL", "HUB_KEY")
_MIB = 1 << 20


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _host(value: str) -> str:
    name = value.strip("[]")
    if not name or set(name) & set("/@\\ ") or (":" in name and not _is_address(name)):
        raise ValueError(f"'{value}' is not a host: write only its name or address, or a pattern like *.example.com")
    return name.lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _network(value: str) -> str:
    try:
        ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"'{value}' is not an address or a network like 10.0.0.0/8") from None
    return value


Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], BeforeValidator(_split)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(_split)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
Bytes = Annotated[int, Field(ge=1024, le=1024 * _MIB)]


def process_environment() -> Mapping[str, str]:
    """The process's environment as it is, for whoever looks for another program's folders."""
    return MappingProxyType(dict(os.environ))  # noqa: TID251 - this is the place


class InvalidSettings(InvalidSpec, ValueError):
    """Settings that do not hold; each fault stands at its variable's name. No value is shown: it may be a secret."""


class Settings(BaseModel):
    """How this process runs. What the hub serves, to whom and at what price are resources, not settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=True)

    def __init__(self, **flags: Any) -> None:
        """Read the variables, in any case, but for empty ones; what a flag gives wins. Raises InvalidSettings."""
        present = {name.upper(): value for name, value in process_environment().items()}
        given = {name: value for name in type(self).model_fields if (value := present.get(f"{PREFIX}{name.upper()}"))}
        try:
            super().__init__(**{**given, **flags})
        except ValidationError as error:
            raise InvalidSettings([_fault(item) for item in error.errors(include_input=False)]) from None

    host: str = Field("127.0.0.1", description="Address to listen on. `0.0.0.0` or `::` means all of them.")
    port: int = Field(8484, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    data: Path = Field(
        Path(".hub"),
        description="Folder of the embedded database, the vault key and the ledger's spool; made private.",
    )
    database_url: str = Field(
        "",
        repr=False,
        description="`postgresql://user:password@host/name`. Left out, SQLite in the data folder is used.",
    )
    redis_url: SecretStr | None = Field(
        None,
        description="`redis://host:6379/0`: limits and budgets are counted there, exactly, for all replicas together. "
        "Left out, each process counts for itself.",
    )
    redis_down: Literal["closed", "local"] = Field(
        "closed",
        description="While Redis does not answer: `closed` refuses calls that a limit or budget applies to (503), "
        "`local` counts in this process against its share, `1/HUB_REPLICAS`.",
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="`smtps://user:password@host` or `smtp://host:587`: the mail server that alerts by e-mail go out by.",
    )
    smtp_from: str = Field("hub@localhost", max_length=254, description="Whom letters are from.")
    replicas: int = Field(1, ge=1, le=1000, description="How many replicas share the limits when Redis is away.")
    replica_url: str = Field(
        "",
        description="Where other replicas reach this one, such as `http://10.0.0.5:8484`. A session that was opened here, and a "
        "call that waits here for its caller's answer, are then gone on with at whichever replica a request arrives. "
        "The processes of `--workers` are reached at the ports after it.",
    )
    admin_key: SecretStr | None = Field(
        None, description="The admin key, at least 32 characters. Left out, one is made at the first start and printed."
    )
    public_url: str = Field(
        "", description="The address that browsers and clients use, such as `https://hub.example.com`."
    )
    allowed_hosts: Hosts = Field(
        (), description="More names that requests may be addressed to, by comma; `*.example.com` is a pattern."
    )
    trusted_proxies: Networks = Field(
        (),
        description="Addresses or networks of reverse proxies, by comma, whose `x-forwarded-for` and "
        "`x-forwarded-proto` are believed.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much is logged.")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`json` is one object per line, `text` is for people; `auto` is text on a terminal."
    )
    durability: Literal["strict", "relaxed"] = Field(
        "strict",
        description="`strict`: a call waits until its entry is on disk. `relaxed`: a power cut loses a second.",
    )
    data_boundary: Literal["full", "metadata", "off"] = Field(
        "full",
        description="The most that is kept of calls, whatever teams and keys say. `metadata`: no bodies. "
        "`off`: no entry either, so those calls are in no log, no usage, no cost and no export.",
    )
    capture: Literal["off", "metadata", "redacted", "full"] = Field(
        "off",
        description="What is kept of the bodies of calls where neither key nor team says, within the boundary.",
    )
    capture_bytes: Bytes = Field(256 * 1024, description="Most bytes that are kept of one body.")
    keep_bodies_days: int = Field(30, ge=1, le=3650, description="After how many days bodies are deleted.")
    keep_entries_days: int = Field(
        0, ge=0, le=36_500, description="After how many days entries are deleted; their sums stay. 0 keeps them."
    )
    drain_seconds: float = Field(30, ge=0, le=86_400, description="How long answers may go on after SIGTERM.")
    head_seconds: Seconds = Field(5, description="How long the head of a request may take to arrive.")
    idle_seconds: Seconds = Field(75, description="How long a connection may rest between two requests.")
    stall_seconds: Seconds = Field(30, description="How long a reader may take nothing of what is written to it.")
    max_connections: int = Field(
        4096, ge=16, le=60_000, description="Open connections; beyond them, the one that waited longest makes room."
    )
    model_body_bytes: Bytes = Field(20 * _MIB, description="Largest body of a model call.")
    mcp_body_bytes: Bytes = Field(4 * _MIB, description="Largest body of an MCP message.")
    manage_body_bytes: Bytes = Field(_MIB, description="Largest body of a request to the management API and the pages.")
    metrics_open: bool = Field(
        default=False, description="Answer `/metrics` without a key. Else it needs one whose role may read metrics."
    )

    @field_validator("admin_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None:
            text = key.get_secret_value()
            if not 32 <= len(text) <= 512:
                raise ValueError("a key has 32 to 512 characters; make one with: openssl rand -hex 32")
            if not text.isascii() or not text.isprintable() or " " in text:
                raise ValueError("a key is made of visible ASCII characters, since it travels in a header")
        return key

    @field_validator("redis_url")
    @classmethod
    def _a_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("an address like redis://host:6379/0 is needed (rediss:// for TLS)")
        return url

    @field_validator("smtp_url")
    @classmethod
    def _a_mail_server(cls, url: SecretStr | None) -> SecretStr | None:
        parts = urlsplit(url.get_secret_value()) if url is not None else None
        if parts is not None and (parts.scheme not in ("smtp", "smtps") or not parts.hostname):
            raise ValueError("an address like smtps://user:password@mail.example.com is needed")
        return url

    @field_validator("smtp_from")
    @classmethod
    def _a_sender(cls, sender: str) -> str:
        if "@" not in sender or not sender.isprintable():
            raise ValueError("an address like hub@example.com is needed")
        return sender

    @field_validator("public_url", "replica_url")
    @classmethod
    def _an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("an address like https://hub.example.com is needed")
        if parts.path.strip("/") or parts.query or parts.fragment or parts.username:
            raise ValueError("the hub has an address of its own: no path, query or user name after the host")
        return f"{parts.scheme}://{parts.netloc}".lower() if url else ""

    @field_validator("database_url")
    @classmethod
    def _a_database(cls, url: str) -> str:
        if not url:
            return ""
        scheme, _, rest = url.partition("://")
        if scheme not in ("postgres", "postgresql", "postgresql+asyncpg") or not rest:
            raise ValueError("only PostgreSQL can be named here: postgresql://user:password@host/name")
        return f"postgresql+asyncpg://{rest}"

    @model_validator(mode="after")
    def _addressed_by_name(self) -> Self:
        if self.host in ("", "0.0.0.0", "::") and not self.allowed_hosts and not self.public_url:  # noqa: S104 - to refuse it
            raise ValueError(
                "a hub that listens on all addresses must know its name, or any web page could reach it: "
                "set HUB_PUBLIC_URL=https://hub.example.com or HUB_ALLOWED_HOSTS=hub.example.com"
            )
        return self

    def of_worker(self, address: str, workers: int) -> "Settings":
        """The same, for one of several workers, whom the others reach at `address`."""
        return self.model_copy(update={"replica_url": address, "replicas": self.replicas * workers})

    @property
    def hosts(self) -> tuple[str, ...]:
        """The host names that requests may be addressed to, besides loopback's and those of `public_url`."""
        as_replica = [urlsplit(self.replica_url).hostname or ""] if self.replica_url else []
        return (*self.allowed_hosts, *as_replica, *([] if self.host in ("", "0.0.0.0", "::") else [self.host]))  # noqa: S104 - to leave it out

    @property
    def http_limits(self) -> HttpLimits:
        """What one connection may take."""
        return HttpLimits(
            head_seconds=self.head_seconds,
            idle_seconds=self.idle_seconds,
            stall_seconds=self.stall_seconds,
            connections=self.max_connections,
        )

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The process's environment, for those who resolve `env:` references and start programs."""
        return process_environment()

    @cached_property
    def provider_keys(self) -> Mapping[str, str]:
        """The well-known variables of providers that are set, with their values: `OPENAI_API_KEY` and the like."""
        names = [row.env for row in KINDS.values() if row.env]
        return MappingProxyType({name: value for name in names if (value := self.environment.get(name))})

    @cached_property
    def unknown(self) -> list[tuple[str, str]]:
        """Variables that begin like a setting and are none, each with a hint ("; did you mean HUB_PORT?" or "")."""
        known = [*variables(), *OF_THE_CLIENT]
        return [
            (name, _hint(name, known))
            for name in sorted(self.environment)
            if name.startswith(PREFIX) and name not in known
        ]


def _hint(name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


def variables() -> dict[str, str]:
    """All variables of the hub with their descriptions, for the documentation."""
    return {f"{PREFIX}{name.upper()}": field.description or "" for name, field in Settings.model_fields.items()}


def _fault(item: Any) -> Fault:
    where = f"{PREFIX}{str(item['loc'][0]).upper()}" if item["loc"] else "settings"
    return Fault(where, str(item["msg"]).removeprefix("Value error, "))
