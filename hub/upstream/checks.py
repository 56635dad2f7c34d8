"""Trying a provider's credentials: its list of models is asked for with each of them, which costs nothing."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from hub.core.health import Failure
from hub.core.plan import Deployment, Timeouts
from hub.core.refusal import Refusal
from hub.resources.provider_kinds import KINDS
from hub.upstream.credentials import ProviderSecrets
from hub.upstream.exchange import Endpoint, Exchange, read_whole
from hub.upstream.headers import raw_headers
from hub.upstream.signing import Signers
from hub.upstream.verdicts import class_of

_CLOCKS = Timeouts(connect=5.0, first_byte=10.0, idle=10.0, total=15.0)
_MOST_BYTES = 8 << 20
_MOST_MODELS = 1000
_TOGETHER = 8
_NO_LIST = (404, 405, 501)
_MEANING = {
    Failure.KEY_DEAD: "The provider refuses this credential. Put a new one in its place.",
    Failure.KEY_THROTTLED: "The provider takes the credential and throttles it now.",
    Failure.OVERLOADED: "The provider is overloaded now. Try again later.",
    Failure.DOWN: "The provider answers with an error of its own.",
}


class Checked(Struct, frozen=True):
    """What became of one credential. `ok` is None when its provider was there and the credential could not be tried.

    `credential` is the field that holds it ("" for a provider without any), `reference` where the secret lies, never
    the secret; `models` are the provider's own names of its models, 1000 at most.
    """

    credential: str
    reference: str
    ok: bool | None
    message: str
    status: int = 0
    ms: float = 0.0
    models: tuple[str, ...] = ()


class ProviderChecks:
    """Asks providers for their lists of models, within 15 seconds."""

    def __init__(self, transport: Endpoint, secrets: ProviderSecrets) -> None:
        self._transport = transport
        self._secrets = secrets
        self._signers = Signers()
        self._turns = asyncio.Semaphore(_TOGETHER)

    async def run(self, deployment: Deployment) -> list[Checked]:
        """Try every credential of the provider that `deployment` is of. Never raises Refusal."""
        if deployment.local:
            return [Checked("", "", True, "This provider is part of the hub.")]
        references = [one for one in (deployment.secret, *deployment.spares) if one]
        if not references:
            return [await self._try(deployment, "", "")]
        named = [(f"credentials[{place - 1}]" if place else "api_key", one) for place, one in enumerate(references)]
        return list(await asyncio.gather(*(self._try(deployment, *one) for one in named)))

    async def _try(self, deployment: Deployment, credential: str, reference: str) -> Checked:
        async with self._turns:
            began = perf_counter()
            try:
                found = await self._asked(deployment, credential, reference)
            except Refusal as refusal:
                found = Checked(credential, reference, ok=False, message=refusal.message)
            return replace(found, ms=round((perf_counter() - began) * 1000, 1))

    async def _asked(self, deployment: Deployment, credential: str, reference: str) -> Checked:
        secret = await self._secrets.get(reference) if reference else ""
        listing, (scheme, scope) = KINDS[deployment.kind].listing, deployment.auth
        if not listing:
            if secret and self._signers.knows(scheme):
                self._signers.headers(scheme, scope, deployment.region, Exchange("POST", deployment.base_url), secret)
            message = "The credential can be read. Whether it is accepted shows a call: try a model in the Playground."
            return Checked(credential, reference, ok=None, message=message)
        url = deployment.base_url.rstrip("/") + listing
        exchange = Exchange("GET", url, raw_headers((), deployment, secret), b"", _CLOCKS, deployment.private)
        response = await self._transport.request(exchange)
        try:
            body = await read_whole(response, _MOST_BYTES)
        finally:
            response.close()
        ok, message, models = verdict_of(response.status, body, listing)
        return Checked(credential, reference, ok, message, status=response.status, models=models)


def verdict_of(status: int, body: bytes, listing: str) -> tuple[bool | None, str, tuple[str, ...]]:
    """What an answer to the question for models says: whether the credential is good, in words, and the models."""
    if 200 <= status < 300:
        models = names_in(body)
        if models is None:
            return None, f"It answers at {listing}, but with no list of models. Check base_url.", ()
        return True, f"It works: {len(models)} {'model' if len(models) == 1 else 'models'}.", models
    if status in _NO_LIST:
        return None, f"It answers, and has no list of models at {listing}, so the credential could not be tried.", ()
    if 300 <= status < 400:
        return False, "It sends callers elsewhere. Put the address that it names into base_url.", ()
    return False, _MEANING.get(class_of(status, body), "The provider refuses the question."), ()


def names_in(body: bytes) -> tuple[str, ...] | None:
    """The names in a list of models as OpenAI and Anthropic (`data`) or Gemini (`models`) write it; None if it is none."""
    try:
        told: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    rows: Any = told
    if isinstance(told, dict):
        rows = told.get("data", told.get("models"))
    if not isinstance(rows, list):
        return None
    return _named(rows)


def _named(rows: Sequence[Any]) -> tuple[str, ...]:
    names = [row.get("id", row.get("name")) for row in rows[:_MOST_MODELS] if isinstance(row, dict)]
    return tuple(name.removeprefix("models/")[:200] for name in names if isinstance(name, str))
