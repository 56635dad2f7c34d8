"""The W3C trace context: read strictly, handed on exactly, and ids that are the same each time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.ids import new_id
from hub.core.telemetry import (
    TraceContext,
    chosen,
    context_in_meta,
    headers_in_meta,
    meta_with,
    parse_context,
    span_of,
    trace_of,
    traceparent,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_a_context_is_read():
    assert parse_context(PARENT, "a=1,b=2") == TraceContext(TRACE, SPAN, True, "a=1,b=2")
    assert parse_context(PARENT[:-1] + "0").sampled is False
    assert parse_context(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings").trace == TRACE


@pytest.mark.parametrize(
    "value",
    [
        "", "nonsense", PARENT.upper(), f"ff-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
        PARENT + "-more", f"00-{TRACE}-{SPAN}", "x" * 5000, PARENT + "\n",
    ],
)  # fmt: skip
def test_what_is_no_context_is_ignored(value):
    assert parse_context(value) is None


def test_a_state_that_cannot_be_a_header_is_dropped():
    assert parse_context(PARENT, "a\r\nb").state == ""


def test_the_context_in_meta():
    meta = json.dumps({"traceparent": PARENT, "tracestate": "v=1", "progressToken": 3}).encode()
    assert context_in_meta(meta) == TraceContext(TRACE, SPAN, True, "v=1")
    assert context_in_meta(b'{"traceparent": 5}') is None
    assert context_in_meta(b'{"note": "traceparent"}') is None
    ours = traceparent(TRACE, "b" * 16, sampled=True)
    given = TraceContext(TRACE, SPAN, True, "v=2")
    assert json.loads(meta_with(b'{"a": 1}', ours, given)) == {"a": 1, "traceparent": ours, "tracestate": "v=2"}
    assert json.loads(meta_with(b"{}", "", given)) == {"traceparent": PARENT, "tracestate": "v=2"}
    assert json.loads(meta_with(meta, ours, given))["tracestate"] == "v=1"
    assert json.loads(meta_with(meta, ours, None)) == {"traceparent": ours, "tracestate": "v=1", "progressToken": 3}
    assert meta_with(meta, "", None) is meta
    assert meta_with(meta, "", given) is meta


def test_ids_are_those_of_the_entry():
    entry = new_id()
    assert trace_of(entry) == trace_of(entry)
    assert len({span_of(entry, number) for number in range(10)}) == 10
    assert parse_context(traceparent(trace_of(entry), span_of(entry), sampled=True)).sampled


@given(st.text(max_size=40))
def test_any_id_makes_ids(entry):
    assert parse_context(traceparent(trace_of(entry), span_of(entry, 3), sampled=True)) is not None


def test_sampling_is_by_the_trace_alone():
    traces = [trace_of(new_id()) for _ in range(2000)]
    assert all(chosen(trace, 1.0) for trace in traces)
    assert not any(chosen(trace, 0.0) for trace in traces)
    assert 800 < sum(chosen(trace, 0.5) for trace in traces) < 1200
    assert all(chosen(trace, 0.6) for trace in traces if chosen(trace, 0.5))


@pytest.mark.parametrize(
    ("said", "headers"),
    [
        ({"traceparent": PARENT, "tracestate": "v=1", "baggage": "a=b, c=d"}, ["traceparent", "tracestate", "baggage"]),
        ({"baggage": "a=b"}, ["baggage"]),
        ({"traceparent": PARENT, "tracestate": "", "baggage": 5}, ["traceparent"]),
        ({"traceparent": "a\r\nx-injected: b", "baggage": "\u00fc"}, []),
        ({"traceparent": [PARENT]}, []),
        ({"note": "traceparent"}, []),
    ],
)
def test_what_meta_says_of_a_trace_stands_in_headers_where_it_can(said, headers):
    found = headers_in_meta(json.dumps(said).encode())
    assert [name for name, _ in found] == headers
    assert all(said[name] == value for name, value in found)


def test_a_meta_that_cannot_be_read_says_nothing_of_a_trace():
    assert headers_in_meta(b'{"traceparent": ') == ()
