"""What a call cost: usage times price, in whole micro-dollars, or None when a rate is not known."""

from itertools import compress
from operator import attrgetter, mul

from hub.core.usage import Usage
from hub.resources.model_catalog import Price, Rates

_PICO_PER_MICRO = 1_000_000
_of_usage = attrgetter(
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "reasoning", "audio_in", "audio_out", "image",
    "image_in",
)  # fmt: skip
_of_rates = attrgetter(
    "input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "output", "audio_in", "audio_out", "image",
    "image_in",
)  # fmt: skip


def version_of(price: Price, tier: str = "") -> str:
    """The version of a price as entries keep it, with the tier or mode of the answer where that has its own, known or not."""
    version = price.as_of or price.source
    return version if price.at(tier) is price else f"{version} {tier}"


def tier_in(version: str) -> str:
    """The service tier that such a version names, or ""."""
    return version.partition(" ")[2]


def _rates(price: Price, prompt_tokens: int) -> Rates:
    if price.above is not None and prompt_tokens > price.threshold:
        return price.above
    return price.rates


def cost_micro_usd(usage: Usage, price: Price | None) -> int | None:
    """The cost in micro-dollars: the sum over all buckets of tokens times rate, rounded half up once, at the end.

    The tier is chosen first, by the size of the whole prompt; then each bucket is charged at exactly one
    rate of it. Reasoning is output and is charged as such; a web search costs the same in every tier. A bucket
    that was used and has no published rate makes the whole cost unknown: None, never zero and never another
    bucket's rate.
    """
    if price is None:
        return None
    used = _of_usage(usage)
    rates: list[int | None] = list(compress(_of_rates(_rates(price, usage.prompt)), used))
    if None in rates:
        return None
    total = sum(map(mul, filter(None, used), rates))
    if usage.searches:
        if price.search is None:
            return None
        total += usage.searches * price.search
    return (total + _PICO_PER_MICRO // 2) // _PICO_PER_MICRO


def ceiling_micro_usd(prompt_tokens: int, output_tokens: int, price: Price | None) -> int | None:
    """The most that a call can cost before it is made: its prompt at the dearest prompt rate, its output in full.

    How often a provider will search the web cannot be known: searches are charged when they are told.

    None when the price is not known.
    """
    if price is None:
        return None
    rates = _rates(price, prompt_tokens)
    if rates.input is None or (rates.output is None and output_tokens):
        return None
    dearest = rates.input
    if rates.cache_write_5m is not None or rates.cache_write_1h is not None:
        dearest = max(dearest, rates.cache_write_5m or 0, rates.cache_write_1h or 0)
    return -(-(prompt_tokens * dearest + output_tokens * (rates.output or 0)) // _PICO_PER_MICRO)
