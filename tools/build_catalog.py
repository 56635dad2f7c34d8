r"""Build hub/resources/data/catalog.json from two published, MIT-licensed sets of facts about models.

A developer's tool, never run by the hub. Prices come from the `genai-prices` package where it knows the
model, else from the JSON of prices and capabilities inside a litellm wheel; context, limits, modalities,
capabilities and deprecation dates come from that JSON. To make the file anew, in a throw-away environment:

    python -m venv /somewhere/new && /somewhere/new/bin/pip install genai-prices
    pip download --no-deps litellm && unzip litellm-*.whl 'litellm/model_prices_and_context_window_backup.json'
    /somewhere/new/bin/python tools/build_catalog.py litellm/model_prices_and_context_window_backup.json \
        --litellm-version 1.110.2 --as-of 2026-11-24 --out hub/resources/data/catalog.json

The output is sorted and depends on nothing but its inputs, so a refresh is a diff that can be reviewed.
"""

import argparse
import importlib.metadata
import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from math import prod
from pathlib import Path
from typing import Any

from genai_prices import data as genai

# Our provider -> (litellm_provider, prefix of its ids, provider id in genai-prices).
PROVIDERS = {
    "anthropic": ("anthropic", "", "anthropic"),
    "bedrock": ("bedrock_converse", "", None),
    "cerebras": ("cerebras", "cerebras/", "cerebras"),
    "deepinfra": ("deepinfra", "deepinfra/", None),
    "deepseek": ("deepseek", "deepseek/", "deepseek"),
    "fireworks": ("fireworks_ai", "fireworks_ai/", "fireworks"),
    "gemini": ("gemini", "gemini/", "google"),
    "groq": ("groq", "groq/", "groq"),
    "mistral": ("mistral", "mistral/", "mistral"),
    "openai": ("openai", "", "openai"),
    "openrouter": ("openrouter", "openrouter/", "openrouter"),
    "together": ("together_ai", "together_ai/", "together"),
    "vertex": ("vertex_ai-language-models vertex_ai-anthropic_models vertex_ai", "vertex_ai/", None),
    "xai": ("xai", "xai/", "x-ai"),
}
# Providers whose models are called by one name, and are no models where it has parts; and whose prefix may be missing.
WHOLE = ("openai", "anthropic", "bedrock", "vertex")
UNPREFIXED = ("vertex",)
# Models that search the web in every call, and never say how often: what a call costs cannot be worked out.
UNTOLD = re.compile(r"^gpt-.*-search-(preview|api)")
# Of Fireworks' that draw, the price is for a picture or a step, whatever the JSON calls it.
DRAWING = re.compile(r"/flux-")
CONVERSATIONS = ("bedrock", "vertex")  # of which the hub speaks nothing else
# What it costs more where a provider computes in a place of the customer's choosing: our place -> field of the JSON.
UPLIFTS = {
    "eu": "regional_processing_uplift_multiplier_eu",
    "us": "regional_processing_uplift_multiplier_us",
    "*": "regional_endpoint_uplift_multiplier",
}
MODES = {
    "chat", "responses", "completion", "embedding", "image_generation", "audio_speech", "audio_transcription",
    "moderation", "rerank",
}  # fmt: skip
# Fields of the JSON -> names of capabilities
CAPABILITIES = {
    "supports_assistant_prefill": "assistant_prefill",
    "supports_code_execution": "code_execution",
    "supports_computer_use": "computer_use",
    "supports_embedding_image_input": "embedding_image_input",
    "supports_function_calling": "tools",
    "supports_native_streaming": "native_streaming",
    "supports_parallel_function_calling": "parallel_tools",
    "supports_pdf_input": "pdf_support",
    "supports_prompt_caching": "prompt_caching",
    "supports_reasoning": "reasoning",
    "supports_response_schema": "structured_outputs",
    "supports_system_messages": "system_messages",
    "supports_tool_choice": "tool_choice",
    "supports_url_context": "url_context",
    "supports_vision": "vision",
    "supports_web_search": "web_search",
}
# Our bucket -> (field of the JSON, field of genai-prices)
BUCKETS = {
    "input": ("input_cost_per_token", "input_mtok"),
    "output": ("output_cost_per_token", "output_mtok"),
    "cache_read": ("cache_read_input_token_cost", "cache_read_mtok"),
    "cache_write_5m": ("cache_creation_input_token_cost", "cache_write_mtok"),
    "cache_write_1h": ("cache_creation_input_token_cost_above_1hr", None),
    "audio_in": ("input_cost_per_audio_token", "input_audio_mtok"),
    "audio_out": ("output_cost_per_audio_token", "output_audio_mtok"),
    "image": ("output_cost_per_image_token", None),
    "image_in": ("input_cost_per_image_token", None),
}
# What genai-prices does not tell of a model that it knows, and the JSON does.
FROM_JSON = ("cache_write_1h", "audio_in", "audio_out", "image", "image_in")
# Service tiers, by the ending of their fields in the JSON. Their rates are absolute, never multiplied.
TIERS = {"batch": "_batches", "flex": "_flex", "priority": "_priority", "ultrafast": "_ultrafast"}
# Modes that cost a published multiple of all the usual rates of tokens, by what the JSON calls them; and both at once.
MODES_OF = {"anthropic": {"fast": ("fast",), "geo-us": ("us",), "fast geo-us": ("fast", "us")}}
THRESHOLDS = {"100k": 100_000, "128k": 128_000, "200k": 200_000, "256k": 256_000, "272k": 272_000, "512k": 512_000}
_SIX_PLACES = Decimal("0.000001")


