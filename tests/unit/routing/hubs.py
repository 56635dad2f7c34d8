"""Small snapshots for the tests of routing."""

import json

from hub.core.calls import Arrival, Dialect, ModelCall, Origin
from hub.core.principal import EVERYTHING, Access, Globs, Principal, Role
from hub.dialect import peek
from hub.resources import compile_snapshot, parse
from hub.resources.model_catalog import CatalogModel, ModelCatalog, Price
from hub.resources.snapshot import KeyGrant

CATALOGUE = ModelCatalog(
    [
        CatalogModel(
            "openai/gpt-5-mini",
            price=Price.from_usd_per_million(input="0.25", output="2"),
            context_window=400_000,
            max_output_tokens=128_000,
            capabilities=("tools", "vision"),
            input_modalities=("text", "image"),
            aliases=("gpt-5-mini-2025",),
            name="GPT-5 mini",
        ),
        CatalogModel("openai/gpt-image", mode="image"),
        CatalogModel(
            "anthropic/claude-haiku",
            price=Price.from_usd_per_million(input="1", output="5"),
            context_window=200_000,
            capabilities=("tools",),
        ),
    ]
)
PROVIDERS = {
    "openai": {"kind": "openai", "api_key": "env:OPENAI_API_KEY"},
    "anthropic": {"kind": "anthropic", "api_key": "env:ANTHROPIC_API_KEY"},
    "local": {
        "kind": "openai-compatible",
        "base_url": "http://127.0.0.1:1/v1",
        "allow_private": True,
        "models": ["qwen3", "x-*"],
    },
    "off": {"kind": "openai", "enabled": False},
}


def snapshot(**resources):
    resources = {"providers": PROVIDERS, **resources}
    specs = {kind: {n: parse(kind, n, raw) for n, raw in named.items()} for kind, named in resources.items()}
    return compile_snapshot(specs, secrets=(), catalogue=CATALOGUE, generation=3)


def principal(*models, role=None):
    access = Access(models=Globs(models) if models else EVERYTHING)
    return Principal("key:ci", "key", key="ci", roles={"": role} if role else {}, access=(access,))


def grant(*models, routes=(), role=None):
    return KeyGrant("ci", principal(*models, role=role), routes=tuple(routes))


ADMIN = Role.ADMIN


def call(model, dialect=Dialect.OPENAI_CHAT, session="", route=""):
    return ModelCall("id", dialect, model, False, b"{}", Origin("r", session=session), route=route)


def said(model="fast", headers=(), tags=(), session="", credential=None, route="", **body):
    """A call with a real body, headers as a mapping."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], **body}
    raw = json.dumps(body).encode()
    seen = peek(Dialect.OPENAI_CHAT, raw)
    pairs = [(name.encode(), value.encode()) for name, value in dict(headers).items()]
    return ModelCall(
        "id", Dialect.OPENAI_CHAT, model, seen.stream, raw, Origin("r", session, tuple(dict(tags).items())),
        max_output=seen.max_output, route=route, credential=credential, arrival=Arrival(headers=pairs), places=seen.places,
    )  # fmt: skip


def target(model, priority=0, weight=1):
    return {"model": model, "priority": priority, "weight": weight}
