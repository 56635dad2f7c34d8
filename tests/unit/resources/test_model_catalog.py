"""The bundled catalogue: large, exact, and never guessing."""

import gc
import tracemalloc

import msgspec
import pytest

from hub.ledger.pricing import version_of
from hub.resources.model_catalog import DATA, CatalogModel, ModelCatalog, Price, load_catalogue
from hub.resources.provider_kinds import KINDS
from hub.resources.serving import ProviderSpec
from hub.resources.snapshot import Snapshot, provider_of

CATALOGUE = load_catalogue()


def test_it_holds_hundreds_of_priced_models_of_the_known_providers():
    assert sum(model.price is not None for model in CATALOGUE) >= 500
    assert {model.provider for model in CATALOGUE} <= {row.catalogue for row in KINDS.values()}


def test_every_price_says_where_it_is_from_and_when():
    for model in CATALOGUE:
        if model.price is not None:
            assert model.price.source
            assert model.price.as_of >= "2026-11-01"


@pytest.mark.parametrize(
    ("identifier", "prompt", "output", "context"),
    [
        ("openai/gpt-5-mini", 250_000, 2_000_000, 272_000),
        ("anthropic/claude-haiku-4-5", 1_000_000, 5_000_000, 200_000),
        ("gemini/gemini-2.5-pro", 1_250_000, 10_000_000, 1_048_576),
    ],
)
def test_known_models_are_right(identifier, prompt, output, context):
    model = CATALOGUE.get(identifier)
    assert (model.price.rates.input, model.price.rates.output, model.context_window) == (prompt, output, context)
    assert "tools" in model.capabilities


def test_no_price_is_that_of_something_else_than_a_million_tokens():
    rates = [(m.id, rate) for m in CATALOGUE if m.price for rate in msgspec.structs.astuple(m.price.rates) if rate]
    assert [one for one in rates if not 2_000 <= one[1] <= 1_000_000_000] == []
    assert CATALOGUE.get("fireworks/accounts/fireworks/models/flux-kontext-pro").price is None  # it is for a picture


