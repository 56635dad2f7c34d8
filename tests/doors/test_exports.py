"""Traces reach a collector and audit rows a webhook: with their parents, times and names, without what was said."""

import hashlib
import hmac
import json

import pytest

from hub.core import telemetry as names
from tests.support.collector import attributes, collecting
from tests.support.hubs import RESOURCES, running_hub, wait_for

CHAT = {"model": "demo", "messages": [{"role": "user", "content": "the canary sings"}]}
SECRET = "webhook-secret-0123456789-0123456789"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


@pytest.fixture(scope="module")
def collector():
    with collecting() as one:
        yield one


@pytest.fixture(scope="module")
def traced(collector, tmp_path_factory):
    """A hub that exports to the collector in every form."""
    there = {"endpoint": f"{collector.url}/v1/traces", "allow_private": True}
    exports = {
        "traces": {"format": "otlp", **there, "service_name": "our-hub", "auth": "bearer", "secret": "env:EXPORT_TOKEN"},
        "as-json": {"format": "otlp", **there, "endpoint": f"{collector.url}/json", "protocol": "http/json"},
        "told": {"format": "otlp", **there, "endpoint": f"{collector.url}/told", "content": True},
        "siem": {
            "format": "webhook", "of": ["audit", "calls"], "endpoint": f"{collector.url}/siem", "allow_private": True,
            "auth": "signature", "secret": "env:WEBHOOK_SECRET",
        },
        "guarded": {"format": "webhook", "endpoint": f"{collector.url}/guarded"},
        "kept": {"format": "jsonl", "of": ["audit"]},
    }  # fmt: skip
    resources = {**RESOURCES, "exports": exports}
    environment = {"EXPORT_TOKEN": "collector-token", "WEBHOOK_SECRET": SECRET, "HUB_CAPTURE": "full"}
    with running_hub(tmp_path_factory.mktemp("traced"), resources, environment) as hub:
        yield hub


def chat(hub, **headers):
    with hub.client() as client:
        assert client.post("/v1/chat/completions", json=CHAT, headers=headers).status_code == 200


def spans_of(collector, trace, path="/v1/traces", most=10):
    """The spans of a trace, by name, as soon as the call's own is there."""

    def found():
        spans = [(about, span) for about, span in collector.spans(path) if span.trace_id.hex() == trace]
        return spans if any(span.kind == span.SPAN_KIND_SERVER for _, span in spans) else None

    return wait_for(found)


def test_a_model_call_is_a_span_and_each_try_one_under_it(traced, collector):
    chat(traced, traceparent=f"00-{TRACE}-{SPAN}-01", **{"x-hub-session": "run-7", "x-request-id": "traced"})
    (about, call), (_, attempt) = sorted(spans_of(collector, TRACE), key=lambda pair: pair[1].kind)
    assert about["service.name"] == "our-hub"
    assert (call.name, call.parent_span_id.hex()) == ("chat demo", SPAN)
    told = attributes(call)
    assert told[names.OPERATION] == "chat"
    assert told[names.PROVIDER] == "demo"
    assert (told[names.REQUEST_MODEL], told[names.RESPONSE_MODEL]) == ("demo", "demo-1")
    assert told[names.INPUT_TOKENS] > 0
    assert told[names.CONVERSATION] == "run-7"
    assert told[names.HUB_REQUEST_ID] == "traced"
    assert attempt.parent_span_id == call.span_id
    assert (attempt.kind, attempt.name) == (attempt.SPAN_KIND_CLIENT, "chat demo-1")
    assert call.start_time_unix_nano <= attempt.start_time_unix_nano
    assert attempt.end_time_unix_nano <= call.end_time_unix_nano
    headers, _ = collector.taken("/v1/traces")[0]
    assert headers["authorization"] == "Bearer collector-token"


def test_what_was_said_is_in_no_span_unless_it_is_wanted(traced, collector):
    trace = "a" * 32
    chat(traced, traceparent=f"00-{trace}-{SPAN}-01")
    spans_of(collector, trace)
    assert not any(b"canary sings" in body for path in ("/v1/traces", "/json") for _, body in collector.taken(path))
    (call,) = [span for _, span in spans_of(collector, trace, "/told") if span.kind == span.SPAN_KIND_SERVER]
    assert "canary sings" in attributes(call)[names.INPUT_MESSAGES]


