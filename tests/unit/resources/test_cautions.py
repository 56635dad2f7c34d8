"""What is odd about the price of a model, told when it is saved."""

import pytest

from hub.resources import cautions, compile_snapshot, parse
from hub.resources.model_catalog import CatalogModel, ModelCatalog, Price

CATALOGUE = ModelCatalog(
    [
        CatalogModel("openai/chatty", price=Price.from_usd_per_million(input="2", output="8", cache_read="0.2")),
        CatalogModel("openai/vectors", mode="embedding", price=Price.from_usd_per_million(input="0.1")),
    ]
)
PROVIDERS = {
    "openai": {"kind": "openai", "api_key": "env:K"},
    "own": {"kind": "openai-compatible", "base_url": "https://own.test/v1"},
    "demo": {"kind": "demo"},
}
WHOLE = {"input": "1", "output": "4", "cache_read": "0.1"}


def told(price, *targets):
    model = {"targets": [{"model": target} for target in targets], **({"price": price} if price else {})}
    given = {"providers": PROVIDERS, "models": {"m": model}}
    specs = {kind: {name: parse(kind, name, spec) for name, spec in named.items()} for kind, named in given.items()}
    return cautions(compile_snapshot(specs, secrets=(), catalogue=CATALOGUE, generation=1), "models", "m")


@pytest.mark.parametrize(
    ("price", "targets"),
    [
        (None, ["openai/chatty"]),
        (None, ["demo/demo-1"]),
        (WHOLE, ["openai/chatty", "own/m"]),
        ({"input": "0", "output": "0"}, ["own/m"]),
        ({"input": "0.2"}, ["openai/vectors"]),
        ({"image": "30"}, ["own/draws"]),
    ],
)
def test_a_whole_price_near_the_published_one_is_not_odd(price, targets):
    assert told(price, *targets) == []


@pytest.mark.parametrize(
    ("price", "targets", "says"),
    [
        (None, ["openai/chatty", "own/m", "openai/new"], "own/m, openai/new"),
        ({"input": "1"}, ["own/m"], "has no output"),
        ({"output": "1"}, ["openai/vectors"], "has no input"),
        ({"input": "1", "output": "4"}, ["openai/chatty"], "(the catalogue says 0.2)"),
        ({**WHOLE, "input": "0.002"}, ["openai/chatty"], "input 0.002, the catalogue 2 for openai/chatty"),
        ({**WHOLE, "output": "8000"}, ["own/m", "openai/chatty"], "output 8000, the catalogue 8"),
    ],
)
def test_what_is_odd_is_said_with_its_remedy(price, targets, says):
    (found,) = told(price, *targets)
    assert says in found


def test_a_model_that_is_not_there_is_not_odd():
    assert cautions(compile_snapshot({}, secrets=(), catalogue=CATALOGUE, generation=1), "models", "m") == []
