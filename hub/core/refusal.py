"""The one error family: every 'no' the hub says to a caller.

    Refusal                      code, message, status, headers
    +-- Malformed          400   malformed, unsupported_field, context_too_long, guardrail_blocked
    +-- Unauthenticated    401   missing_key, invalid_key, expired_key
    +-- PriceUnknown       402   price_unknown
    +-- Forbidden          403   forbidden, model_not_allowed, tool_not_allowed, host_not_allowed, origin_not_allowed
    +-- NotFound           404   not_found, model_not_found, profile_not_found
    +-- Conflict           409   version_conflict, managed_by_file, already_exists, not_dismissible
    +-- InvalidSpec        422   invalid_spec, with the path of each fault
    +-- TooLarge           413   body_too_large
    +-- Throttled          429   rate_limited, budget_exhausted, too_many_parallel
    +-- UpstreamFailed     5xx   upstream_error, upstream_protocol, upstream_timeout, result_too_large
    +-- Unavailable        503   model_not_ready, overloaded

A Refusal is raised anywhere and rendered once, in the caller's own shape, by `hub.edge`.
Its message says what is wrong and what to do about it; it never holds a secret.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

_NONE: Mapping[str, str] = MappingProxyType({})


class Refusal(Exception):
    """A request is refused; `code` is stable, `message` names the remedy.

    `status` is the HTTP status, `retry_after` the whole seconds after which a retry can work,
    `retryable` whether the same request may succeed later, `headers` extra response headers.
    """

    status = 500
    retryable = False

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: int | None = None,
        retryable: bool | None = None,
        headers: Mapping[str, str] = _NONE,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = self.status if status is None else status
        self.retry_after = retry_after
        self.retryable = self.retryable if retryable is None else retryable
        self.headers = headers


class Malformed(Refusal):
    """The request itself is wrong; the same request will never work."""

    status = 400


class Unauthenticated(Refusal):
    """There is no credential, or it is not (or no longer) good."""

    status = 401


class PriceUnknown(Refusal):
    """A budget takes no call whose price nobody knows."""

    status = 402


class Forbidden(Refusal):
    """The caller is known and may not do this."""

    status = 403


class NotFound(Refusal):
    """The named thing does not exist, or not for this caller."""

    status = 404


class Conflict(Refusal):
    """Somebody else changed it first, or another door manages it."""

    status = 409


class TooLarge(Refusal):
    """The request is bigger than the hub reads."""

    status = 413


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a document: where (`kind.name.field`, and file:line when known) and what."""

    path: str
    message: str
    source: str = ""

    def __str__(self) -> str:
        """`source: path: message`, leaving out what is not known."""
        return ": ".join(part for part in (self.source, self.path, self.message) if part)


class InvalidSpec(Refusal):
    """A resource, or a set of them, does not hold together; `faults` names each place."""

    status = 422

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("invalid_spec", "; ".join(str(fault) for fault in self.faults))


class Throttled(Refusal):
    """Too much, too fast or too expensive; `retry_after` says when it works again."""

    status = 429
    retryable = True


class UpstreamFailed(Refusal):
    """The provider or server behind the hub failed, and the hub says how."""

    status = 502
    retryable = True


class Reported(UpstreamFailed):
    """The provider reports an error in an answer whose status says that it succeeded; `told` is the status of that error."""

    def __init__(self, message: str, told: int) -> None:
        super().__init__("upstream_error", message, status=told if told in (400, 404, 413, 422, 429) else None)
        self.told = told


class Unavailable(Refusal):
    """The hub cannot serve this right now."""

    status = 503
    retryable = True
