"""What a template is filled in with: the profile, the address, the key, and the models that the key may call."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hub.install.paths import ABSENT, Step

_PLACEHOLDER = re.compile(r"<([a-z_]+(?:\.[a-z_]+)?)((?:\|[a-z0-9]+)*)>")
_OF_THE_KEY = ("<key>", "HUB_KEY", "hub_key")
_UNKNOWN_CONTEXT = 128_000
_UNKNOWN_OUTPUT = 8_192


@dataclass(frozen=True, slots=True)
class Model:
    """A model as `/v1/models` tells of it; None is unknown."""

    id: str
    title: str = ""
    context: int | None = None
    output: int | None = None
    abilities: tuple[str, ...] = ()
    images: bool = False
    price: float | None = None
    targets: tuple[str, ...] = ()

    @property
    def is_claude(self) -> bool:
        """Whether a Claude model answers, so that Claude Code's own wire features go through."""
        return any("claude" in name for name in (self.id, *self.targets))

    def words(self) -> dict[str, Any]:
        """What templates may say of it."""
        limit = {"context": self.context, "output": self.output} if self.context and self.output else None
        return {
            "model.id": self.id,
            "model.title": self.title or self.id,
            "model.context": self.context,
            "model.context_or_default": self.context or _UNKNOWN_CONTEXT,
            "model.output": self.output,
            "model.answer": self.answer,
            "model.limit": limit,
            "model.tools": self.calls_tools,
            "model.vision": self.images,
            "model.abilities": self.continue_abilities,
        }

    @property
    def calls_tools(self) -> bool:
        """Whether it calls tools, as far as is known: clients hide from agents what is said to call none."""
        return "tools" in self.abilities or not self.abilities

    @property
    def answer(self) -> int:
        """Tokens that an answer may take of the window, for clients that keep the rest for the question.

        Many a model may answer with all of its window, which would leave them nothing to ask with.
        """
        context, output = self.context or _UNKNOWN_CONTEXT, self.output or _UNKNOWN_OUTPUT
        return output if output * 2 <= context else context // 4

    @property
    def continue_abilities(self) -> list[str] | None:
        """The words that Continue has for tools and images."""
        words = [
            *(["tool_use"] if self.calls_tools else []),
            *(["image_input"] if self.images else []),
        ]
        return words or None


def model_of(item: Mapping[str, Any]) -> Model:
    """A model from its entry in the hub's list."""
    price = (item.get("price") or {}).get("input")
    return Model(
        id=str(item["id"]),
        title=str(item.get("display_name") or ""),
        context=item.get("context_window"),
        output=item.get("max_output_tokens"),
        abilities=tuple(item.get("capabilities") or ()),
        images="image" in ((item.get("modalities") or {}).get("input") or ()),
        price=float(price) if price is not None else None,
        targets=tuple(item.get("targets") or ()),
    )


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that a template may mention. `key` is "" where the profile asks for none."""

    name: str
    profile: str
    hub_url: str
    title: str = ""
    description: str = ""
    key: str = ""
    needs_key: bool = True
    models: tuple[Model, ...] = field(default=())
    wanted: str = ""

    @property
    def mcp_url(self) -> str:
        """The profile's address."""
        return f"{self.hub_url}/mcp/{self.profile}"

    def words(self) -> dict[str, Any]:
        """The placeholders with their values; None leaves out what mentions it."""
        own = {
            "name": self.name, "profile": self.profile, "title": self.title or self.profile, "hub_url": self.hub_url,
            "description": self.description or self.title or self.profile, "mcp_url": self.mcp_url, "server": self.profile,
            "key": self.key or None,
        }  # fmt: skip
        return {**own, **choices(self.models, self.wanted)}


