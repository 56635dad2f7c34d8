"""What each client makes of a tool's name, and how much of it is left for ours."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

MAX_NAME = 64  # of the whole name, as a model is given it
MOST_KEY = 20


@dataclass(frozen=True, slots=True)
class Client:
    """A client: how it names a tool to the model ({key} is the profile's `client_key`), and its limits."""

    name: str
    pattern: str
    most: int = MAX_NAME
    most_tools: int | None = None


# The names come from each client's own configuration, but VS Code's, which come from `serverInfo.name`.
CLIENTS: Mapping[str, Client] = {
    "claude": Client("Claude Code", "mcp__{key}__{tool}"),
    "claude-plugin": Client("Claude Code, as a plugin", "mcp__plugin_{key}_hub__{tool}"),
    "codex": Client("Codex", "mcp__{key}__{tool}"),
    "cursor": Client("Cursor", "{key}:{tool}", most=60),
    "vscode": Client("VS Code", "mcp_{key}_{tool}", most_tools=128),
    "gemini": Client("Gemini CLI", "mcp_{key}_{tool}"),
    "opencode": Client("opencode", "{key}_{tool}"),
    "plain": Client("others", "{tool}"),
}


def client_key(profile: str) -> str:
    """What a profile is called in a client's configuration and in `serverInfo`: short, plain, its own."""
    plain = profile.replace(".", "-")
    if plain == profile and len(plain) <= MOST_KEY:
        return profile
    tail = hashlib.sha256(profile.encode()).hexdigest()[:4]
    return f"{plain[: MOST_KEY - 5].rstrip('-_')}-{tail}"


def client_name(client: str, profile: str, tool: str) -> str:
    """What the model of a client calls a profile's tool."""
    return CLIENTS[client].pattern.format(key=client_key(profile), tool=tool)


def client_names(profile: str, tool: str) -> dict[str, str]:
    """The name of a tool in each client."""
    return {client: client_name(client, profile, tool) for client in CLIENTS}


def budget(profile: str) -> int:
    """How long a tool's name may be so that every client that is pointed at the profile takes it."""
    return min(
        row.most - len(client_name(name, profile, "")) for name, row in CLIENTS.items() if name != "claude-plugin"
    )


def shortest_budget(profile: str) -> int:
    """How long a shortened name is: a plugin's longer prefix is left room too."""
    return min(row.most - len(client_name(name, profile, "")) for name, row in CLIENTS.items())
