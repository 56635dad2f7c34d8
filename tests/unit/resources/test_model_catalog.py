"""The bundled catalogue: large, exact, and never guessing."""

import pytest

from hub.resources.model_catalog import DATA, CatalogModel, ModelCatalog, Price, load_catalogue
from hub.resources.provider_kinds import KINDS

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


def test_nothing_is_guessed():
    assert CATALOGUE.get("openai/gpt-5-mini-extra") is None
    assert CATALOGUE.get("gpt-5-mini") is None


def test_an_alias_is_the_model_that_declares_it():
    catalogue = ModelCatalog([CatalogModel("a/b", aliases=("b-2026",))])
    assert catalogue.get("a/b-2026") is catalogue.get("a/b")


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
