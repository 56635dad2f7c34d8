"""What a caller is told when the transport fails. No text holds an address, a credential or an upstream's bytes."""

import asyncio
import os
import ssl
from collections.abc import Callable

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from hub.core.refusal import UpstreamFailed
from hub.upstream.guard import NotAllowed

# Everything that an exchange over HTTP can raise.
FAULTS = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)


def late(what: str) -> UpstreamFailed:
    """A clock ran out."""
    return UpstreamFailed("upstream_timeout", f"The upstream {what} within its time limit.", status=504)


def _failed(code: str, message: str) -> Callable[[BaseException], UpstreamFailed]:
    return lambda _: UpstreamFailed(code, message)


def _untrusted(reason: BaseException) -> UpstreamFailed:
    why = getattr(reason, "verify_message", "") or getattr(reason, "reason", "") or "the handshake failed"
    return UpstreamFailed("upstream_error", f"There is no trusted TLS connection to the upstream: {why}.")


def _unreachable(reason: BaseException) -> UpstreamFailed:
    number = getattr(reason, "errno", None)  # the error's own text may hold the address
    why = os.strerror(number).lower() if number else "connection failed"
    return UpstreamFailed("upstream_error", f"The upstream cannot be connected to: {why}.")


_NOT_ALLOWED = (
    "The upstream's address is not on the public internet. An administrator can allow that for it: allow_private: true."
)
# The first row that fits decides, so a subclass stands above its parents.
_ROWS: tuple[tuple[tuple[type[BaseException], ...], Callable[[BaseException], UpstreamFailed]], ...] = (
    ((aiohttp.ConnectionTimeoutError, asyncio.TimeoutError), lambda _: late("could not be connected to")),
    ((aiohttp.ClientConnectorDNSError,), _failed("upstream_error", "The upstream's host name cannot be resolved.")),
    ((aiohttp.ClientSSLError, ssl.SSLError), _untrusted),
    ((aiohttp.ClientConnectorError,), _unreachable),
    ((aiohttp.ClientPayloadError,), _failed("upstream_protocol", "The upstream broke off its answer.")),
    (
        (aiohttp.ClientResponseError, HttpProcessingError),
        _failed("upstream_protocol", "The upstream's answer is not correct HTTP."),
    ),
    ((aiohttp.InvalidURL,), _failed("upstream_error", "The upstream's address is not a correct URL: check base_url.")),
)


def failure_of(error: BaseException) -> UpstreamFailed:
    """The failure that stands for an error of aiohttp or of the operating system."""
    reason: BaseException = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    if isinstance(reason, NotAllowed):
        return UpstreamFailed("upstream_error", _NOT_ALLOWED)
    for kinds, make in _ROWS:
        if isinstance(error, kinds):
            return make(reason)
    return UpstreamFailed("upstream_error", "The upstream closed the connection.")
