"""What differs between two catalogues, model by model and field by field."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hub.resources.model_catalog import PICO_PER_USD_PER_MILLION, CatalogModel, ModelCatalog

_LOOKED_AT = (
    "mode", "context_window", "max_output_tokens", "input_modalities", "output_modalities", "capabilities", "aliases",
    "deprecated", "successor", "name", "searches",
)  # fmt: skip


class Change(Struct, frozen=True):
    """One difference. `op` is add, remove or change; `field` with its old and new value for a change."""

    op: str
    model: str
    field: str = ""
    old: Any = None
    new: Any = None


def changes(old: ModelCatalog, new: ModelCatalog) -> Iterator[Change]:
    """Every difference, by the name of the model; prices in USD per million tokens."""
    before, after = {model.id: model for model in old}, {model.id: model for model in new}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            yield Change("remove", name)
        elif name not in before:
            yield Change("add", name)
        else:
            yield from _between(before[name], after[name])


def _between(old: CatalogModel, new: CatalogModel) -> Iterator[Change]:
    for field in _LOOKED_AT:
        was, now = getattr(old, field), getattr(new, field)
        if was != now:
            yield Change("change", new.id, field, was, now)
    was_prices, now_prices = dict(_prices(old)), dict(_prices(new))
    for rate in sorted(was_prices.keys() | now_prices.keys()):
        if was_prices.get(rate) != now_prices.get(rate):
            yield Change("change", new.id, f"price.{rate}", was_prices.get(rate), now_prices.get(rate))


def _prices(model: CatalogModel) -> Iterator[tuple[str, str]]:
    """Every rate of a model by a name such as `input`, `above.input`, `batch.output`."""
    if model.price is None:
        return
    tiers = {"": model.price, **{f"{name}.": price for name, price in model.price.tiers.items()}}
    for prefix, price in tiers.items():
        yield from _rates(prefix, msgspec.to_builtins(price.rates))
        if price.above is not None:
            yield f"{prefix}above.threshold", str(price.threshold)
            yield from _rates(f"{prefix}above.", msgspec.to_builtins(price.above))


def _rates(prefix: str, rates: Mapping[str, int | None]) -> Iterator[tuple[str, str]]:
    for bucket, pico in rates.items():
        if pico is not None:
            yield f"{prefix}{bucket}", f"{pico / PICO_PER_USD_PER_MILLION:.6f}".rstrip("0").rstrip(".")
