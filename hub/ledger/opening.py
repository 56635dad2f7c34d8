"""A call as the ledger first sees it: the entry that stands if nobody lives to write a better one."""

from hashlib import sha256
from typing import NamedTuple

import msgspec

from hub.core.calls import ModelCall, Origin, ToolCall
from hub.core.entry import Entry, Outcome
from hub.core.principal import Principal
from hub.core.telemetry import chosen, context_in_meta, trace_of
from hub.core.usage import Usage

MAX_TEXT = 256
MAX_ERROR = 500
MAX_ITEMS = 32
MAX_PLAN = 16_384
MAX_RAW_USAGE = 4096
MAX_TOKENS = (1 << 31) - 1  # of one bucket of one call: what a 32-bit column holds
MAX_COST = 10**15  # micro-dollars of one call
NOTHING = Usage()
_ESTIMATE = Usage(estimated=True)
INTERRUPTED = "The hub stopped before this call ended; its usage is an estimate."


class Traced(NamedTuple):
    """A call's trace id, its parent's span id, and whether it is recorded; empty where there is no trace."""

    trace: str
    parent: str
    sampled: bool


UNTRACED = Traced("", "", False)


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """At most `limit` characters of `text`, as every database can store them: no NUL, no surrogates, on one line."""
    if len(text) > limit:
        text = text[:limit]
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in text)


def clipped(*texts: str) -> tuple[str, ...]:
    """Each of `texts`, clipped. Nearly always all of them may stand as they are, which one look tells."""
    together = "".join(texts)
    if len(together) <= MAX_TEXT and together.isprintable():
        return texts
    return tuple(clip(text) for text in texts)


def bounded(usage: Usage) -> Usage:
    """`usage` with every bucket between 0 and 2^31 - 1, whatever an upstream claimed."""
    if usage is NOTHING:
        return usage
    counts = msgspec.structs.astuple(usage)
    if min(counts) >= 0 and max(counts) <= MAX_TOKENS:
        return usage
    return Usage(*(min(max(count, 0), MAX_TOKENS) for count in counts[:-1]), estimated=usage.estimated)


def bounded_cost(micro_usd: int | None) -> int | None:
    """`micro_usd` between 0 and a thousand million dollars; None (not known) stays None."""
    if micro_usd is None or 0 <= micro_usd <= MAX_COST:
        return micro_usd
    return 0 if micro_usd < 0 else MAX_COST


def _tags(origin: Origin) -> dict[str, str]:
    return {clip(name, 64): clip(value) for name, value in origin.tags[:MAX_ITEMS]} if origin.tags else {}


def _application(origin: Origin, agent: str) -> str:
    """The application that calls: the tag `application` or `app`, else the first word of its user agent."""
    for name, value in origin.tags:
        if name in ("application", "app"):
            return clip(value, 64)
    return agent.partition("/")[0][:64]


def traced(call: ModelCall | ToolCall, ratio: float) -> Traced:
    """Where the call stands in a trace. Without a caller's context, `ratio` (0 to 1) of all calls begin a trace."""
    context = call.origin.trace
    if context is None and isinstance(call, ToolCall):
        context = context_in_meta(call.meta)
    if context is not None:
        return Traced(context.trace, context.span, ratio > 0 and context.sampled)
    if ratio <= 0:
        return UNTRACED
    trace = trace_of(call.id)
    return Traced(trace, "", True) if chosen(trace, ratio) else UNTRACED


def opening(principal: Principal, call: ModelCall | ToolCall, at: int, traces: float = 0.0, kept: str = "") -> Entry:
    """The entry of a call that began `at` (microseconds since the epoch) and was never heard of again.

    `traces` is the share of calls that begin a trace, `kept` what is kept of the bodies.
    """
    origin = call.origin
    place = traced(call, traces)
    if isinstance(call, ModelCall):
        kind, dialect, profile, stream, size = "model", str(call.dialect), "", call.stream, len(call.body)
        called, digest = (call.model, ""), ""
    else:
        kind, dialect, profile, stream, size = "tool", "", call.profile, False, len(call.arguments)
        called, digest = ("", call.tool), sha256(call.arguments).hexdigest()
    request_id, session, agent, model, tool, profile = clipped(
        origin.request_id, origin.session, origin.agent, *called, profile
    )
    return Entry(
        id=call.id,
        at=at,
        call=kind,
        principal=principal.id,
        outcome=Outcome.INTERRUPTED,
        status=0,
        key=principal.key,
        user=principal.user,
        team=principal.team,
        request_id=request_id,
        session=session,
        tags=_tags(origin),
        door=origin.door,
        agent=agent,
        application=_application(origin, agent),
        dialect=dialect,
        model=model,
        profile=profile,
        tool=tool,
        stream=stream,
        code="interrupted",
        error=INTERRUPTED,
        usage=_ESTIMATE,
        request_bytes=size,
        trace=place.trace,
        parent=place.parent,
        sampled=place.sampled,
        capture=kept,
        digest=digest,
    )