def text_of(amount: Decimal) -> str | None:
    """USD per million tokens as a plain decimal string, or None when it needs more than six places."""
    rounded = amount.quantize(_SIX_PLACES)
    if abs(rounded - amount) > Decimal("1e-9"):
        return None
    plain = format(rounded.normalize(), "f")
    return "0" if plain in ("0", "-0") else plain


def from_json(facts: dict[str, Any], suffix: str = "") -> dict[str, str]:
    """The rates of one model of the JSON; `suffix` names a context tier."""
    prices: dict[str, str] = {}
    for bucket, (field, _) in BUCKETS.items():
        value = facts.get(f"{field}{suffix}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            amount = text_of(Decimal(repr(value)) * 1_000_000)
            if amount is not None:
                prices[bucket] = amount
    return prices


def from_genai(model: Any, now: datetime) -> tuple[dict[str, str], dict[str, str], int]:
    """The rates of one model of genai-prices: base rates, those above a threshold, and the threshold."""
    price = model.get_prices(now)
    base: dict[str, str] = {}
    above: dict[str, str] = {}
    threshold = 0
    for bucket, (_, field) in BUCKETS.items():
        value = getattr(price, field, None) if field else None
        if value is None:
            continue
        if isinstance(value, Decimal):
            first, tiers = value, []
        else:
            first, tiers = value.base, value.tiers
        amount = text_of(first)
        if amount is None:
            continue
        base[bucket] = amount
        if tiers:
            over = text_of(tiers[0].price)
            if over is not None:
                above[bucket] = over
                threshold = tiers[0].start
    if above:
        above = {**base, **above}
    return base, above, threshold


def tier_of(facts: dict[str, Any], ending: str = "") -> tuple[dict[str, str], int]:
    """The long-context rates of one model of the JSON, and the threshold; `ending` names a service tier."""
    for name, threshold in THRESHOLDS.items():
        above = from_json(facts, f"_above_{name}_tokens{ending}")
        if above:
            return above, threshold
    return {}, 0


def service_tiers(facts: dict[str, Any]) -> dict[str, Any]:
    """The rates of each service tier of one model of the JSON, with those for a long context."""
    found: dict[str, Any] = {}
    for tier, ending in TIERS.items():
        base = from_json(facts, ending)
        if "input" not in base:
            continue
        above, threshold = tier_of(facts, ending)
        found[tier] = {"prices": base}
        if above:
            found[tier] |= {"above": {**base, **above}, "threshold": threshold}
    return found


def modes(provider: str, facts: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """The prices of each mode of a model that has them, worked out so that the hub multiplies nothing."""
    factors = facts.get("provider_specific_entry") or {}
    found: dict[str, Any] = {}
    for mode, names in MODES_OF.get(provider, {}).items():
        if all(name in factors for name in names):
            factor = prod((Decimal(str(factors[name])) for name in names), start=Decimal(1))
            found[mode] = {name: multiplied(given, factor) for name, given in usual.items() if given}
    return found


def multiplied(given: dict[str, str] | int, factor: Decimal) -> dict[str, str] | int:
    """Rates times a factor; a threshold as it is."""
    if isinstance(given, int):
        return given
    rates = {bucket: text_of(Decimal(rate) * factor) for bucket, rate in given.items()}
    return {bucket: rate for bucket, rate in rates.items() if rate is not None}


def searches(facts: dict[str, Any]) -> str | None:
    """USD for a thousand web searches of medium size."""
    sizes = facts.get("search_context_cost_per_query")
    value = sizes.get("search_context_size_medium") if isinstance(sizes, dict) else None
    return text_of(Decimal(repr(value)) * 1000) if isinstance(value, int | float) and value else None


def known_to_genai(provider: str | None, name: str) -> Any:
    """The model of genai-prices that matches a name, or None."""
    for candidate in genai.providers:
        if candidate.id == provider:
            return next((model for model in candidate.models if model.is_match(name)), None)
    return None


def record_of(provider: str, name: str, facts: dict[str, Any], now: datetime) -> dict[str, Any]:
    """One record of the catalogue; what is not known is left out."""
    base, (above, threshold) = from_json(facts), tier_of(facts)
    match = known_to_genai(PROVIDERS[provider][2], name)
    if match is not None:
        new_base, new_above, new_threshold = from_genai(match, now)
        if new_base:
            rest = {bucket: base[bucket] for bucket in FROM_JSON if bucket in base}
            base, above, threshold = {**rest, **new_base}, new_above, new_threshold
    elif above:
        above = {**base, **above}
    if provider == "openai" and UNTOLD.match(name):
        base, above, facts = {}, {}, {"mode": facts["mode"], **{k: v for k, v in facts.items() if "cost" not in k}}
    if provider == "fireworks" and (facts["mode"] == "image_generation" or DRAWING.search(name)):
        base, above = {}, {}
    record: dict[str, Any] = {
        "id": f"{provider}/{name}",
        "mode": facts.get("mode", "chat"),
        "prices": base,
        "above": above,
        "threshold": threshold,
        "tiers": service_tiers(facts),
        "searches": searches(facts),
        "uplifts": {place: str(facts[field]) for place, field in UPLIFTS.items() if facts.get(field)},
        "context": facts.get("max_input_tokens") or facts.get("max_tokens") or getattr(match, "context_window", None),
        "max_output": facts.get("max_output_tokens"),
        "input": facts.get("supported_modalities") or (["text", "image"] if facts.get("supports_vision") else ["text"]),
        "output": facts.get("supported_output_modalities") or ["text"],
        "capabilities": sorted(ours for theirs, ours in CAPABILITIES.items() if facts.get(theirs) is True),
        "deprecated": facts.get("deprecation_date", ""),
        "successor": facts.get("successor_model", ""),
        "source": (facts.get("source") or "")[:200],
        "name": getattr(match, "name", "") or "",
    }
    if base:
        usual = {"prices": base, "above": above, "threshold": threshold if above else 0}
        record["tiers"] |= modes(provider, facts, usual)
    defaults = {"mode": "chat", "input": ["text"], "output": ["text"]}
    return {k: v for k, v in record.items() if v not in (None, "", [], {}, 0) and defaults.get(k) != v}


def whole_number(value: Any) -> int | None:
    """A count from the JSON, which sometimes holds it as text or as a float."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def build(facts_by_id: dict[str, Any], now: datetime) -> list[dict[str, Any]]:
    """All records of the providers that the hub knows, sorted by id."""
    records: dict[str, dict[str, Any]] = {}
    for provider, (theirs, prefix, _) in PROVIDERS.items():
        for identifier, facts in facts_by_id.items():
            if facts.get("litellm_provider") not in theirs.split() or facts.get("mode") not in MODES:
                continue
            if not identifier.startswith(prefix) and provider not in UNPREFIXED:
                continue
            name = identifier.removeprefix(prefix)
            if "/" in name and provider in WHOLE:
                continue  # sizes of images and the like, not models
            if f"{provider}/{name}" in records and not identifier.startswith(prefix):
                continue
            if provider in CONVERSATIONS and facts["mode"] != "chat":
                continue
            # Pictures in a conversation cost what its text does; only image endpoints count them apart.
            apart = "input_cost_per_image_token" if facts["mode"] != "image_generation" else None
            cleaned = {field: fact for field, fact in facts.items() if not apart or not field.startswith(apart)}
            for field in ("max_input_tokens", "max_tokens", "max_output_tokens"):
                cleaned[field] = whole_number(facts.get(field))
            records[f"{provider}/{name}"] = record_of(provider, name, cleaned, now)
    return [records[identifier] for identifier in sorted(records)]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("facts", type=Path)
    parser.add_argument("--litellm-version", required=True)
    parser.add_argument("--as-of", required=True, help="YYYY-MM-DD")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    now = datetime.fromisoformat(arguments.as_of).replace(tzinfo=UTC)
    models = build(json.loads(arguments.facts.read_text()), now)
    sources = [
        f"genai-prices {importlib.metadata.version('genai-prices')}",
        f"litellm {arguments.litellm_version} (JSON)",
    ]
    head = json.dumps({"sources": sources, "as_of": arguments.as_of})[:-1]
    lines = ",\n".join(json.dumps(model, separators=(",", ":"), ensure_ascii=False) for model in models)
    arguments.out.write_text(f'{head}, "models": [\n{lines}\n]}}\n', encoding="utf-8")
    print(f"{len(models)} models, {sum('prices' in model for model in models)} of them priced")


if __name__ == "__main__":
    main()
