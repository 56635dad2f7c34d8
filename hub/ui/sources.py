"""What the pages are given: who asks, and the management API, in process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from starlette.requests import Request

from hub.core.entry import Entry, Finding
from hub.core.principal import Principal
from hub.core.refusal import Refusal
from hub.identity import Permission, teams_with

_PLAIN_ENTRY: dict[str, Any] = {
    **msgspec.to_builtins(Entry("", 0, "", "", "", 0)),
    **{one.name: one.default for one in msgspec.structs.fields(Entry) if isinstance(one.default, str | int | float)},
    "ttft_ms": None,
    "cost_micro_usd": None,
    "own_micro_usd": None,
    "tags": {},
    "attempts": [],
    "dropped": [],
    "findings": [],
}


_PLAIN_FINDING: dict[str, Any] = msgspec.structs.asdict(Finding(""))


def whole(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with every field, and its findings too, so that a page can name any of them."""
    findings = [{**_PLAIN_FINDING, **one} if isinstance(one, dict) else one for one in entry.get("findings", ())]
    return {**_PLAIN_ENTRY, **entry, "findings": findings}


async def together(**reads: Awaitable[Any]) -> dict[str, Any]:
    """What each of these answers, by its name: asked at the same time."""
    return dict(zip(reads, await asyncio.gather(*reads.values()), strict=True))


class Api(Protocol):
    """The management API, without the network between: the same routes, checks, audit rows and answers."""

    async def __call__(
        self, request: Request, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        """The data that a route answers to this caller. Raises the Refusal that it would answer with."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the pages get what they show. `address` is the hub's own as the browser sees it.

    `offers` tells whether the API has a route: a page that needs one it has not is not led to. `denied` writes down
    that somebody asked for a page that is not theirs.
    """

    visitor: Callable[[Request], Awaitable[Principal]]
    api: Api
    offers: Callable[[str, str], bool]
    address: Callable[[Request], str]
    denied: Callable[[Request, Principal, Refusal, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page, with its caller known."""

    request: Request
    principal: Principal
    sources: Sources

    async def get(self, path: str, **query: Any) -> Any:
        """What `GET /api/v1` + path answers."""
        given = {name: str(value) for name, value in query.items() if value not in (None, "")}
        return await self.sources.api(self.request, "GET", f"/api/v1{path}", query=given)

    async def send(self, method: str, path: str, body: Any = None, *, query: Mapping[str, str] | None = None) -> Any:
        """Change something through the API."""
        given = {} if body is None else body
        return await self.sources.api(self.request, method, f"/api/v1{path}", query=query, body=given)

    async def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The items of a list; empty where the caller may not see it."""
        try:
            return (await self.get(path, limit=1000, **query))["items"]
        except Refusal as refusal:
            if refusal.status in (403, 404):
                return []
            raise

    async def names(self, kind: str) -> list[str]:
        """The names of a kind's resources that the visitor sees, without what is observed of them."""
        return [item["name"] for item in await self.items(f"/{kind}", view="names")]

    async def conversing(self) -> list[dict[str, Any]]:
        """The models that the visitor may talk to."""
        return [model for model in (await self.get("/me/models"))["items"] if model["kind"] == "chat"]

    async def maybe(self, path: str, **query: Any) -> Any:
        """What `GET` answers, or None where the caller may not see it or it does not exist."""
        try:
            return await self.get(path, **query)
        except Refusal as refusal:
            if refusal.status in (403, 404):
                return None
            raise

    async def calls(self, **query: Any) -> dict[str, Any]:
        """A page of ledger entries, with the fields that the API leaves out at their defaults."""
        page = await self.get("/logs", **query)
        return {**page, "items": [whole(entry) for entry in page["items"]]}

    def offers(self, method: str, path: str) -> bool:
        """Whether the API has such a route (`path` below `/api/v1`)."""
        return self.sources.offers(method, f"/api/v1{path}")

    def can(self, permission: str) -> bool:
        """Whether the caller holds a permission anywhere."""
        return teams_with(self.principal, Permission(permission)) != frozenset()

    @property
    def operator(self) -> bool:
        """Whether the Admin Dashboard is theirs: an administrator's or an auditor's."""
        return teams_with(self.principal, Permission.PLATFORM_READ) is None

    @property
    def address(self) -> str:
        """The hub's own address."""
        return self.sources.address(self.request)

    def query(self, name: str, default: str = "") -> str:
        """A query parameter, bounded."""
        return self.request.query_params.get(name, default)[:500]
