"""Plugin marketplaces as repositories: one plugin per profile, in the shape that each client installs from."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hub.core.refusal import NotFound
from hub.install import catalogs
from hub.install.bundle import entry_name
from hub.install.git_objects import Repository, repository
from hub.install.listing import Listing
from hub.install.neutral import markdown, plain

NAME = "hub"
SERVER = "hub"  # short, since a tool's name carries the plugin's and the server's
_ENTRY = Callable[[Listing], dict[str, Any]]


def _entry(listing: Listing, header: str) -> dict[str, Any]:
    headers = {"headers": {"Authorization": header}} if listing.needs_key else {}
    return {"type": "http", "url": listing.url, **headers}


def _token_entry(listing: Listing, header: str) -> dict[str, Any]:
    headers = {} if listing.security == "none" else {"headers": {"Authorization": header}}
    return {"type": "http", "url": listing.url, **headers}


def _codex(listing: Listing) -> dict[str, Any]:
    return {
        **_entry(listing, "Bearer ${HUB_KEY}"),
        **({"bearer_token_env_var": "HUB_KEY"} if listing.needs_key else {}),
    }


# How each client's plugin finds the key: asked at the installation, or taken from the environment.
KINDS: Mapping[str, _ENTRY] = {
    "claude": lambda listing: _entry(listing, "Bearer ${user_config.hub_token}"),
    # For people who sign in through the hub's gateway, which pushes them the token.
    "claude-gateway": lambda listing: _token_entry(listing, "Bearer ${HUB_MCP_TOKEN}"),
    "codex": _codex,
    "copilot": lambda listing: _entry(listing, "Bearer ${HUB_KEY}"),
    "vscode": lambda listing: _entry(listing, "Bearer ${env:HUB_KEY}"),
    "cursor": lambda listing: _entry(listing, "Bearer ${env:HUB_KEY}"),
}
# Where each client looks for what describes a marketplace, and (in the first) a plugin.
_FOLDERS: Mapping[str, Sequence[str]] = {
    **dict.fromkeys(KINDS, (".claude-plugin",)),
    **dict.fromkeys(("copilot", "vscode"), (".claude-plugin", ".github/plugin")),
    "cursor": (".cursor-plugin",),
}
_USER_CONFIG = {
    "hub_token": {
        "type": "string",
        "title": "Hub key",
        "description": "Your key of the hub. Make one on the hub's install page, or with 'hub key create'.",
        "sensitive": True,
        "required": True,
    }
}


# The plugin's own files are freely given; the tools behind it are their servers'.
LICENSE = b"""MIT No Attribution

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def _json(data: Any) -> bytes:
    return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()


def plugin(kind: str, listing: Listing) -> dict[str, bytes]:
    """The files of one profile's plugin, by path within it."""
    name = entry_name(listing.profile)
    about = plain(catalogs.when(listing), 500)
    manifest: dict[str, Any] = {
        "name": name,
        "version": listing.version,
        "description": about,
        "author": {"name": "hub"},
        "homepage": f"{listing.hub_url}/install/{listing.profile}",
        "license": "MIT-0",
        "keywords": ["mcp", "hub", name],
    }
    if kind in ("claude", "claude-gateway"):
        manifest |= {"displayName": plain(listing.title, 100)}
    if kind == "claude" and listing.needs_key:
        manifest |= {"userConfig": _USER_CONFIG}
    servers = _json({"mcpServers": {SERVER: KINDS[kind](listing)}})
    own = {"mcp.json": servers, f"rules/hub-{name}.mdc": catalogs.cursor_rule(listing).encode()}
    return {
        f"{_FOLDERS[kind][0]}/plugin.json": _json(manifest),
        **(own if kind == "cursor" else {".mcp.json": servers}),
        f"skills/{name}/SKILL.md": catalogs.skill(listing).encode(),
        f"commands/{name}-tools.md": _command(listing).encode(),
        "README.md": _readme(kind, listing).encode(),
        "LICENSE": LICENSE,
    }


