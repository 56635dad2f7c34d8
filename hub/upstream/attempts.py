"""One try at one target: the exchange, what its answer means, and whether another target may be tried after it."""

import math
import re
from collections.abc import Mapping
from time import perf_counter
from typing import Protocol
from urllib.parse import quote

from msgspec.structs import replace

from hub.core.calls import Dialect, ModelCall
from hub.core.entry import AttemptRecord
from hub.core.health import Failure, HealthLog, Observation
from hub.core.plan import Deployment
from hub.core.refusal import Malformed, Refusal, UpstreamFailed
from hub.core.telemetry import TRACEPARENT, TRACESTATE
from hub.core.wire import Lane
from hub.upstream.credentials import ProviderSecrets
from hub.upstream.exchange import Endpoint, Exchange, Response
from hub.upstream.headers import request_headers
from hub.upstream.signing import Signers, account_of
from hub.upstream.verdicts import Failed

_CHOICE = re.compile(r"\{([^{}|]*)\|([^{}|]*)\}")
_QUERY = re.compile(r"[\w\-.~!$&'()*+,;=:@/?%\[\]]{0,1024}", re.ASCII)
_TRIFLE = 0.01  # seconds that a try may take longer than what is left, rather than have clocks of its own
_PATIENCE = frozenset({b"x-stainless-timeout", b"x-stainless-read-timeout"})
_SECONDS = re.compile(r"\d{1,6}(\.\d{1,3})?")
_STREAMS = ("", "text/event-stream", "application/octet-stream", "application/vnd.amazon.eventstream")
_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:data|event|id|retry)?:")


class Record(Protocol):
    """What sending tells the ledger's record of the call. `hub.ledger.Record` is one."""

    status: int
    lane: str
    response_bytes: int

    def traceparent(self, attempt: int = 0) -> str:
        """The trace context for an upstream, from the span of that try; "" outside a trace."""
        ...

    def attempt(self, attempt: AttemptRecord) -> None:
        """A target was tried."""
        ...

    def answered(self, target: str, provider: str = "") -> None:
        """Who answered: `provider/model`, and the provider."""
        ...

    def first_byte(self) -> None:
        """The first byte of the answer is here; later calls change nothing."""
        ...

    def told(self, raw_usage: bytes) -> None:
        """The usage as the provider told it, JSON; b"" where it did not."""
        ...

    def failed(self, code: str, message: str = "", status: int = 0) -> None:
        """The answer is an error, or broke off."""
        ...

    def cancelled(self) -> None:
        """The caller went away."""
        ...


class Attempt:
    """A try that runs: knows its target and number, and writes itself down once, for the ledger and for health."""

    __slots__ = ("_answered", "_began", "_ended", "_health", "_record", "deployment", "number", "room", "status")

    def __init__(self, deployment: Deployment, number: int, record: Record, health: HealthLog) -> None:
        self._began = perf_counter()
        self._answered: float | None = None
        self._ended = False
        self._record = record
        self._health = health
        self.deployment = deployment
        self.number = number
        self.status = 0
        self.room: float | None = None
        health.began(deployment.target)

    def trace_headers(self, call: ModelCall) -> tuple[tuple[str, str], ...]:
        """What hands the caller's trace on; nothing outside a trace."""
        context = call.origin.trace
        parent = self._record.traceparent(self.number) or (context.parent if context is not None else "")
        if not parent:
            return ()
        state = ((TRACESTATE, context.state),) if context is not None and context.state else ()
        return ((TRACEPARENT, parent), *state)

    @property
    def elapsed(self) -> float:
        """For how many seconds it runs."""
        return perf_counter() - self._began

    def answered(self) -> None:
        """The first token of the answer is here; later calls change nothing."""
        if self._answered is None:
            self._answered = perf_counter() - self._began
            self._record.first_byte()

    def ok(self, output_tokens: int = 0) -> None:
        """The answer is whole."""
        self._end("ok", output_tokens=output_tokens)

    def failed(self, failed: Failed) -> None:
        """It failed: its class when the provider answered with an error, else the code of what went wrong."""
        self._end(str(failed.kind) if failed.status else failed.refusal.code, failed)

    def abandoned(self) -> None:
        """The caller left."""
        self._end("cancelled", abandoned=True)

    def _end(
        self, outcome: str, failed: Failed | None = None, *, output_tokens: int = 0, abandoned: bool = False
    ) -> None:
        if self._ended:
            return
        self._ended = True
        seconds, deployment = perf_counter() - self._began, self.deployment
        error = failure = code = ""
        if failed is not None:
            error, failure, code = failed.refusal.message, str(failed.kind), str(failed.status or failed.refusal.code)
        self._health.ended(
            Observation(
                deployment.target,
                secret=deployment.secret,
                ttft=self._answered,
                duration=seconds,
                output_tokens=output_tokens,
                room=self.room,
                failure=failed and failed.kind,
                code=code,
                reached=failed is None or failed.reached,
                retry_after=failed and failed.wait,
                callers=failed is not None and deployment.own == "caller",
                abandoned=abandoned,
            )
        )
        self._record.attempt(
            AttemptRecord(deployment.target, outcome, self.status, seconds * 1000, error, failure=failure)
        )


