from datetime import UTC, datetime

import pytest
import time_machine

from hub.ui.ledger import turns_of
from hub.ui.site import with_query
from hub.ui.words import ago, as_yaml, exact, forecast, milliseconds, money, short, usd

NOW = datetime(2026, 11, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("micro", "text"),
    [
        (None, "unknown"),
        (0, "$0"),
        (18, "$0.000018"),
        (99_999, "$0.099999"),
        (100_000, "$0.10"),
        (1_234_567_890, "$1,234.57"),
    ],
)
def test_money_says_as_much_as_there_is(micro, text):
    assert money(micro) == text


@time_machine.travel(NOW, tick=False)
def test_times_are_told_from_now():
    told = {
        "2026-11-16T00:00:00+00:00": "just now",
        "2026-11-15T23:59:30Z": "30 s ago",
        "2026-11-15T22:00:00": "2 h ago",
        "2026-11-18T00:00:00Z": "in 2 d",
    }
    assert {text: ago(text) for text in told} == told
    assert (ago(None), ago("nonsense"), exact("2026-11-16T01:02:03+01:00")) == (
        "\u2013",
        "\u2013",
        "2026-11-16 00:02:03 UTC",
    )


def test_numbers_read_well():
    assert [short(n) for n in (950, 12_345, 4_100_000)] == ["950", "12.3k", "4.1M"]
    assert [milliseconds(n) for n in (12.4, 2340)] == ["12 ms", "2.34 s"]
    assert (usd("0.5"), usd(None), usd("x")) == ("$0.50", "\u2013", "\u2013")


@time_machine.travel(NOW, tick=False)
def test_a_budget_is_carried_on_at_its_rate():
    month = {"starts_at": "2026-11-01T00:00:00Z", "resets_at": "2026-12-01T00:00:00Z", "spent_usd": "10"}
    assert forecast(month) == 20_000_000
    assert forecast({**month, "starts_at": "2026-11-15T23:00:00Z"}) is None
    assert forecast({"state": "disabled"}) is None


def test_yaml_has_no_aliases():
    shared = ["x"]
    assert "&" not in as_yaml({"a": shared, "b": shared})


def test_links_keep_what_is_not_changed():
    assert (
        with_query("/logs", {"cursor": "c", "range": None}, {"model": "a b", "range": "7d"})
        == "/logs?model=a+b&cursor=c"
    )
    assert with_query("/logs", {}, {}) == "/logs"
    assert with_query("/logs?x=1", {"done": "saved"}) == "/logs?x=1&done=saved"


def test_a_session_falls_into_turns_and_each_call_has_its_place_in_one():
    calls = [
        {"at": "2026-11-16T00:00:00+00:00", "duration_ms": 1000},
        {"at": "2026-11-16T00:00:01+00:00", "duration_ms": 0},
        {"at": "2026-11-16T00:00:03+00:00", "duration_ms": 1000},
        {"at": "2026-11-16T00:02:04+00:00", "duration_ms": 10},
        {"at": "2026-11-16T00:02:04.010+00:00", "duration_ms": 0},
    ]
    first, second = turns_of(calls)
    assert [(one["left"], one["width"], one["offset_ms"]) for one in first["calls"]] == [
        (0.0, 25.0, 0.0),
        (25.0, 0.4, 1000.0),
        (75.0, 25.0, 3000.0),
    ]
    assert (first["took_ms"], second["took_ms"], second["idle_ms"]) == (4000.0, 10.0, 120_000.0)
    assert [(one["left"], one["width"]) for one in second["calls"]] == [(0.0, 100.0), (99.6, 0.4)]
