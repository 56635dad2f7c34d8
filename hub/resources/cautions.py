"""What may be saved as it is and deserves a second look: what nobody could price, or would price wrongly."""

from collections.abc import Iterator

from hub.resources.model_catalog import PICO_PER_USD_PER_MILLION, CatalogModel, Rates
from hub.resources.snapshot import Snapshot, VirtualModel

_FAR = 50  # times the published rate: a price per thousand tokens is a thousandth, one per token a millionth
_CONVERSING = ("chat", "completion")
_CACHED = ("cache_read", "cache_write_5m", "cache_write_1h")


def cautions(snapshot: Snapshot, kind: str, name: str) -> list[str]:
    """What is odd about a resource, each with its remedy; none for one that is unknown or disabled."""
    if kind == "routes":
        return list(_shadowless(snapshot, name))
    return _priced_oddly(snapshot, name) if kind == "models" else []


def _shadowless(snapshot: Snapshot, name: str) -> Iterator[str]:
    """A shadow target of which nobody knows a price: what its copies may cost could not be bounded, so there are none."""
    route = snapshot.routes.get(name)
    if route is None or route.shadow is None:
        return
    target = route.shadow.deployment.target
    if snapshot.told_price(target) is None:
        yield (
            f"Nobody knows what {target} costs, so its shadow gets no copies: give a model that leads there alone a price "
            '("0" where it is free).'
        )


def _priced_oddly(snapshot: Snapshot, name: str) -> list[str]:
    model = snapshot.models.get(name)
    if model is None:
        return []
    targets = dict.fromkeys(target.deployment.target for target in model.targets if not target.deployment.local)
    if model.price is None:
        return list(_unpriced(snapshot, targets))
    known = {target: snapshot.catalogue_model(target) for target in targets}
    return [*_missing(model, model.price.rates, known), *_far(model.price.rates, known)]


def _unpriced(snapshot: Snapshot, targets: dict[str, None]) -> Iterator[str]:
    """Targets of which nobody knows a price: their calls cost budgets nothing."""
    unknown = [target for target in targets if snapshot.target_price(target) is None]
    if unknown:
        yield (
            f"Nobody knows what {', '.join(unknown)} costs, so budgets cannot count its calls: give the model a price "
            '("0" where it is free), or let budgets refuse them (unpriced: refuse).'
        )


def _missing(model: VirtualModel, own: Rates, known: dict[str, CatalogModel | None]) -> Iterator[str]:
    """Rates that calls will need: with any of them unknown, the cost of a call is."""
    converses = any(one is None or one.kind in _CONVERSING for one in known.values())
    needed = ["input", *(["output"] if converses else [])]
    if not any((own.audio_in, own.audio_out, own.image, own.image_in)):
        for bucket in needed:
            if getattr(own, bucket) is None:
                yield f'The price has no {bucket}, so the cost of its calls stays unknown: add it ("0" where it is free).'
    for bucket in _CACHED:
        rates = {one.price.rates for one in known.values() if one is not None and one.price is not None}
        published = next((told for one in rates if (told := getattr(one, bucket)) is not None), None)
        if published is not None and getattr(own, bucket) is None and own.input is not None:
            yield (
                f"The price has no {bucket}, so the cost of calls that use the cache stays unknown: add it "
                f"(the catalogue says {_usd(published)})."
            )


def _far(own: Rates, known: dict[str, CatalogModel | None]) -> Iterator[str]:
    """Rates that are so far from the published ones that the unit is wrong."""
    for bucket in own.__struct_fields__:
        rate = getattr(own, bucket)
        for target, one in known.items():
            published = getattr(one.price.rates, bucket) if one is not None and one.price is not None else None
            if rate and published and not published / _FAR <= rate <= published * _FAR:
                yield (
                    f"The price says {bucket} {_usd(rate)}, the catalogue {_usd(published)} for {target}: prices are in "
                    "USD per million tokens."
                )
                break


def _usd(pico: int) -> str:
    return f"{pico / PICO_PER_USD_PER_MILLION:.6f}".rstrip("0").rstrip(".")
