"""Any other path of a provider, for whoever may use all of that provider: the bytes pass, who and how much is written down."""

from collections.abc import AsyncIterator, Callable, Mapping
from time import perf_counter
from typing import Any

import msgspec
from msgspec import Struct

from hub.core.calls import Credentials, Dialect, ModelCall, Origin, Reply
from hub.core.entry import AttemptRecord
from hub.core.ids import new_id
from hub.core.plan import Deployment
from hub.core.principal import Globs
from hub.core.raw_usage import usage_in
from hub.core.refusal import Forbidden, NotFound, Refusal, UpstreamFailed
from hub.core.unwinding import Unwinding
from hub.core.usage import Usage
from hub.core.values import a_dict
from hub.dialect import SEARCHES, plain_usage
from hub.identity import Identity
from hub.ledger import Ledger, Record
from hub.ledger.pricing import cost_micro_usd
from hub.policy import Decision, Policy
from hub.resources import KeyGrant, Snapshot
from hub.resources.model_catalog import Price
from hub.routing import with_own_credential
from hub.upstream import Endpoint, Exchange, ProviderSecrets, Response, check_query, raw_headers, read_whole

LANE = "raw"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What of a provider's answer is the caller's business, beside what a call of a model gives back.
_BACK = (
    "content-type",
    "content-disposition",
    "content-range",
    "accept-ranges",
    "etag",
    "last-modified",
    "retry-after",
)
_TAIL = 64 << 10


class ProviderRequest(Struct, frozen=True):
    """A request for a path of a provider: `path` is what follows its address, raw; `headers` those that go on."""

    provider: str
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    origin: Origin
    credentials: Credentials