class Senders:
    """Those who can carry an exchange: the transport, and the providers inside the process."""

    def __init__(self, transport: Endpoint, secrets: ProviderSecrets, locals_: Mapping[str, Endpoint]) -> None:
        self._transport = transport
        self._secrets = secrets
        self._locals = locals_
        self._signers = Signers()

    async def send(self, attempt: Attempt, call: ModelCall, lane: Lane, seconds: float) -> Response:
        """Send `call` to the attempt's deployment, with at most `seconds` for all of it.

        Raises Refusal, or Failed when the deployment's credential cannot be had.
        """
        deployment, timeouts = attempt.deployment, attempt.deployment.timeouts
        secret = await self._secret(deployment.secret) if deployment.secret and not lane.local else ""
        local = lane.local or deployment.local
        endpoint = self._locals[local] if local else self._transport
        scheme, scope = deployment.auth
        signs = secret != "" and self._signers.knows(scheme)
        exchange = Exchange(
            "POST",
            f"local:{lane.spoken}" if local else url_of(deployment, call, lane.spoken, secret),
            (
                *request_headers(call, deployment, lane.spoken, "" if signs else secret),
                *attempt.trace_headers(call),
            ),
            lane.body,
            timeouts if seconds > timeouts.total - _TRIFLE else replace(timeouts, total=seconds),
            deployment.private,
        )
        if signs:
            signed = self._signers.headers(scheme, scope, deployment.region, exchange, secret)
            exchange = replace(exchange, headers=(*exchange.headers, *signed.items()))
        return await endpoint.request(exchange)

    async def _secret(self, reference: str) -> str:
        try:
            return await self._secrets.get(reference)
        except Refusal as refusal:
            raise Failed(Failure.KEY_DEAD, refusal, reached=False) from None


def url_of(deployment: Deployment, call: ModelCall, spoken: Dialect, secret: str = "") -> str:
    """Where a call goes.

    A path may hold `{model}`, and `{WHOLE|STREAM}` with what stands there for a whole reply and for a stream; an
    address `{region}`, and `{project}` of the service account in `secret`. The query string belongs to the
    dialect that the caller speaks.
    """
    path = deployment.paths[spoken]
    if "{" in path:
        path = _CHOICE.sub(lambda found: found[2 if call.stream else 1], path)
        path = path.replace("{model}", quote(deployment.model, safe=""))
    url = deployment.base_url + path
    if "{region}" in url:
        url = url.replace("{region}-", "") if deployment.region == "global" else url
        url = url.replace("{region}", quote(deployment.region, safe=""))
    if "{project}" in url:
        url = url.replace("{project}", quote(str(account_of(secret).get("project_id", "")), safe=""))
    if not call.query or spoken != call.dialect:
        return url
    return f"{url}{'&' if '?' in url else '?'}{call.query}"


def patience_of(call: ModelCall) -> float:
    """For how many seconds the caller waits for an answer to begin, as the official SDKs say it; infinite otherwise."""
    if call.arrival.lacks(_PATIENCE):
        return math.inf
    for name in ("x-stainless-timeout", "x-stainless-read-timeout"):
        said = call.arrival.header(name)
        if said and _SECONDS.fullmatch(said):
            return float(said)
    return math.inf


def check_query(call: ModelCall) -> None:
    """Raise Malformed when the query string cannot be passed on as it is."""
    if call.query and not _QUERY.fullmatch(call.query):
        raise Malformed("malformed", "The query string is too long or holds characters that a URL must escape.")


def is_stream(response: Response) -> bool:
    """Whether the answer says of itself that it is a stream of events.

    Outside of conversations a provider may give a whole answer where a stream was asked for: not every model streams.
    """
    return response.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream"


def check_stream(response: Response) -> None:
    """Raise UpstreamFailed when the answer to a streamed call is labelled as something else."""
    label = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if label not in _STREAMS:
        raise UpstreamFailed("upstream_protocol", f"A stream was asked for and '{label[:60]}' came.")


def check_events(block: bytes) -> None:
    """Raise UpstreamFailed when the first bytes of a stream are no events."""
    if not _FIELD.match(block):
        raise UpstreamFailed("upstream_protocol", "A stream of events was asked for and something else came.")


def is_comment(block: bytes) -> bool:
    """Whether whole events say nothing: they are comments, by which a provider keeps the line open."""
    return all(line.startswith(b":") for line in block.split(b"\n") if line.strip())


def check_status(status: int) -> None:
    """Raise UpstreamFailed when `status` is neither a success nor an error."""
    if not (200 <= status < 300 or status >= 400):
        raise UpstreamFailed(
            "upstream_protocol", f"Status {status} is no answer to a call of a model: check the provider's base_url."
        )
