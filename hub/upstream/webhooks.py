"""Webhooks: JSON posted to somebody else's address, signed, over the transport that guards where it may go.

x-hub-signature: t=UNIX,v1=HEX    HMAC-SHA256 of "UNIX.BODY" under the secret that both sides have
x-hub-event: NAME                 what it is about
x-hub-delivery: ID                the same for each try of one delivery
"""

import hashlib
import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hub.core.plan import Timeouts
from hub.core.refusal import UpstreamFailed
from hub.upstream.exchange import Endpoint, Exchange, read_whole

MOST_ANSWER = 1 << 20
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is posted, where to and under which secret (a reference). `private` allows addresses that are not public."""

    url: str
    secret: str
    event: str
    id: str
    body: bytes
    private: bool = False


def signature(secret: str, at: int, body: bytes) -> str:
    """The value of `x-hub-signature`."""
    signed = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


class Webhooks:
    """Posts deliveries. `resolve` gives the secret that a reference names."""

    def __init__(
        self, transport: Endpoint, resolve: Callable[[str], Awaitable[str]], now: Callable[[], float] = time.time
    ) -> None:
        self._transport = transport
        self._resolve = resolve
        self._now = now

    async def post(self, delivery: Delivery) -> bytes:
        """Post once; the body of the answer. Raises UpstreamFailed when it is not 2xx, or Refusal without a secret."""
        secret = await self._resolve(delivery.secret)
        headers = (
            ("content-type", "application/json"),
            ("accept-encoding", "identity"),
            ("x-hub-event", delivery.event),
            ("x-hub-delivery", delivery.id),
            ("x-hub-signature", signature(secret, int(self._now()), delivery.body)),
        )
        clocks = Timeouts(connect=5.0, first_byte=_SECONDS, idle=_SECONDS, total=_SECONDS)
        exchange = Exchange("POST", delivery.url, headers, delivery.body, clocks, private=delivery.private)
        response = await self._transport.request(exchange)
        try:
            body = await read_whole(response, MOST_ANSWER)
        finally:
            response.close()
        if not 200 <= response.status < 300:
            raise UpstreamFailed("upstream_error", f"The webhook answered with status {response.status}.")
        return body
