"""The files that a repository takes from a profile: configuration without keys, skills, rules and context for agents."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from hub.core.refusal import Malformed
from hub.install import catalogs
from hub.install.clients import Client, clients
from hub.install.documents import put
from hub.install.facts import Facts, render, render_path
from hub.install.listing import Listing, to_json
from hub.install.neutral import plain
from hub.install.paths import ABSENT

Merge = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Generated:
    """One file: `merge` makes the new text from what is there ("" for no file); `joins` if it keeps that."""

    path: str
    merge: Merge
    joins: bool = True


def facts_of(listing: Listing, name: str = "", key: str = "") -> Facts:
    """What templates are filled in with, for a listing."""
    return Facts(
        name=name or entry_name(listing.profile),
        profile=listing.profile,
        hub_url=listing.hub_url,
        title=plain(listing.title, 100),
        description=plain(listing.description, 200),
        key=key,
        needs_key=listing.needs_key,
    )


def entry_name(profile: str) -> str:
    """The name of a profile's entry in a client's file: letters, digits, - and _ only."""
    return profile.replace(".", "-")


def config(client: Client, facts: Facts, scope: str = "project") -> tuple[str, str] | None:
    """A client's configuration file by itself: its path and text; None when it has none in that scope."""
    template = client.file("tools", scope)
    if template is None:
        return None
    text = (
        yaml.safe_dump({n: render(v, facts) for n, v in template.start.items()}, sort_keys=False)
        if template.start
        else ""
    )
    return template.path["linux"][-1].replace("<name>", facts.name), _merged(template, text, facts)


def _merged(template: Any, text: str, facts: Facts) -> str:
    for edit in template.edits:
        at = render_path(edit.at, facts)
        value = render(edit.open if edit.open is not None and not facts.needs_key else edit.value, facts)
        if at is not None and value is not ABSENT:
            text = put(template.format, text, at, value)
    return text


def _config_file(client: Client, facts: Facts) -> Generated | None:
    made = config(client, facts)
    template = client.file("tools", "project")
    if made is None or template is None:
        return None
    path, alone = made
    return Generated(path, lambda text: _merged(template, text, facts) if text.strip() else alone)


def _whole(path: str, text: str) -> Generated:
    return Generated(path, lambda _: text, joins=False)


def _block(path: str, listing: Listing) -> Generated:
    block = catalogs.context_block(listing)
    return Generated(path, lambda text: catalogs.with_block(text, listing.profile, block))


def gemini_extension(listing: Listing, facts: Facts) -> str:
    """`gemini-extension.json`: the server, where the context is, and the key as a setting."""
    entry: dict[str, Any] = {"httpUrl": listing.url}
    settings: list[dict[str, Any]] = []
    if listing.needs_key:
        entry["headers"] = {"Authorization": "Bearer ${HUB_KEY}"}
        settings = [{"name": "Hub key", "description": "Key of the hub", "envVar": "HUB_KEY", "sensitive": True}]
    data = {
        "name": f"hub-{facts.name}",
        "version": listing.version,
        "description": f"{plain(listing.title, 100)}. {catalogs.note(listing)}",
        "mcpServers": {facts.name: entry},
        "contextFileName": "GEMINI.md",
    }
    return json.dumps({**data, **({"settings": settings} if settings else {})}, indent=2, ensure_ascii=False) + "\n"


def _configs(listing: Listing, *names: str) -> list[Generated]:
    facts = facts_of(listing)
    return [made for name in names if (made := _config_file(clients()[name], facts)) is not None]


def _claude(listing: Listing) -> list[Generated]:
    name = entry_name(listing.profile)
    skill = _whole(f".claude/skills/{name}/SKILL.md", catalogs.skill(listing))
    return [*_configs(listing, "claude-code"), skill, _block("CLAUDE.md", listing)]


def _cursor(listing: Listing) -> list[Generated]:
    rule = _whole(f".cursor/rules/hub-{entry_name(listing.profile)}.mdc", catalogs.cursor_rule(listing))
    return [*_configs(listing, "cursor"), rule]


def _vscode(listing: Listing) -> list[Generated]:
    name = entry_name(listing.profile)
    return [*_configs(listing, "vscode"), _whole(f".vscode/{name}.toolsets.jsonc", catalogs.toolsets(listing))]


def _codex(listing: Listing) -> list[Generated]:
    return [*_configs(listing, "codex"), _block("AGENTS.md", listing)]


def _gemini(listing: Listing) -> list[Generated]:
    facts = facts_of(listing)
    folder = f"gemini-extension/hub-{facts.name}"
    return [
        *_configs(listing, "gemini-cli"),
        _whole(f"{folder}/gemini-extension.json", gemini_extension(listing, facts)),
        _whole(f"{folder}/GEMINI.md", catalogs.context_block(listing) + "\n"),
    ]


def _json(listing: Listing) -> list[Generated]:
    text = json.dumps(to_json(listing), indent=2, ensure_ascii=False) + "\n"
    return [_whole(f"{entry_name(listing.profile)}.json", text)]


def _md(listing: Listing) -> list[Generated]:
    return [_whole(f"{entry_name(listing.profile)}.md", catalogs.page(listing))]


def _llms(listing: Listing) -> list[Generated]:
    return [_whole("llms.txt", catalogs.llms([listing], listing.hub_url))]


def _others(listing: Listing) -> list[Generated]:
    return _configs(listing, "opencode", "continue", "kiro")


FORMATS: Mapping[str, Callable[[Listing], list[Generated]]] = {
    "claude": _claude,
    "cursor": _cursor,
    "vscode": _vscode,
    "codex": _codex,
    "gemini": _gemini,
    "others": _others,
    "json": _json,
    "md": _md,
    "llms-txt": _llms,
}


def files(listing: Listing, format_: str = "") -> list[Generated]:
    """The files of one format; without one, all that a repository takes. Raises Malformed for an unknown format."""
    if not format_:
        chosen = ("claude", "cursor", "vscode", "codex", "gemini", "others")
        return [made for name in chosen for made in FORMATS[name](listing)]
    if format_ not in FORMATS:
        raise Malformed("malformed", f"There is no format '{format_[:40]}'. Formats: {', '.join(FORMATS)}.")
    return FORMATS[format_](listing)