def choices(models: Sequence[Model], wanted: str) -> dict[str, Any]:
    """Which model does what in clients that have several jobs for one: the main one, the small one behind the scenes."""
    if not models:
        return dict.fromkeys(_CHOICES)
    found = {model.id: model for model in models}
    plain = sorted(models, key=lambda model: ("tools" not in model.abilities, "/" in model.id))
    main = found.get(wanted) or plain[0]
    priced = [model for model in plain if model.price is not None]
    small = min(priced, key=lambda model: (model.price or 0.0, model.id), default=main)

    def family(word: str, otherwise: Model) -> str:
        return next((model.id for model in plain if f"claude-{word}" in model.id), otherwise.id)

    has_claude = any("claude" in model.id for model in models)
    return {
        "main_model": main.id,
        "claude_model": main.id if wanted or not has_claude else None,
        "opus_model": family("opus", main),
        "sonnet_model": family("sonnet", main),
        "small_model": family("haiku", small),
        "custom_model": main.id if "claude" not in main.id else None,
        "tool_search": None if main.is_claude else "false",
    }


_CHOICES = ("main_model", "claude_model", "opus_model", "sonnet_model", "small_model", "custom_model", "tool_search")
_FILTERS = {
    "url": lambda text: quote(text, safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "json": lambda text: text,
}


def render(template: Any, facts: Facts) -> Any:
    """A template with its placeholders filled in; ABSENT where nothing is left of it.

    A member or item that mentions what is not known is left out; where the profile needs no key, so is
    whatever mentions a key.
    """
    return _render(template, facts.words(), facts)


def _render(template: Any, words: Mapping[str, Any], facts: Facts) -> Any:
    if isinstance(template, str):
        return _text(template, words, facts)
    if isinstance(template, Mapping):
        if "each" in template:
            return _repeated(template, words, facts)
        members = {name: _render(value, words, facts) for name, value in template.items()}
        kept = {name: value for name, value in members.items() if value is not ABSENT}
        return kept if kept or not template else ABSENT
    if isinstance(template, list):
        items = [_render(item, words, facts) for item in template if not _is_about_key(item, facts)]
        kept_items = [item for item in items if item is not ABSENT]
        return kept_items if kept_items or not template else ABSENT
    return template


def _is_about_key(item: Any, facts: Facts) -> bool:
    values = item.values() if isinstance(item, Mapping) else [item]
    return not facts.needs_key and any(isinstance(v, str) and any(w in v for w in _OF_THE_KEY) for v in values)


def _repeated(template: Mapping[str, Any], words: Mapping[str, Any], facts: Facts) -> Any:
    rows = [{**words, **model.words()} for model in facts.models]
    values = [_render(template["value"], row, facts) for row in rows]
    if not values:
        return ABSENT
    if template["as"] == "list":
        return values
    return {_text(template["key"], row, facts): value for row, value in zip(rows, values, strict=True)}


def _text(template: str, words: Mapping[str, Any], facts: Facts) -> Any:
    if not facts.needs_key and any(word in template for word in _OF_THE_KEY):
        return ABSENT
    whole = _PLACEHOLDER.fullmatch(template)
    if whole and not whole.group(2):
        value = words[whole.group(1)]
        return ABSENT if value is None else value
    missing = False

    def fill(match: re.Match[str]) -> str:
        nonlocal missing
        value = words[match.group(1)]
        missing = missing or value is None
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        for name in filter(None, match.group(2).split("|")):
            text = _FILTERS[name](text)
        return text

    filled = _PLACEHOLDER.sub(fill, template)
    return ABSENT if missing else filled


def render_path(path: Sequence[Step], facts: Facts, model: Model | None = None) -> tuple[Step, ...] | None:
    """The place of an edit; None when it is about a key and the profile needs none."""
    words = {**facts.words(), **(model.words() if model else {})}
    steps: list[Step] = []
    for step in path:
        if _is_about_key(step, facts):
            return None
        if isinstance(step, str):
            steps.append(str(_text(step, words, facts)))
        else:
            steps.append({name: str(_text(value, words, facts)) for name, value in step.items()})
    return tuple(steps)


def render_link(url: str, config: Any, facts: Facts) -> str:
    """A deep link: its configuration rendered, then written into the address."""
    rendered = render(config, facts) if config is not None else None
    return str(_text(url, {**facts.words(), "config": rendered}, facts))


def render_for(template: Any, facts: Facts, model: Model | None) -> Any:
    """Like `render`, for one model."""
    return _render(template, {**facts.words(), **(model.words() if model else {})}, facts)