class ProviderPath:
    """The stages of such a call: who, recorded, admitted, sent, settled. Nothing is tried twice, nor elsewhere."""

    def __init__(
        self,
        *,
        identity: Identity,
        policy: Policy,
        ledger: Ledger,
        transport: Endpoint,
        secrets: ProviderSecrets,
        snapshots: Callable[[], Snapshot],
    ) -> None:
        self._identity = identity
        self._policy = policy
        self._ledger = ledger
        self._transport = transport
        self._secrets = secrets
        self._snapshots = snapshots

    async def run(self, request: ProviderRequest) -> Reply:
        """Carry the call through. The reply owns what was opened for it. Raises Refusal."""
        snapshot = self._snapshots()
        grant = self._identity.resolve(snapshot, request.credentials)
        provider = snapshot.providers.get(request.provider)
        if provider is None or not provider.spec.other_paths or provider.row.local:
            raise NotFound(
                "not_found",
                f"There is no provider '{request.provider[:64]}' whose other paths may be called here. An administrator "
                "allows them: other_paths: true.",
            )
        deployment = with_own_credential(snapshot, provider.deployment(""), grant.principal)
        call = _call_of(request, deployment)
        record = self._ledger.record(grant.principal, call)
        record.begin()
        held = Unwinding(record.close)
        try:
            _check_access(grant, request.provider)
            check_query(call)
            decision = self._policy.admit(grant.principal, call, tokens=len(request.body) // 4)
            await decision.take()
            held.push(decision.give_back)
            await record.reserve(Usage(input=len(request.body) // 4), None)
            response = await self._sent(request, deployment, decision.body, record)
            answer = _Answer(response, record, decision, _price(snapshot, request))
            held.push(answer.close)
            reply = await answer.reply()
        except BaseException as error:
            held.unwind(error)
            raise
        return reply.owning(held)

    async def _sent(self, request: ProviderRequest, deployment: Deployment, body: bytes, record: Record) -> Response:
        """Ask the provider, once."""
        target = f"{request.provider}/{request.path[:200]}"
        record.lane, began = LANE, perf_counter()
        try:
            secret = await self._secrets.get(deployment.secret) if deployment.secret else ""
            response = await self._transport.request(
                Exchange(
                    request.method,
                    f"{deployment.base_url.rstrip('/')}/{request.path}{'?' if request.query else ''}{request.query}",
                    raw_headers(request.headers, deployment, secret),
                    body,
                    deployment.timeouts,
                    deployment.private,
                    resend=request.method == "GET",
                )
            )
        except Refusal as refusal:
            took = (perf_counter() - began) * 1000
            record.attempt(AttemptRecord(target, refusal.code, 0, took, refusal.message))
            raise
        record.attempt(AttemptRecord(target, "ok", response.status, (perf_counter() - began) * 1000))
        record.answered(target, request.provider)
        record.status = response.status
        record.first_byte()
        if response.status == 401:  # passed on, it would be about the caller's own key
            response.close()
            message = "The provider refuses the hub's credential. An administrator has to renew it."
            raise UpstreamFailed("upstream_error", message)
        return response


class _Answer:
    """A provider's answer on its way: what it used is found at its end, and settled when it is let go of."""

    def __init__(self, response: Response, record: Record, decision: Decision, price: Price | None) -> None:
        self._response = response
        self._record = record
        self._decision = decision
        self._price = price
        self._tail = bytearray()
        self._size = 0

    async def reply(self) -> Reply:
        """The reply. What rules look at is read whole before; all else passes as it comes."""
        headers = {name: value for name in _BACK if (value := self._response.headers.get(name)) is not None}
        headers |= self._decision.headers
        if not self._decision.is_screened:
            return Reply(self._response.status, headers, chunks=self._chunks())
        body = await read_whole(self._response)
        self._note(body)
        return Reply(self._response.status, headers, await self._decision.screened(body))

    async def _chunks(self) -> AsyncIterator[bytes]:
        while chunk := await self._response.read():
            self._note(chunk)
            yield chunk

    def _note(self, chunk: bytes) -> None:
        self._size += len(chunk)
        self._tail += chunk
        if len(self._tail) > 2 * _TAIL:  # seldom, since what is kept has to be moved
            del self._tail[:-_TAIL]

    def close(self, error: BaseException | None) -> None:
        """Let go of the provider, and book what was used as far as it said so."""
        del error
        self._response.close()
        self._record.response_bytes = self._size
        told = usage_in(bytes(self._tail[-_TAIL:]))
        self._record.told(told)
        usage = plain_usage(a_dict(msgspec.json.decode(told))) if told else None
        # Searches that the provider made, and of which nobody knows how many it charges, leave the cost unknown.
        counted = usage is not None and (usage.searches or not any(word in self._tail for word in SEARCHES))
        cost = cost_micro_usd(usage, self._price) if usage is not None and counted else None
        self._record.settle(usage or Usage(), cost, self._price.as_of or self._price.source if self._price else "")
        self._decision.settle(usage or Usage(), cost)


def _check_access(grant: KeyGrant, provider: str) -> None:
    """Whoever may call any path may call any model, so all of the provider's models have to be granted."""
    whole = Globs((f"{provider}/*",))
    if not grant.principal.access or not all(level.models.covers(whole) for level in grant.principal.access):
        raise Forbidden(
            "model_not_allowed",
            f"The other paths of '{provider}' are for those who may call all its models: '{provider}/*'.",
        )


def _call_of(request: ProviderRequest, deployment: Deployment) -> ModelCall:
    """The call, as policies and the ledger see it: of the provider as a whole."""
    return ModelCall(
        id=new_id(),
        dialect=next(iter(deployment.paths), Dialect.OPENAI_CHAT),
        model=f"{request.provider}/{request.path[:200]}",
        stream=False,
        body=request.body,
        origin=request.origin,
        query=request.query,
        arrival=request.credentials.arrival,
    )


def _price(snapshot: Snapshot, request: ProviderRequest) -> Price | None:
    """The price of the model that the body names, if it names one."""
    if not request.body.startswith(b"{"):
        return None
    try:
        model = msgspec.json.decode(request.body, type=_Named).model
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return snapshot.target_price(f"{request.provider}/{model}") if model else None


class _Named(Struct):
    model: str = ""


def other_headers(headers: Mapping[bytes, bytes], given: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The headers that go on with such a request: those for providers (`given`), and what says what the body is."""
    named: dict[str, Any] = {}
    for name in (b"content-type", b"accept", b"range", b"if-none-match", b"if-match"):
        if name in headers:
            named[name.decode()] = headers[name].decode("latin-1")
    return (*named.items(), *given)