def test_a_caller_who_does_not_record_is_not_recorded(traced, collector):
    trace = "b" * 32
    chat(traced, traceparent=f"00-{trace}-{SPAN}-00")
    later = "c" * 32
    chat(traced, traceparent=f"00-{later}-{SPAN}-01")
    spans_of(collector, later)
    assert all(span.trace_id.hex() != trace for _, span in collector.spans())


def test_a_tool_call_takes_its_context_from_meta_and_hands_it_on(traced, collector):
    trace = "d" * 32
    call = {
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "new__echo", "arguments": {"text": "hi"},
            "_meta": {**META, "traceparent": f"00-{trace}-{SPAN}-01", "tracestate": "vendor=1"},
        },
    }  # fmt: skip
    headers = {
        "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "new__echo",
        "accept": "application/json, text/event-stream",
    }  # fmt: skip
    with traced.client() as client:
        assert client.post("/mcp/both", json=call, headers=headers).status_code == 200
    spans = spans_of(collector, trace)
    (mine,) = [span for _, span in spans if span.kind == span.SPAN_KIND_SERVER]
    (theirs,) = [span for _, span in spans if span.kind == span.SPAN_KIND_CLIENT]
    assert (mine.name, mine.parent_span_id.hex()) == ("tools/call echo", SPAN)
    told = attributes(mine)
    assert (told[names.MCP_METHOD], told[names.TOOL_NAME], told[names.HUB_SERVER]) == ("tools/call", "echo", "new")
    assert theirs.parent_span_id == mine.span_id


def test_otlp_as_json_has_hexadecimal_ids(traced, collector):
    trace = "e" * 32
    chat(traced, traceparent=f"00-{trace}-{SPAN}-01")

    def mine():
        return [
            span
            for _, body in collector.taken("/json")
            for resource in json.loads(body)["resourceSpans"]
            for scope in resource["scopeSpans"]
            for span in scope["spans"]
            if span["traceId"] == trace
        ]

    spans = wait_for(mine)
    assert SPAN in {span["parentSpanId"] for span in spans}
    assert all(isinstance(span["kind"], int) for span in spans)


def test_a_webhook_gets_calls_and_every_audit_row_signed(traced, collector):
    traced.put("teams", "audited", {"title": "Audited"})
    chat(traced, **{"x-request-id": "hooked"})
    wait_for(lambda: any(item.get("request_id") == "hooked" for item in collector.items("/siem")))

    def rows():
        found = [item for item in collector.items("/siem") if "actor" in item]
        return found if any(item["name"] == "audited" for item in found) else None

    seen = wait_for(rows)
    assert sorted({row["id"] for row in seen}) == list(range(1, max(row["id"] for row in seen) + 1))
    for headers, body in collector.taken("/siem"):
        parts = dict(part.split("=", 1) for part in headers["x-hub-signature"].split(","))
        expected = hmac.new(SECRET.encode(), f"{parts['t']}.".encode() + body, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(expected, parts["v1"])
    lines = wait_for(
        lambda: (file := traced.data / "exports" / "kept.jsonl").exists() and file.read_text().splitlines()
    )
    assert json.loads(lines[0])["id"] == 1


def test_health_says_how_a_destination_fares(traced, collector):
    chat(traced, traceparent=f"00-{TRACE}-{SPAN}-01")

    def status(name):
        with traced.client() as client:
            return client.get(f"/api/v1/exports/{name}").json()["status"]

    well = wait_for(lambda: (found := status("traces"))["status"] == "connected" and found)
    assert well["sent"] > 0
    assert well["last_checked_at"]
    # A private address that nobody allowed is not connected to, and the reason is told.
    ill = wait_for(lambda: (found := status("guarded"))["status"] == "error" and found)
    assert ill["last_error"]
    assert collector.taken("/guarded") == []


def test_a_destination_that_was_away_gets_everything_later(traced, collector):
    traced.put("exports", "flaky", {"format": "webhook", "endpoint": f"{collector.url}/flaky", "allow_private": True})
    collector.statuses[:] = [503]
    chat(traced, **{"x-request-id": "late"})
    wait_for(lambda: any(item["request_id"] == "late" for item in collector.items("/flaky")), 30)