def test_a_contract_multiplies_what_is_published_and_its_versions_say_so():
    def at(factor, **more):
        spec = ProviderSpec(kind="openai", api_key="env:K", price_factor=factor, **more)
        return Snapshot(1, "", CATALOGUE, providers={"p": provider_of("p", spec)}).target_price("p/gpt-5")

    usual, off, regional = at("1"), at("0.9"), at("0.5", base_url="https://eu.api.openai.com/v1")
    assert off.rates.input * 10 == usual.rates.input * 9
    assert off.tiers["flex"].rates.output * 10 == usual.tiers["flex"].rates.output * 9
    assert (off.search, off.as_of) == (usual.search, f"{usual.as_of}*0.9")
    assert version_of(off, "flex") == f"{usual.as_of}*0.9 flex"
    assert regional.rates.input in (usual.rates.input // 2, round(usual.rates.input * 0.55))


def test_nothing_is_guessed():
    assert CATALOGUE.get("openai/gpt-5-mini-extra") is None
    assert CATALOGUE.get("gpt-5-mini") is None


def test_an_alias_is_the_model_that_declares_it():
    catalogue = ModelCatalog([CatalogModel("a/b", aliases=("b-2026",))])
    assert catalogue.get("a/b-2026") is catalogue.get("a/b") is catalogue.for_provider("a")[0]
    assert catalogue.get("a/b-2026") is catalogue.get("a/b")


def test_a_mode_of_its_own_price_is_never_charged_as_usual():
    opus, flash = CATALOGUE.get("anthropic/claude-opus-5-5").price, CATALOGUE.get("gemini/gemini-2.5-pro").price
    at = {mode: opus.at(mode) for mode in ("fast", "geo-us", "fast geo-us")}
    assert [(price.rates.input, price.rates.cache_read) for price in at.values()] == [
        (8_000_000, 400_000),  # twice
        (4_400_000, 220_000),  # a tenth more
        (8_800_000, 440_000),
    ]
    assert opus.at("geo-eu") is None  # nothing is published of it
    assert CATALOGUE.get("anthropic/claude-opus-4-6").price.at("fast") is None
    assert flash.at("ultrafast") is None
    for usual in ("", "auto", "standard", "default", "flex of tomorrow"):
        assert opus.at(usual) is opus
    own = Price.from_usd_per_million(input="1", output="2")
    assert own.at("fast") is own  # what an operator says holds


def test_what_a_model_charges_and_does_not_tell_is_not_known():
    for name in ("gpt-4o-search-preview", "gpt-5-search-api"):
        assert CATALOGUE.get(f"openai/{name}").price is None
    price = CATALOGUE.get("openai/gpt-5").price
    assert price.at("hosted") is None
    assert version_of(price, "hosted").endswith(" hosted")  # so that no later reckoning takes it for the usual


def test_a_long_prompt_costs_its_multiple_too():
    mode = CATALOGUE.get("anthropic/claude-haiku-5-5").price.at("geo-us")
    usual = CATALOGUE.get("anthropic/claude-haiku-5-5").price
    assert (mode.threshold, mode.above.output) == (usual.threshold, round(usual.above.output * 1.1))


@pytest.mark.parametrize(
    ("kind", "more", "model", "times"),
    [
        ("openai", {}, "gpt-5.6-sol", 1),
        ("openai", {"base_url": "https://eu.api.openai.com/v1"}, "gpt-5.6-sol", 1.1),
        ("openai", {"base_url": "https://eu.api.openai.com.example.com/v1"}, "gpt-5.6-sol", 1),
        ("openai", {"base_url": "https://eu.api.openai.com/v1"}, "gpt-5-mini", 1),  # from before such prices
        ("vertex", {"region": "global"}, "claude-opus-5-5", 1),
        ("vertex", {"region": "europe-west1"}, "claude-opus-5-5", 1.1),
        ("bedrock", {"region": "us-east-1"}, "anthropic.claude-opus-4-6-v1", 1),
        ("bedrock", {"region": "us-east-1"}, "us.anthropic.claude-opus-4-6-v1", 1),  # its price is its own
    ],
)
def test_where_calls_are_computed_decides_the_price(kind, more, model, times):
    spec = ProviderSpec(kind=kind, api_key="env:KEY", **more)
    providers = {"p": provider_of("p", spec)}
    snapshot = Snapshot(generation=1, digest="", catalogue=CATALOGUE, providers=providers)
    usual = CATALOGUE.get(f"{KINDS[kind].catalogue}/{model}").price
    price = snapshot.target_price(f"p/{model}")
    assert price.rates.input == round(usual.rates.input * times)
    assert price.search == usual.search
    assert snapshot.target_price(f"p/{model}") is price  # worked out once


def test_bedrock_and_vertex_are_known():
    assert CATALOGUE.get("bedrock/us.anthropic.claude-opus-4-6-v1").price.rates.input == 5_500_000
    assert CATALOGUE.get("bedrock/anthropic.claude-opus-4-6-v1").price.rates.input == 5_000_000
    assert CATALOGUE.get("vertex/gemini-2.5-pro").context_window == 1_048_576


def test_search_wants_every_word():
    found = [model.id for model in CATALOGUE.search("haiku 4")]
    assert "anthropic/claude-haiku-4-5" in found
    assert all("haiku" in identifier for identifier in found)


def test_a_price_that_would_be_rounded_is_refused():
    with pytest.raises(ValueError, match="more than 6 decimal places"):
        Price.from_usd_per_million(input="0.0000001")


def test_the_file_is_small_and_sorted():
    assert DATA.stat().st_size < 1_000_000
    identifiers = [model.id for model in CATALOGUE]
    assert identifiers == sorted(identifiers)


def test_models_that_nobody_asks_for_take_no_more_than_their_text():
    tracemalloc.start()
    try:
        catalogue = load_catalogue()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 3 * DATA.stat().st_size
    assert len(list(catalogue)) == len(catalogue)
