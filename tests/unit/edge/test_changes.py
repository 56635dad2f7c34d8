"""The last day beside the week before: what stands out."""

import pytest

from hub.core.usage import Usage
from hub.edge.changes_api import compared
from hub.ledger import Totals


def row(prompt=0, cached=0, key="k", cost=0, calls=1, errors=0):
    usage = Usage(input=prompt - cached, cache_read=cached)
    return Totals({"key": key, "model": "m"}, calls, errors, 0, 0, usage, cost, 0, 0)


@pytest.mark.parametrize(
    ("lately", "before", "fell"),
    [
        ((100_000, 10_000), (700_000, 560_000), True),
        ((100_000, 0), (700_000, 560_000), True),
        ((100_000, 60_000), (700_000, 560_000), False),  # a little less
        ((40_000, 0), (700_000, 560_000), False),  # too little to say
        ((100_000, 0), (700_000, 70_000), False),  # never was much
        ((100_000, 90_000), (700_000, 0), False),
    ],
)
def test_a_cache_that_is_read_by_less_than_half_of_what_was_usual_fell(lately, before, fell):
    (item,) = compared([row(*lately)], [row(*before)])
    assert item["alerts"] == (["cache_reads_fell"] if fell else [])
    assert item["cache_read_ratio"] == lately[1] / lately[0]
    assert item["usual_cache_read_ratio"] == before[1] / before[0]


@pytest.mark.parametrize(
    ("lately", "week", "rose"),
    [(4_000_000, 7_000_000, True), (3_000_000, 7_000_000, False), (900_000, 7, False), (1_000_000, 0, True)],
)
def test_spending_of_more_than_three_usual_days_rose(lately, week, rose):
    (item,) = compared([row(cost=lately)], [row(cost=week)])
    assert item["alerts"] == (["cost_rose"] if rose else [])


@pytest.mark.parametrize(
    ("lately", "before", "rose"),
    [
        ((20, 5), (100, 2), True),
        ((19, 9), (100, 0), False),
        ((100, 19), (100, 0), False),
        ((100, 30), (100, 10), False),
    ],
)
def test_failures_of_more_than_three_times_the_usual_share_rose(lately, before, rose):
    (calls, errors), (then, failed) = lately, before
    (item,) = compared([row(calls=calls, errors=errors)], [row(calls=then, errors=failed)])
    assert item["alerts"] == (["errors_rose"] if rose else [])


def test_what_stands_out_comes_first_and_what_is_new_has_nothing_usual():
    lately = [row(900_000, 1, key="new", cost=9_000_000), row(60_000, 0, key="fell"), row(key="silent")]
    items = compared(lately, [row(60_000, 50_000, key="fell"), row(60_000, 50_000, key="gone")])
    assert [(item["key"], item["usual_cache_read_ratio"], item["alerts"]) for item in items] == [
        ("fell", round(5 / 6, 4), ["cache_reads_fell"]),
        ("new", None, []),
        ("silent", None, []),
    ]
