"""The bundled catalogue of real models: prices, context, capabilities. Data, read once at start."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cached_property
from pathlib import Path

import msgspec
from msgspec import Struct

DATA = Path(__file__).parent / "data" / "catalog.json"

# Prices are kept as whole pico-dollars per token: USD per million tokens times 10^6, exact for every published rate.
PICO_PER_USD_PER_MILLION = 1_000_000
# Web searches have prices in USD per thousand.
PICO_PER_USD_PER_THOUSAND = 1_000_000_000
OPERATOR = "operator"  # the source of a price that is set here
_DEARER = ("fast", "ultrafast", "geo-", "hosted")  # modes whose prices differ, by how their names begin


def _pico(usd_per_million: str) -> int:
    scaled = Decimal(usd_per_million) * PICO_PER_USD_PER_MILLION
    whole = int(scaled)
    if whole != scaled:
        raise ValueError(f"the price {usd_per_million!r} has more than 6 decimal places")
    return whole


def _pico_per_search(usd_per_thousand: str | None) -> int | None:
    return round(Decimal(usd_per_thousand) * PICO_PER_USD_PER_THOUSAND) if usd_per_thousand else None


class Rates(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One rate per bucket of usage, in pico-dollars per token. None: there is no published rate. 0: it is free."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    audio_in: int | None = None
    audio_out: int | None = None
    image: int | None = None
    image_in: int | None = None

    def times(self, factor: Decimal) -> "Rates":
        """Each rate multiplied."""
        told = {name: getattr(self, name) for name in self.__struct_fields__}
        return Rates(**{name: round(rate * factor) for name, rate in told.items() if rate is not None})


class Price(Struct, frozen=True, omit_defaults=True):
    """The price of one model: its rates, and those that hold above `threshold` prompt tokens, if it has such.

    `search` is what one web search of the provider's costs, in pico-dollars; None where that is not known.
    `tiers` are the prices of its service tiers (`batch`, `flex`, `priority`) and of other modes (`fast`, `ultrafast`,
    `geo-us` for a place, `fast geo-us`), each whole by itself. No catalogue has one for `hosted` tools. `source` says
    where the figures are from and `as_of` when they were read (YYYY-MM-DD).
    """

    rates: Rates
    above: Rates | None = None
    threshold: int = 0
    source: str = ""
    as_of: str = ""
    tiers: dict[str, "Price"] = {}
    search: int | None = None

    def at(self, tier: str) -> "Price | None":
        """The price in a service tier or mode; the usual one where it has none of its own.

        None for a mode that does not cost what is usual, and of which nothing is known. What an operator says holds for all.
        """
        if not tier:
            return self
        found = self.tiers.get(tier)
        if found is not None or not tier.startswith(_DEARER) or self.source == OPERATOR:
            return found or self
        return None

    def times(self, factor: Decimal) -> "Price":
        """This price with every rate of tokens multiplied."""
        above = self.above.times(factor) if self.above is not None else None
        tiers = {name: tier.times(factor) for name, tier in self.tiers.items()}
        return msgspec.structs.replace(self, rates=self.rates.times(factor), above=above, tiers=tiers)

    @classmethod
    def from_usd_per_million(cls, searches: str | None = None, **rates: str) -> "Price":
        """A price from decimal strings in USD per million tokens (and per thousand `searches`), as an operator writes them."""
        known = Rates(**{bucket: _pico(value) for bucket, value in rates.items()})
        return cls(known, source=OPERATOR, search=_pico_per_search(searches))


class _Tier(Struct, forbid_unknown_fields=True):
    """The prices of one service tier."""

    prices: dict[str, str]
    above: dict[str, str] = {}
    threshold: int = 0


class _Record(Struct, forbid_unknown_fields=True):
    """One model as it stands in the data file; prices are decimal strings in USD per million tokens."""

    id: str
    mode: str = "chat"
    prices: dict[str, str] = {}
    above: dict[str, str] = {}
    threshold: int = 0
    tiers: dict[str, _Tier] = {}
    searches: str = ""
    uplifts: dict[str, str] = {}
    context: int | None = None
    max_output: int | None = None
    input: tuple[str, ...] = ("text",)
    output: tuple[str, ...] = ("text",)
    capabilities: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    deprecated: str = ""
    successor: str = ""
    source: str = ""
    name: str = ""


class _File(Struct):
    sources: list[str]
    as_of: str
    models: list[msgspec.Raw]


class CatalogModel(Struct, frozen=True, dict=True):
    """What is known about one real model, `provider/upstream-model`. Dates are YYYY-MM-DD, or empty.

    `searches` is what a thousand web searches cost in USD, `successor` what the provider names instead of a model
    that it will switch off, `source` the page that the facts are from. `uplifts` are the factors by which tokens cost more
    where they are computed in a place that was chosen: `*` in any of them.
    """

    id: str
    mode: str = "chat"
    price: Price | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    capabilities: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    deprecated: str = ""
    name: str = ""
    searches: str = ""
    successor: str = ""
    source: str = ""
    uplifts: dict[str, str] = {}

    @property
    def kind(self) -> str:
        """What it is for: `chat` where it converses, in whatever dialect, else its mode."""
        return "chat" if self.mode == "responses" else self.mode

    @cached_property
    def _there(self) -> dict[tuple[str, str], Price]:
        return {}

    def price_in(self, place: str, contract: str = "1") -> Price | None:
        """The price where calls are computed in `place`, "" for wherever the provider likes; None when it is not known.

        `contract` is the factor by which one's own prices differ from the published ones; the version of the price names it.
        """
        uplift = self.uplifts.get(place, self.uplifts.get("*", "1")) if place else "1"
        if self.price is None or (uplift == "1" and contract == "1"):
            return self.price
        found = self._there.get((uplift, contract))
        if found is None:
            found = self.price.times(Decimal(uplift) * Decimal(contract))
            if contract != "1":
                found = msgspec.structs.replace(found, as_of=f"{found.as_of}*{contract}")
            self._there[uplift, contract] = found
        return found

    @property
    def provider(self) -> str:
        """The company's name in the catalogue."""
        return self.id.partition("/")[0]


