"""What a key sees in the list of models, and what `explain` tells."""

from hub.core.calls import Dialect
from hub.routing import explain, plan, visible_model, visible_models
from tests.unit.routing.hubs import call, grant, principal, snapshot, target

MODELS = {
    "fast": {"title": "Fast", "targets": [target("openai/gpt-5-mini"), target("anthropic/claude-haiku", 1)]},
    "house": {
        "targets": [target("local/qwen3")],
        "price": {"input": "0.10"},
        "max_output_tokens": 4096,
        "context_window": 9,
    },
    "mixed": {"targets": [target("openai/gpt-5-mini"), target("local/qwen3", 1)]},
}


def names(models):
    return [model.id for model in models]


def test_only_what_may_be_called_is_listed():
    hub = snapshot(models=MODELS)
    assert names(visible_models(hub, principal("fast", "openai/*"))) == ["fast", "openai/gpt-5-mini"]
    assert names(visible_models(hub, principal("nothing"))) == []
    listed = names(visible_models(hub, principal()))
    assert listed == ["fast", "house", "mixed", "anthropic/claude-haiku", "local/qwen3", "openai/gpt-5-mini"]


def test_a_virtual_model_promises_what_all_targets_hold():
    fast, house, mixed = visible_models(snapshot(models=MODELS), principal("fast", "house", "mixed"))
    assert (fast.title, fast.context_window, fast.capabilities, fast.input_modalities) == (
        "Fast",
        200_000,
        ("tools",),
        ("text",),
    )
    assert {Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.ANTHROPIC_MESSAGES} <= set(fast.dialects)
    assert Dialect.GEMINI not in fast.dialects, "what is spoken natively, not what is translated"
    assert fast.owner == "openai"
    assert (house.title, house.context_window, house.max_output_tokens) == ("house", 9, 4096)
    assert house.price.rates.input == 100_000
    assert house.price.rates.output is None
    assert mixed.capabilities == (), "nothing is known about one of its targets"


def test_a_real_model_shows_what_the_catalogue_knows():
    model = visible_model(snapshot(), principal(), "openai/gpt-5-mini")
    assert (model.title, model.context_window, model.max_output_tokens) == ("GPT-5 mini", 400_000, 128_000)
    assert not model.virtual
    unknown = visible_model(snapshot(), principal(), "openai/brand-new")
    assert (unknown.title, unknown.price, unknown.context_window) == ("openai/brand-new", None, None)
    assert visible_model(snapshot(), principal("x"), "openai/gpt-5-mini") is None
    assert visible_model(snapshot(), principal(), "nope") is None
    assert visible_model(snapshot(models=MODELS), principal(), "fast").virtual


def told(hub, *args, **options):
    return explain(hub, plan(hub, *args, **options), 100)


def test_explain_tells_order_shares_and_reasons():
    models = {
        "fast": {"targets": [target("openai/gpt-5-mini", 0, 3), target("openai/b", 0, 1), target("openai/x", 1, 0)]}
    }
    hub = snapshot(models=models)
    shown = told(hub, grant(), call("fast", session="s"))
    assert {a["target"]: a["share"] for a in shown["attempts"]} == {"openai/gpt-5-mini": 0.75, "openai/b": 0.25}
    prices = {a["target"]: a["price"] for a in shown["attempts"]}
    assert prices == {"openai/gpt-5-mini": {"input": "0.25", "output": "2"}, "openai/b": None}
    costs = {a["target"]: a["may_cost_usd"] for a in shown["attempts"]}
    assert costs == {"openai/gpt-5-mini": f"{(shown['tokens']['prompt'] * 0.25 + 200) / 1e6:.6f}", "openai/b": None}
    assert [drop["target"] for drop in shown["dropped"]] == ["openai/x"]
    assert shown["sticky"] == "session"
