"""What a failed try means and what follows from it: the table of failure classes, as data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hub.core.health import Failure
from hub.core.plan import Retry
from hub.core.refusal import Refusal, UpstreamFailed
from hub.core.wordings import LOOKED_AT, MAY_BE_TOO_LONG, TOO_LONG


@dataclass(frozen=True, slots=True)
class Row:
    """What may follow a failure of one class, in this order: another credential, the same target, another target."""

    rotate: bool = False
    again: bool = False
    elsewhere: bool = False


TABLE: Mapping[Failure, Row] = {
    Failure.CALLER: Row(),
    Failure.KEY_DEAD: Row(rotate=True, elsewhere=True),
    Failure.KEY_THROTTLED: Row(rotate=True, elsewhere=True),
    Failure.OVERLOADED: Row(again=True, elsewhere=True),
    Failure.DOWN: Row(elsewhere=True),
    Failure.CONTEXT_WINDOW: Row(elsewhere=True),
    Failure.CONTENT_POLICY: Row(elsewhere=True),
}

_BY_STATUS: Mapping[int, Failure] = {
    401: Failure.KEY_DEAD,
    402: Failure.KEY_DEAD,
    403: Failure.KEY_DEAD,
    408: Failure.DOWN,
    409: Failure.OVERLOADED,
    425: Failure.OVERLOADED,
    429: Failure.KEY_THROTTLED,
    502: Failure.OVERLOADED,
    503: Failure.OVERLOADED,
    529: Failure.OVERLOADED,
}
# How the providers say other reasons in the body of a 400, 403, 413, 422 or 429.
_POLICY = re.compile(
    rb"content_policy_violation|content_filter|ResponsibleAIPolicyViolation|prompt_blocked|PROHIBITED_CONTENT"
    rb"|content management policy",
    re.IGNORECASE,
)
_NO_MONEY = re.compile(
    rb"insufficient_quota|billing_hard_limit|credit balance is too low|payment required", re.IGNORECASE
)


class Failed(Exception):
    """A try failed. `refusal` says why, `status` what the provider answered, 0 for nothing.

    `wait` is after how many seconds the provider wants to be asked again, if it said so; `reached` whether
    it was there at all.
    """

    def __init__(
        self, kind: Failure, refusal: Refusal, *, status: int = 0, wait: float | None = None, reached: bool = True
    ) -> None:
        super().__init__(refusal.message)
        self.kind = kind
        self.refusal = refusal
        self.status = status
        self.wait = wait
        self.reached = reached

    def let_go(self) -> None:
        """Let go of the answer that came with it, if any."""


def class_of(status: int, body: bytes) -> Failure:
    """The class of an error answer, by its status and what its body says."""
    said = body[:LOOKED_AT]
    if status in MAY_BE_TOO_LONG:
        if TOO_LONG.search(said):
            return Failure.CONTEXT_WINDOW
        if _POLICY.search(said):
            return Failure.CONTENT_POLICY
        if status != 403:
            return Failure.KEY_DEAD if _NO_MONEY.search(said) else Failure.CALLER
    if status == 429 and _NO_MONEY.search(said):
        return Failure.KEY_DEAD
    return _BY_STATUS.get(status, Failure.DOWN if status >= 500 else Failure.CALLER)


def row_of(kind: Failure, status: int, retry: Retry) -> Row:
    """What may follow, under a route's own wishes."""
    row = TABLE[kind]
    if retry.statuses is not None and status >= 400:
        if status not in retry.statuses:
            return Row()
        return Row(rotate=row.rotate, again=True, elsewhere=True)
    if kind is Failure.CONTENT_POLICY and not retry.content_policy:
        return Row()
    if kind is Failure.DOWN and status:
        return Row(again=True, elsewhere=True)  # it answered, so it is there: a second try costs little
    return row


def class_of_report(failure: UpstreamFailed) -> Failure:
    """The class of an error that the provider put at the head of a stream."""
    said = f"{failure.code} {failure.message}".encode()
    if re.search(rb"overloaded|rate.?limit|throttl|429|529", said, re.IGNORECASE):
        return Failure.OVERLOADED
    if TOO_LONG.search(said):
        return Failure.CONTEXT_WINDOW
    return Failure.DOWN


def nobody_answered(tried: list[tuple[str, Refusal]]) -> UpstreamFailed:
    """The failure of a call whose every try failed, with what was tried. Its code is that of the last."""
    last = tried[-1][1]
    told = " ".join(f"{target}: {refusal.message}" for target, refusal in tried)
    known = last if isinstance(last, UpstreamFailed) else None
    return UpstreamFailed(
        known.code if known else "upstream_error",
        told if len(tried) == 1 else f"None of {len(tried)} tries was answered. {told}",
        status=known.status if known else None,
        retry_after=last.retry_after,
        headers={"x-hub-attempts": str(len(tried))},
    )
