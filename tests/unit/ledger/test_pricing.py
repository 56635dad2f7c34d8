"""Costs are exact integers, and what is not known is not free."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.usage import Usage
from hub.ledger.pricing import ceiling_micro_usd, cost_micro_usd
from hub.resources.model_catalog import Price, Rates, load_catalogue

CHEAP = Price.from_usd_per_million(input="0.15", output="0.60", cache_read="0.075")
TIERED = Price(
    Rates(input=1_250_000, output=10_000_000), above=Rates(input=2_500_000, output=15_000_000), threshold=200_000
)
TOKENS = st.integers(min_value=0, max_value=5_000_000)


@pytest.mark.parametrize(
    ("usage", "price", "cost"),
    [
        (Usage(), CHEAP, 0),
        (Usage(input=1_000_000), CHEAP, 150_000),
        (Usage(input=1_000_000, output=1_000_000), CHEAP, 750_000),
        (Usage(cache_read=1_000_000), CHEAP, 75_000),
        (Usage(output=1_000_000, reasoning=1_000_000), CHEAP, 1_200_000),
        (Usage(input=3), CHEAP, 0),
        (Usage(input=4), CHEAP, 1),
        (Usage(cache_write_5m=1), CHEAP, None),
        (Usage(audio_in=1), CHEAP, None),
        (Usage(input=1), None, None),
        (Usage(), None, None),
        (Usage(input=5), Price.from_usd_per_million(input="0"), 0),
        (Usage(input=200_000, output=100), TIERED, 251_000),
        (Usage(input=200_001, output=100), TIERED, 501_503),
    ],
)
def test_known_examples(usage, price, cost):
    assert cost_micro_usd(usage, price) == cost


@given(TOKENS, TOKENS, TOKENS)
def test_the_cost_is_the_exact_sum_rounded_half_up(given_input, cached, output):
    exact = given_input * 150_000 + cached * 75_000 + output * 600_000
    cost = cost_micro_usd(Usage(input=given_input, cache_read=cached, output=output), CHEAP)
    assert abs(cost * 1_000_000 - exact) <= 500_000
    assert isinstance(cost, int)


@given(TOKENS, TOKENS, TOKENS, TOKENS)
def test_the_ceiling_is_never_below_the_cost(given_input, written, read, output):
    price = load_catalogue().get("anthropic/claude-haiku-4-5").price
    usage = Usage(input=given_input, cache_write_5m=written, cache_read=read, output=output)
    assert ceiling_micro_usd(usage.prompt, usage.completion, price) >= cost_micro_usd(usage, price)


def test_an_unknown_price_has_no_ceiling():
    assert ceiling_micro_usd(10, 10, None) is None
    assert ceiling_micro_usd(10, 10, Price.from_usd_per_million(input="1")) is None
