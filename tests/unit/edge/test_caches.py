"""Shares of prompts from caches, compared with what was usual."""

import pytest

from hub.core.usage import Usage
from hub.edge.caches_api import compared
from hub.ledger import Totals


def row(prompt, cached, key="k", model="m"):
    usage = Usage(input=prompt - cached, cache_read=cached)
    return Totals({"key": key, "model": model}, 1, 0, 0, 0, usage, 0, 0, 0)


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
    assert item["fell"] is fell
    assert item["cache_read_ratio"] == lately[1] / lately[0]
    assert item["usual_cache_read_ratio"] == before[1] / before[0]


def test_what_fell_comes_first_and_what_is_new_has_nothing_usual():
    lately = [row(900_000, 1, key="new"), row(60_000, 0, key="fell"), row(0, 0, key="silent")]
    items = compared(lately, [row(60_000, 50_000, key="fell"), row(60_000, 50_000, key="gone")])
    assert [(item["key"], item["usual_cache_read_ratio"], item["fell"]) for item in items] == [
        ("fell", round(5 / 6, 4), True),
        ("new", None, False),
    ]