_PACK, _UNPACK = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(CatalogModel)


class ModelCatalog:
    """All known models, by id and alias. Look-ups are exact: a model that is not here has no known price.

    Models are kept packed until they are asked for: a hub uses few of more than a thousand, and whole they take 2 MB.
    """

    def __init__(self, models: Iterable[CatalogModel], version: str = "") -> None:
        self.version = version
        self._packed: dict[str, bytes] = {}
        self._aliases: dict[str, str] = {}
        self._read: dict[str, CatalogModel] = {}
        self._of_providers: dict[str, tuple[CatalogModel, ...]] = {}
        for model in models:
            self._packed[model.id] = _PACK.encode(model)
            self._aliases.update((f"{model.provider}/{alias}", model.id) for alias in model.aliases)

    def __len__(self) -> int:
        return len(self._packed)

    def __iter__(self) -> Iterator[CatalogModel]:
        return map(_UNPACK.decode, self._packed.values())

    def get(self, identifier: str) -> CatalogModel | None:
        """The model of that id, or the one that declares it as an alias."""
        known = identifier if identifier in self._packed else self._aliases.get(identifier)
        return self._unpacked(known) if known is not None else None

    def _unpacked(self, known: str) -> CatalogModel:
        found = self._read.get(known)
        if found is None:
            found = self._read[known] = _UNPACK.decode(self._packed[known])
        return found

    def for_provider(self, provider: str) -> tuple[CatalogModel, ...]:
        """All models of one company, in the order of the file."""
        found = self._of_providers.get(provider)
        if found is None:
            theirs = (known for known in self._packed if known.partition("/")[0] == provider)
            found = self._of_providers[provider] = tuple(map(self._unpacked, theirs))
        return found

    def search(self, text: str) -> list[CatalogModel]:
        """Models in whose id or name every word of `text` occurs."""
        words = text.lower().split()
        return [m for m in self if all(word in m.id.lower() or word in m.name.lower() for word in words)]


def _priced(record: _Record | _Tier, as_of: str, source: str, search: int | None) -> Price:
    rates = Rates(**{bucket: _pico(value) for bucket, value in record.prices.items()})
    above = Rates(**{bucket: _pico(value) for bucket, value in record.above.items()}) if record.above else None
    return Price(rates, above, record.threshold, source, as_of, search=search)


def _model(record: _Record, as_of: str, source: str) -> CatalogModel:
    price = None
    if record.prices:
        search = _pico_per_search(record.searches)
        tiers = {name: _priced(tier, as_of, source, search) for name, tier in record.tiers.items()}
        price = msgspec.structs.replace(_priced(record, as_of, source, search), tiers=tiers)
    return CatalogModel(
        id=record.id,
        mode=record.mode,
        price=price,
        context_window=record.context,
        max_output_tokens=record.max_output,
        input_modalities=record.input,
        output_modalities=record.output,
        capabilities=record.capabilities,
        aliases=record.aliases,
        deprecated=record.deprecated,
        name=record.name,
        searches=record.searches,
        successor=record.successor,
        source=record.source,
        uplifts=record.uplifts,
    )


def load_catalogue(file: Path | None = None) -> ModelCatalog:
    """Read a catalogue, the bundled one unless a file is given. Raises msgspec.DecodeError when it is damaged."""
    data = msgspec.json.decode((file or DATA).read_bytes(), type=_File)
    source = " + ".join(data.sources)
    records = map(msgspec.json.Decoder(_Record).decode, data.models)
    return ModelCatalog((_model(record, data.as_of, source) for record in records), version=data.as_of)
