"""What a caller is told when the transport fails. No text holds an address, a credential or an upstream's bytes."""

import os
import ssl

from hub.core.refusal import UpstreamFailed
from hub.upstream.guard import NotAllowed


def late(what: str) -> UpstreamFailed:
    """A clock ran out."""
    return UpstreamFailed("upstream_timeout", f"The upstream {what} within its time limit.", status=504)


def unresolved() -> UpstreamFailed:
    """There is no address behind the name."""
    return UpstreamFailed("upstream_error", "The upstream's host name cannot be resolved.")


def closed() -> UpstreamFailed:
    """The connection ended before the head of an answer was there."""
    return UpstreamFailed("upstream_error", "The upstream closed the connection.")


class BrokenOff(UpstreamFailed):
    """An answer ended before it was whole: what was asked may have been done."""

    def __init__(self, message: str = "The upstream broke off its answer.") -> None:
        super().__init__("upstream_protocol", message)


class Unmetered(UpstreamFailed):
    """An answer does not say what it used, and such answers of its provider are not given."""

    def __init__(self, target: str) -> None:
        super().__init__(
            "upstream_protocol",
            f"{target} did not say what its answer used, and its provider's 'missing_usage: refuse' lets no such answer "
            "pass. Call another model, or an administrator sets 'missing_usage: estimate'.",
        )


def broken_off() -> UpstreamFailed:
    """The connection ended within an answer."""
    return BrokenOff()


def not_http() -> UpstreamFailed:
    """What came is no answer of HTTP/1.1, or more than one."""
    return UpstreamFailed("upstream_protocol", "The upstream's answer is not correct HTTP.")


def unsendable() -> UpstreamFailed:
    """A header cannot be written on the wire."""
    return UpstreamFailed(
        "upstream_error", "A header for the upstream holds a line break or other characters that no header may hold."
    )


def failure_of(error: OSError | ValueError) -> UpstreamFailed:
    """The failure that stands for an error of connecting."""
    if isinstance(error, NotAllowed):
        return UpstreamFailed(
            "upstream_error",
            "The upstream's address is not on the public internet. An administrator can allow that for it: "
            "allow_private: true.",
        )
    if isinstance(error, ssl.SSLError):
        why = getattr(error, "verify_message", "") or error.reason or "the handshake failed"
        return UpstreamFailed("upstream_error", f"There is no trusted TLS connection to the upstream: {why}.")
    number = getattr(error, "errno", None)  # the error's own text may hold the address
    why = os.strerror(number).lower() if number else "connection failed"
    return UpstreamFailed("upstream_error", f"The upstream cannot be connected to: {why}.")
