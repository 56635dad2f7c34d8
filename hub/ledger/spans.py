"""Spans of a call, made after it from its entry: the call, and each try at an upstream, with their own times."""

import base64
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from hub import __version__
from hub.core import telemetry as names
from hub.core.entry import AttemptRecord, Entry, Outcome
from hub.ledger.messages import Content

_MOST_CONTENT = 32_768
Value = str | int | float | bool | tuple[str, ...] | None


def _value(value: Value) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, tuple):
        return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=item) for item in value]))
    return AnyValue(string_value=value or "")


def _pairs(attributes: dict[str, Value]) -> list[KeyValue]:
    """The attributes that say something."""
    return [
        KeyValue(key=name, value=_value(value)) for name, value in attributes.items() if value not in (None, "", ())
    ]


def _who(entry: Entry) -> dict[str, Value]:
    return {
        names.HUB_ENTRY: entry.id,
        names.HUB_KEY: entry.key,
        names.HUB_TEAM: entry.team,
        names.USER_ID: entry.user,
        names.HUB_APPLICATION: entry.application,
        names.USER_AGENT: entry.agent,
        names.HUB_REQUEST_ID: entry.request_id,
        names.CONVERSATION: entry.session,
        names.HUB_OUTCOME: entry.outcome,
        names.HTTP_STATUS: entry.status or None,
        names.ERROR_TYPE: entry.code,
        names.HUB_FINDINGS: tuple(finding.rule for finding in entry.findings),
        names.HUB_ATTEMPTS: len(entry.attempts),
    }


def _model(entry: Entry) -> dict[str, Value]:
    usage = entry.usage
    return {
        names.OPERATION: names.OPERATIONS["model"],
        names.PROVIDER: entry.provider,
        names.REQUEST_MODEL: entry.model,
        names.RESPONSE_MODEL: entry.target.partition("/")[2],
        names.REQUEST_STREAM: entry.stream,
        names.INPUT_TOKENS: usage.prompt,
        names.OUTPUT_TOKENS: usage.completion,
        names.CACHE_READ_TOKENS: usage.cache_read or None,
        names.CACHE_CREATION_TOKENS: (usage.cache_write_5m + usage.cache_write_1h) or None,
        names.REASONING_TOKENS: usage.reasoning or None,
        names.TIME_TO_FIRST_CHUNK: None if entry.ttft_ms is None else entry.ttft_ms / 1000,
        names.HUB_PACE: entry.tokens_per_second,
        names.HUB_COST: entry.cost_micro_usd,
        names.HUB_ESTIMATED: usage.estimated or None,
        names.HUB_SEARCHES: usage.searches or None,
        names.HUB_LANE: entry.lane,
        names.HUB_DROPPED: entry.dropped,
    }


def _tool(entry: Entry) -> dict[str, Value]:
    return {
        names.OPERATION: names.OPERATIONS["tool"],
        names.MCP_METHOD: names.MCP_CALL,
        names.TOOL_NAME: entry.tool,
        names.TOOL_TYPE: "extension",
        names.HUB_PROFILE: entry.profile,
        names.HUB_SERVER: entry.server,
        names.HUB_COST: entry.cost_micro_usd,
    }


def _said(entry: Entry, content: Content | None) -> dict[str, Value]:
    if content is None:
        return {}
    request, reply = content.request[:_MOST_CONTENT], content.reply[:_MOST_CONTENT]
    if entry.call == "tool":
        return {names.TOOL_ARGUMENTS: request, names.TOOL_RESULT: reply}
    return {names.INPUT_MESSAGES: request, names.OUTPUT_MESSAGES: reply}


def _status(failed: bool, message: str) -> Status:
    return Status(code=Status.STATUS_CODE_ERROR, message=message[:300]) if failed else Status()


def _title(entry: Entry) -> str:
    """The span's name as the conventions have it: operation or method, then what it is about."""
    if entry.call == "tool":
        return f"{names.MCP_CALL} {entry.tool}".strip()
    return f"{names.OPERATIONS['model']} {entry.model}".strip()


def _attempt(entry: Entry, attempt: AttemptRecord, number: int) -> Span:
    began = entry.at * 1000 + int(attempt.began_ms * 1_000_000)
    provider, _, model = attempt.target.partition("/")
    about: dict[str, Value] = (
        {names.OPERATION: names.OPERATIONS["model"], names.PROVIDER: provider, names.REQUEST_MODEL: model}
        if entry.call == "model"
        else {names.MCP_METHOD: names.MCP_CALL, names.TOOL_NAME: entry.tool, names.HUB_SERVER: attempt.target}
    )
    failed = attempt.outcome != "ok"
    return Span(
        trace_id=bytes.fromhex(entry.trace),
        span_id=bytes.fromhex(names.span_of(entry.id, number)),
        parent_span_id=bytes.fromhex(names.span_of(entry.id)),
        name=f"{names.MCP_CALL if entry.call == 'tool' else names.OPERATIONS['model']} {model or entry.tool}".strip(),
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=began,
        end_time_unix_nano=began + int(attempt.duration_ms * 1_000_000),
        attributes=_pairs(
            {
                **about,
                names.HUB_ATTEMPT: number,
                names.HTTP_STATUS: attempt.status or None,
                names.HUB_FAILURE: attempt.failure,
                names.ERROR_TYPE: attempt.outcome if failed else "",
            }
        ),
        status=_status(failed, attempt.error),
    )


def spans_of(entry: Entry, content: Content | None = None) -> Iterator[Span]:
    """The span of a call, then those of its attempts."""
    began = entry.at * 1000
    yield Span(
        trace_id=bytes.fromhex(entry.trace),
        span_id=bytes.fromhex(names.span_of(entry.id)),
        parent_span_id=bytes.fromhex(entry.parent),
        name=_title(entry),
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=began,
        end_time_unix_nano=began + int(entry.duration_ms * 1_000_000),
        attributes=_pairs(
            {**_who(entry), **(_tool(entry) if entry.call == "tool" else _model(entry)), **_said(entry, content)}
        ),
        status=_status(entry.outcome != Outcome.OK, entry.code),
    )
    for number, attempt in enumerate(entry.attempts, 1):
        yield _attempt(entry, attempt, number)


def request_of(spans: Sequence[Span], service: str) -> ExportTraceServiceRequest:
    """The message that carries `spans` to a collector."""
    about = Resource(attributes=_pairs({names.SERVICE_NAME: service, names.SERVICE_VERSION: __version__}))
    scope = ScopeSpans(scope=InstrumentationScope(name="hub", version=__version__), spans=spans)
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=about, scope_spans=[scope])])


def as_json(request: ExportTraceServiceRequest) -> bytes:
    """The message as OTLP's JSON: ids are hexadecimal there, unlike in protobuf's own JSON."""
    told: dict[str, Any] = MessageToDict(request, use_integers_for_enums=True)
    for resource in told.get("resourceSpans", []):
        for scope in resource.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64decode(span[name]).hex()
    return orjson.dumps(told)
