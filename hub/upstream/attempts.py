"""One try at one target: the exchange, what its answer means, and whether another target may be tried after it."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from hub.core.calls import ModelCall
from hub.core.entry import AttemptRecord
from hub.core.plan import Deployment
from hub.core.refusal import Malformed, Refusal, UpstreamFailed
from hub.core.wire import Wire
from hub.upstream.credentials import ProviderSecrets
from hub.upstream.exchange import Endpoint, Exchange, Response
from hub.upstream.headers import request_headers

MOST_ATTEMPTS = 3  # a first try and two more
_QUERY = re.compile(r"[\w\-.~!$&'()*+,;=:@/?%\[\]]{0,1024}", re.ASCII)
_STREAMS = ("", "text/event-stream", "application/octet-stream")
_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:data|event|id|retry)?:")


class Record(Protocol):
    """What sending tells the ledger's record of the call. `hub.ledger.Record` is one."""

    status: int
    lane: str
    response_bytes: int

    def attempt(self, attempt: AttemptRecord) -> None:
        """A target was tried."""
        ...

    def answered(self, target: str, provider: str = "") -> None:
        """Who answered: `provider/model`, and the provider."""
        ...

    def first_byte(self) -> None:
        """The first byte of the answer is here; later calls change nothing."""
        ...

    def failed(self, code: str, message: str = "", status: int = 0) -> None:
        """The answer is an error, or broke off."""
        ...

    def cancelled(self) -> None:
        """The caller went away."""
        ...


class Attempt:
    """A try that runs: knows its target and number, and writes itself down once."""

    __slots__ = ("_began", "_loop", "_record", "deployment", "number", "status")

    def __init__(self, deployment: Deployment, number: int, record: Record) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._record = record
        self.deployment = deployment
        self.number = number
        self.status = 0

    def ended(self, outcome: str, error: str = "") -> None:
        """Write down how it ended: `ok`, `error`, `cancelled` or the code of its failure."""
        duration = (self._loop.time() - self._began) * 1000
        self._record.attempt(AttemptRecord(self.deployment.target, outcome, self.status, duration, error))


class Senders:
    """Those who can carry an exchange: the transport, and the providers inside the process."""

    def __init__(self, transport: Endpoint, secrets: ProviderSecrets, locals_: Mapping[str, Endpoint]) -> None:
        self._transport = transport
        self._secrets = secrets
        self._locals = locals_

    async def send(self, deployment: Deployment, call: ModelCall, wire: Wire, seconds: float) -> Response:
        """Send `call` to `deployment`, with at most `seconds` for all of it. Raises Refusal."""
        secret = await self._secrets.get(deployment.secret) if deployment.secret else ""
        endpoint = self._locals[deployment.local] if deployment.local else self._transport
        exchange = Exchange(
            "POST",
            url_of(deployment, call),
            request_headers(call, deployment, secret),
            wire.request(call, deployment.model),
            replace(deployment.timeouts, total=min(deployment.timeouts.total, seconds)),
            deployment.private,
        )
        return await endpoint.request(exchange)


def url_of(deployment: Deployment, call: ModelCall) -> str:
    """Where a call goes. A local provider is told the dialect in its place."""
    if deployment.local:
        return f"local:{call.dialect}"
    url = deployment.base_url + deployment.paths[call.dialect]
    return f"{url}?{call.query}" if call.query else url


def check_query(call: ModelCall) -> None:
    """Raise Malformed when the query string cannot be passed on as it is."""
    if not _QUERY.fullmatch(call.query):
        raise Malformed("malformed", "The query string is too long or holds characters that a URL must escape.")


def may_fail_over(status: int) -> bool:
    """Whether another target may do better than one that answered with `status`: it is throttled, or broken."""
    return status == 429 or status >= 500


def check_stream(response: Response) -> None:
    """Raise UpstreamFailed when the answer to a streamed call is labelled as something else."""
    label = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if label not in _STREAMS:
        raise UpstreamFailed("upstream_protocol", f"A stream was asked for and '{label[:60]}' came.")


def check_events(block: bytes) -> None:
    """Raise UpstreamFailed when the first bytes of a stream are no events."""
    if not _FIELD.match(block):
        raise UpstreamFailed("upstream_protocol", "A stream of events was asked for and something else came.")


def check_status(status: int) -> None:
    """Raise UpstreamFailed when `status` is neither a success nor an error."""
    if not (200 <= status < 300 or status >= 400):
        raise UpstreamFailed(
            "upstream_protocol", f"Status {status} is no answer to a call of a model: check the provider's base_url."
        )


def nobody_answered(tried: list[tuple[str, Refusal]]) -> UpstreamFailed:
    """The failure of a call whose every try failed, with what was tried. Its code is that of the last."""
    last = tried[-1][1]
    told = " ".join(f"{target}: {refusal.message}" for target, refusal in tried)
    return UpstreamFailed(
        last.code if isinstance(last, UpstreamFailed) else "upstream_error",
        told if len(tried) == 1 else f"None of {len(tried)} targets answered. {told}",
        status=last.status if isinstance(last, UpstreamFailed) else None,
        retry_after=last.retry_after,
    )
