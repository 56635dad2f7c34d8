"""How each client is set up, as cards of a page: commands, links, the file with its text, warnings, and the way back."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from hub.install.bundle import config, facts_of
from hub.install.clients import Client, clients
from hub.install.facts import Facts, render_link
from hub.install.listing import Listing, warnings
from hub.install.marketplace import how

_MOST_WARNINGS = 4
_PLUGINS: Mapping[str, str] = {"claude-code": "claude", "codex": "codex", "copilot-cli": "copilot", "vscode": "vscode"}
_NOT_HERE = (
    "ChatGPT, claude.ai, the connectors of Claude Desktop and Cursor's own models call a hub from the internet, "
    "so they cannot reach one at this address."
)
_PLACE = "YOUR_HUB_KEY"


@dataclass(frozen=True, slots=True)
class Card:
    """One client. `file` is where its configuration lies on the reader's system, `text` what is written there."""

    name: str
    title: str
    vendor: str
    command: str
    natives: tuple[str, ...]
    plugin: str
    links: tuple[tuple[str, str], ...]
    file: str
    text: str
    project: tuple[str, str] | None
    after: str
    warnings: tuple[str, ...]

    @property
    def undo(self) -> str:
        """The command that takes it away."""
        return f"hub uninstall {self.name}"


def is_loopback(url: str) -> bool:
    """Whether only this machine reaches an address."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def cards(listing: Listing, platform: str, key: str = "", token: str = "") -> list[Card]:
    """A card for each client. `key` is shown where it belongs; without one stands its place.

    `token` is a catalogue token, for the address of a marketplace.
    """
    return [_card(one, listing, platform, key, token) for one in clients().values()]


def general_warnings(listing: Listing) -> list[str]:
    """What holds for every client."""
    found: list[str] = []
    if is_loopback(listing.hub_url):
        found.append(f"This hub is at {listing.hub_url}: only programs on the same machine reach it. {_NOT_HERE}")
    elif listing.hub_url.startswith("http://"):
        found.append(
            "This hub is reached without TLS, so keys travel in the open, and some clients refuse it. Put it behind https."
        )
    return found


def _card(client: Client, listing: Listing, platform: str, key: str, token: str) -> Card:
    facts = facts_of(listing, key=(key or _PLACE) if listing.needs_key else "")
    template = client.file("tools", "user")
    own = config(client, facts, "user")
    assert own is not None
    assert template is not None
    cautions = [f"{c.tool}: {c.message}" if c.tool else c.message for c in warnings(listing, [client])]
    return Card(
        name=client.name,
        title=client.title,
        vendor=client.vendor,
        command=f"hub install {client.name} --profile {listing.profile} --url {listing.hub_url}",
        natives=tuple(_native(command, facts, key) for command in client.commands),
        plugin=_plugin(client, listing, key, token),
        links=tuple(
            (link.title, render_link(link.url, link.config, facts))
            for link in client.links
            if not (link.open_only and listing.needs_key)
        ),
        file=template.path[platform][-1].replace("<name>", facts.name),
        text=own[1],
        project=config(client, facts, "project"),
        after=client.after,
        warnings=(*client.warnings, *cautions[:_MOST_WARNINGS]),
    )


def _native(command: str, facts: Facts, key: str) -> str:
    text = command.replace("<name>", facts.name).replace("<mcp_url>", facts.mcp_url)
    if not facts.needs_key:
        for option in (' --header "Authorization: Bearer $HUB_KEY"', " --bearer-token-env-var HUB_KEY"):
            text = text.replace(option, "")
        return text
    return text.replace("$HUB_KEY", key) if key else text


def _plugin(client: Client, listing: Listing, key: str, token: str) -> str:
    kind = _PLUGINS.get(client.name)
    if kind is None:
        return ""
    line = how(kind, listing)
    if token:
        line = line.replace("://", f"://x:{token}@", 1)
    if not listing.needs_key:
        return line.replace(" --config hub_token=YOUR_HUB_KEY", "")
    return line.replace(_PLACE, key) if key else line
