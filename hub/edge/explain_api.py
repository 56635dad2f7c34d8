"""`/api/v1/explain`: what a call would do, by the same plan that a call makes."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from msgspec.structs import replace

from hub.core.calls import Arrival, Dialect, ModelCall, Origin
from hub.core.plan import Foreseen
from hub.core.refusal import Malformed, NotFound
from hub.dialect import peek
from hub.edge.origins import session_of, tags_of
from hub.edge.resources_api import mapping_of
from hub.edge.routes import SWITCH, Answer, Ask, Query, Route
from hub.edge.visibility import Visibility
from hub.identity import Permission, require
from hub.resources import KeyGrant, Snapshot
from hub.routing import explain
from hub.store import Resources

MOST_TOKENS = 2_000_000
USUAL_OUTPUT = 1024
_DRAFTS = ("models", "routes")
_HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64})[=:](.{0,1000})", re.DOTALL)
_QUERY = (
    Query("model", "the public model name"),
    Query("header", "a request header, NAME=VALUE; may be given several times"),
    Query("key", "explain for this key instead of your own (needs platform.read)"),
    Query("tokens", "the prompt's size in tokens"),
    Query("tools", "1: the call offers tools", SWITCH),
    Query("images", "1: the call holds a picture", SWITCH),
    Query("stream", "1: the call is streamed", SWITCH),
    Query("max_output", "the caller's cap on output tokens"),
    Query("dialect", f"in which the call is made ({Dialect.OPENAI_CHAT})", tuple(Dialect)),
)


@dataclass(frozen=True, slots=True)
class ExplainApi:
    """The rows of `/api/v1/explain`. GET describes a call by its query, POST brings the body of a real one.

    POST also takes a `draft`, a model or a route that is not saved yet: the plan is the one that a call would make then.
    """

    foresee: Callable[[Snapshot, KeyGrant, ModelCall], Foreseen]
    resources: Resources

    async def _get(self, ask: Ask) -> Answer:
        parameters = ask.request.query_params
        body = _imagined(ask)
        headers = _headers(parameters.getlist("header"))
        dialect = _dialect(parameters.get("dialect", ""))
        call = _call(ask.snapshot, dialect, orjson.dumps(body), headers)
        return self._answer(ask, _stretched(call, _count(ask, "tokens")))

    async def _post(self, ask: Ask) -> Answer:
        given = mapping_of(ask.body, "body", "headers", "dialect", "key", "draft", "tokens")
        body, headers = given.get("body"), given.get("headers", {})
        if not isinstance(body, dict) or not isinstance(headers, dict):
            raise Malformed(
                "malformed",
                'Send {"body": the request\'s JSON, "headers": {...}, "dialect": ..., "key": ..., "draft": ...}.',
            )
        dialect = _dialect(str(given.get("dialect", "")))
        pairs = _headers([f"{name}={value}" for name, value in headers.items()])
        draft = given.get("draft")
        if "draft" in given:
            ask = dataclasses.replace(ask, snapshot=await self._with(ask, draft))
        call = _call(ask.snapshot, dialect, orjson.dumps(body), pairs)
        tokens = given.get("tokens", 0)
        if isinstance(tokens, bool) or not isinstance(tokens, int) or not 0 <= tokens <= MOST_TOKENS:
            raise Malformed("malformed", f"tokens is a number from 0 to {MOST_TOKENS}.")
        route = str(draft["name"]) if isinstance(draft, dict) and draft["kind"] == "routes" else ""
        return self._answer(ask, _stretched(call, tokens), key=str(given.get("key", "")), granted=route)

    async def _with(self, ask: Ask, draft: object) -> Snapshot:
        """The snapshot with a draft in it, for those who could save it. Raises Malformed, Forbidden or InvalidSpec."""
        told = draft if isinstance(draft, dict) else {}
        kind, name, spec = told.get("kind"), told.get("name"), told.get("spec")
        if kind not in _DRAFTS or not isinstance(name, str) or not isinstance(spec, dict):
            raise Malformed("malformed", 'draft is {"kind": "models" or "routes", "name": ..., "spec": {...}}.')
        old = await self.resources.find(kind, name)
        Visibility(ask.snapshot, ask.principal).check_write(kind, name, spec, old.spec if old else None)
        return await self.resources.imagined(kind, name, spec)

    def _answer(self, ask: Ask, call: ModelCall, *, key: str = "", granted: str = "") -> Answer:
        """The plan. `granted` is a drafted route: no key names it yet, so it is taken as one that this key may use."""
        grant = _grant(ask, key or ask.query("key"))
        if granted:
            grant = dataclasses.replace(grant, routes=(*grant.routes, granted))
        foreseen = self.foresee(ask.snapshot, grant, call)
        output = call.max_output or USUAL_OUTPUT
        return Answer(
            explain(ask.snapshot, foreseen.plan, output, turn=foreseen.turn, refusal=foreseen.refusal),
        )

    def routes(self) -> Iterator[Route]:
        """The rows."""
        about = "Which targets a call would try, by which rules, what it may cost, and why not the others"
        yield Route("GET", "/api/v1/explain", Permission.SELF, about, self._get, "models", query=_QUERY)
        yield Route("POST", "/api/v1/explain", Permission.SELF, f"{about} (for a real body)", self._post, "models")


def _grant(ask: Ask, key: str) -> KeyGrant:
    """The grant of the caller, or of the key that they explain for."""
    principal = ask.principal
    if key and key != principal.key:
        require(principal, Permission.PLATFORM_READ)
    name = key or principal.key
    found = next((grant for grant in ask.snapshot.keys.values() if grant.key == name), None) if name else None
    if found is not None:
        return found if key else dataclasses.replace(found, principal=principal)
    if key:
        raise NotFound("not_found", f"There is no key '{key[:64]}'.")
    return KeyGrant(principal.key, principal)


def _call(snapshot: Snapshot, dialect: Dialect, body: bytes, headers: Sequence[tuple[bytes, bytes]]) -> ModelCall:
    """The call that would be made with this body and these headers. Raises Malformed."""
    seen = peek(dialect, body)
    fields = dict(headers)
    origin = Origin("explain", session_of(fields), tags_of(fields.get(b"x-hub-tags", b"")))
    return ModelCall(
        id="explain",
        dialect=dialect,
        model=snapshot.canonical(seen.model),
        stream=seen.stream,
        body=body,
        origin=origin,
        max_output=seen.max_output,
        answers=seen.answers,
        route=fields.get(b"x-hub-route", b"").decode("latin-1").strip()[:200],
        arrival=Arrival(headers=headers),
        places=seen.places,
    )


def _imagined(ask: Ask) -> Mapping[str, Any]:
    """A body that has what the query says."""
    content: Any = "?"
    if ask.query("images") == "1":
        content = [{"type": "image_url", "image_url": {"url": "?"}}]
    body: dict[str, Any] = {"model": ask.query("model"), "messages": [{"role": "user", "content": content}]}
    if ask.query("tools") == "1":
        body["tools"] = [{"type": "function", "function": {"name": "any"}}]
    if ask.query("stream") == "1":
        body["stream"] = True
    most = _count(ask, "max_output")
    return {**body, "max_tokens": most} if most else body


def _stretched(call: ModelCall, tokens: int) -> ModelCall:
    """The call with a body as long as a prompt of so many tokens: the estimate goes by length."""
    return replace(call, body=call.body.ljust(tokens * 4)) if tokens else call


def _count(ask: Ask, name: str) -> int:
    text = ask.query(name, "0")
    if not text.isdecimal() or len(text) > 7 or int(text) > MOST_TOKENS:
        raise Malformed("malformed", f"{name} is a number from 0 to {MOST_TOKENS}.")
    return int(text)


def _dialect(name: str) -> Dialect:
    if not name:
        return Dialect.OPENAI_CHAT
    try:
        return Dialect(name)
    except ValueError:
        raise Malformed("malformed", f"dialect is one of {', '.join(Dialect)}.") from None


def _headers(given: Sequence[str]) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    for text in given[:50]:
        match = _HEADER.fullmatch(text)
        if match is None:
            raise Malformed("malformed", "A header is written NAME=VALUE.")
        found.append((match[1].lower().encode(), match[2].strip().encode("latin-1", "replace")))
    return found
