"""Names of telemetry, in one place, and the W3C trace context: where a call stands in somebody's trace.

The attribute names follow OpenTelemetry's conventions for generative AI and for MCP, which are still "development"
and live in a repository of their own (open-telemetry/semantic-conventions-genai, as of autumn 2026). When they
change, this module changes and nothing else does.
"""

import re
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Raw

# -- names of attributes ---------------------------------------------------------------------------------------------
OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
REQUEST_STREAM = "gen_ai.request.stream"
CONVERSATION = "gen_ai.conversation.id"
TOOL_NAME = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_CREATION_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"
MCP_METHOD = "mcp.method.name"
MCP_SESSION = "mcp.session.id"
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
ERROR_TYPE = "error.type"
USER_ID = "user.id"
USER_AGENT = "user_agent.original"
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
# The hub's own, for what no convention names.
HUB_ENTRY = "hub.entry.id"
HUB_KEY = "hub.key"
HUB_TEAM = "hub.team"
HUB_APPLICATION = "hub.application"
HUB_PROFILE = "hub.profile"
HUB_SERVER = "hub.server"
HUB_OUTCOME = "hub.outcome"
HUB_LANE = "hub.lane"
HUB_COST = "hub.cost_micro_usd"
HUB_PACE = "hub.tokens_per_second"
HUB_ESTIMATED = "hub.usage.estimated"
HUB_SEARCHES = "hub.usage.searches"
HUB_REQUEST_ID = "hub.request_id"
HUB_ATTEMPTS = "hub.attempts"
HUB_ATTEMPT = "hub.attempt.number"
HUB_FAILURE = "hub.attempt.failure"
HUB_FINDINGS = "hub.findings"
HUB_DROPPED = "hub.dropped_fields"

OPERATIONS = {"model": "chat", "tool": "execute_tool"}
MCP_CALL = "tools/call"
TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"
BAGGAGE = "baggage"

# -- the context -----------------------------------------------------------------------------------------------------
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_STATE = re.compile(r"[\x20-\x7e]{0,512}")
_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?")
_TO_BASE_32 = str.maketrans("ghjkmnpqrstvwxyz", "ghijklmnopqrstuv")  # Crockford's digits as Python reads them
_MASK_64 = (1 << 64) - 1
_MASK_56 = (1 << 56) - 1
_members = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where a caller stands: the trace, their span (the parent of ours), and whether they record it.

    `trace` has 32 hexadecimal digits, `span` 16. `state` is `tracestate`, passed on as it came.
    """

    trace: str
    span: str
    sampled: bool
    state: str = ""

    @property
    def parent(self) -> str:
        """The `traceparent` that says so: what goes on where the hub has no span of its own to name."""
        return traceparent(self.trace, self.span, sampled=self.sampled)


def parse_context(parent: str, state: str = "") -> TraceContext | None:
    """The context of a `traceparent` and a `tracestate`; None when the first is none (then both are ignored)."""
    match = _PARENT.fullmatch(parent) if len(parent) <= 128 else None
    if match is None or (parent.startswith("00") and len(parent) != 55):
        return None
    return TraceContext(match[1], match[2], bool(int(match[3], 16) & 1), state if _STATE.fullmatch(state) else "")


def context_in_meta(meta: bytes) -> TraceContext | None:
    """The context in the `_meta` of an MCP request (SEP-414), or None."""
    if b'"traceparent"' not in meta:
        return None
    try:
        members = _members.decode(meta)
        parent = msgspec.json.decode(members[TRACEPARENT], type=str)
        state = msgspec.json.decode(members.get(TRACESTATE, Raw(b'""')), type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        return None
    return parse_context(parent, state)


def meta_with(meta: bytes, own: str, context: TraceContext | None) -> bytes:
    """`meta` with the hub's `own` traceparent in the place of the caller's; without one, with the caller's.

    `context` is the caller's from elsewhere than their `meta`, which comes before it.
    """
    if not own and (context is None or b'"traceparent"' in meta):
        return meta
    members = _members.decode(meta)
    state = context.state if context is not None else ""
    given = {TRACESTATE: state} if state and TRACESTATE not in members else {}
    return _encode({**members, **given, TRACEPARENT: own or (context.parent if context is not None else "")})


def headers_in_meta(meta: bytes) -> tuple[tuple[str, str], ...]:
    """What a `_meta` says of a trace, as the headers that servers over HTTP read it from; what is none is left out."""
    if b'"traceparent"' not in meta and b'"baggage"' not in meta:
        return ()
    try:
        members: dict[str, Any] = msgspec.json.decode(meta)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()
    said = [(name, members.get(name)) for name in (TRACEPARENT, TRACESTATE, BAGGAGE)]
    return tuple((name, value) for name, value in said if isinstance(value, str) and _HEADER.fullmatch(value))


def _number(entry: str) -> int:
    """The 128 bits of an entry's id, which is a ULID; another text gets the bits of its checksum."""
    try:
        value = int(entry.translate(_TO_BASE_32), 32)
    except ValueError:
        value = crc32(entry.encode())
    return (value & ((1 << 128) - 1)) or 1


def trace_of(entry: str) -> str:
    """The trace id of a call that begins a trace itself."""
    return f"{_number(entry):032x}"


def span_of(entry: str, number: int = 0) -> str:
    """The span id of a call (0) or of one of its attempts (from 1). The same each time, so a repeat is no second span."""
    value = (_number(entry) ^ (number * 0x9E3779B97F4A7C15)) & _MASK_64
    return f"{value or 1:016x}"


def chosen(trace: str, ratio: float) -> bool:
    """Whether this trace is among the `ratio` (0 to 1) that are recorded: decided by its id, so every hub agrees."""
    if ratio >= 1:
        return True
    return (int(trace[-14:], 16) & _MASK_56) < ratio * (1 << 56)


def traceparent(trace: str, span: str, *, sampled: bool) -> str:
    """The header that hands the context on."""
    return f"00-{trace}-{span}-{'01' if sampled else '00'}"