def _command(listing: Listing) -> str:
    about = json.dumps(f"Show the tools of {plain(listing.title, 80)}, and which one fits the task", ensure_ascii=False)
    table = catalogs.tool_table(listing.tools)
    return f"---\ndescription: {about}\n---\n\nShow this table, then name the tools that fit: $ARGUMENTS\n\n{table}\n"


_HOW = {
    "claude": "claude plugin install {name} --marketplace {url} --config hub_token=YOUR_HUB_KEY",
    "claude-gateway": "Nothing to do: the hub at {url} pushes it to those who sign in with /login.",
    "codex": "codex plugin marketplace add {url} && codex plugin add {name}@hub",
    "copilot": "copilot plugin marketplace add {url} && copilot plugin install {name}@hub",
    "cursor": "Import a copy of {url} from GitHub as a team marketplace in Cursor's dashboard, then install {name}.",
    "vscode": 'Set "chat.plugins.marketplaces": ["{url}"], then install {name} from the Extensions view (@agentPlugins).',
}


def how(kind: str, listing: Listing) -> str:
    """The line that installs a profile's plugin."""
    return _HOW[kind].format(name=entry_name(listing.profile), url=f"{listing.hub_url}/marketplace/{kind}.git")


def _readme(kind: str, listing: Listing) -> str:
    key = (
        ""
        if kind in ("claude", "claude-gateway") or not listing.needs_key
        else "\n\nThe key is read from the variable HUB_KEY."
    )
    return (
        f"# {markdown(listing.title, 200)}\n\n{markdown(listing.description, 1000)}\n\n"
        f"{len(listing.tools)} tools from the hub at {listing.hub_url}.{key}\n\n"
        f"    {how(kind, listing)}\n\n{catalogs.note(listing)}\n"
    )


def files(kind: str, listings: Sequence[Listing]) -> dict[str, bytes]:
    """All files of a marketplace, by path. Raises NotFound for an unknown kind."""
    if kind not in KINDS:
        raise NotFound("not_found", f"There is no marketplace '{kind[:40]}'. Marketplaces: {', '.join(KINDS)}.")
    made: dict[str, bytes] = {}
    for listing in listings:
        name = entry_name(listing.profile)
        made |= {f"plugins/{name}/{path}": data for path, data in plugin(kind, listing).items()}
    index = _index(listings, lambda listing: f"./plugins/{entry_name(listing.profile)}")
    made |= {f"{folder}/marketplace.json": index for folder in _FOLDERS[kind]}
    made["README.md"] = (
        b"Made by the hub: one plugin for each profile that you may use. Do not edit; it is made anew.\n"
    )
    return made


def _index(listings: Sequence[Listing], source: Callable[[Listing], Any]) -> bytes:
    plugins = [
        {
            "name": entry_name(listing.profile),
            "source": source(listing),
            "description": plain(catalogs.when(listing), 500),
            "version": listing.version,
        }
        for listing in listings
    ]
    return _json(
        {
            "name": NAME,
            "description": "The profiles of this hub that you may use, each as a plugin.",
            "owner": {"name": "hub"},
            "plugins": plugins,
        }
    )


def index_by_url(kind: str, listings: Sequence[Listing]) -> bytes:
    """The `marketplace.json` for a client that is given its address alone: the plugins' files come from the repository.

    Raises NotFound for a kind whose client takes no such address.
    """
    if kind != "claude":
        raise NotFound("not_found", "Claude Code alone takes the address of a marketplace.json. Others: use the .git.")
    return _index(
        listings,
        lambda listing: {
            "source": "git-subdir",
            "url": f"{listing.hub_url}/marketplace/{kind}.git",
            "path": f"plugins/{entry_name(listing.profile)}",
        },
    )


def marketplace(kind: str, listings: Sequence[Listing]) -> Repository:
    """A marketplace as a repository. The commit moves when, and only when, a file does."""
    return repository(files(kind, listings), f"The profiles of this hub for {kind}")
