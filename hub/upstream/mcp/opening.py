"""From a server's spec to a link: secrets filled in, the process started or the address made. Nothing is said yet."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from hub.core.plan import Timeouts
from hub.core.refusal import UpstreamFailed
from hub.resources.tools import ServerSpec
from hub.upstream.mcp.http import Address, HttpLink
from hub.upstream.mcp.link import Ears, Link
from hub.upstream.mcp.parking import Parking
from hub.upstream.mcp.pids import MARK, Pids
from hub.upstream.mcp.process import Command, environment_of
from hub.upstream.mcp.sse import SseLink
from hub.upstream.mcp.stdio import StdioLink
from hub.upstream.mcp.values import Pace, Ports

_SHORTEST = 4  # characters: what is shorter would mask half of every text
_A_DAY = 86_400.0  # the transport's own clocks: those of each call end it before


@dataclass(frozen=True, slots=True)
class Means:
    """What all connections share: ports, the list of processes, the clocks, parked calls, numbers of requests."""

    ports: Ports
    pids: Pids
    pace: Pace
    parking: Parking
    numbers: Iterator[int]


class Mask:
    """Takes a server's own secrets out of text, and whatever else looks like one."""

    def __init__(self, redact: Callable[[str], str], secrets: tuple[str, ...] = ()) -> None:
        self._redact = redact
        self._secrets = tuple(sorted((s for s in secrets if len(s) >= _SHORTEST), key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """`text` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return self._redact(text)


async def open_link(name: str, spec: ServerSpec, means: Means, ears: Ears, *, old: bool = False) -> tuple[Link, Mask]:
    """A link to the server, and the mask for its secrets; `old` for one at a url that speaks HTTP+SSE.

    Raises Refusal: a secret is missing, it cannot start.
    """
    if spec.command is not None:
        return await _stdio(name, spec, means, ears)
    address, mask = await _address(spec, means)
    if not old:
        return HttpLink(means.numbers, ears, means.ports.transport, address), mask
    link = SseLink(means.numbers, ears, means.ports.transport, address)
    try:
        await link.open(spec.timeouts.connect)
    except BaseException:
        await link.close()
        raise
    return link, mask


async def _stdio(name: str, spec: ServerSpec, means: Means, ears: Ears) -> tuple[Link, Mask]:
    declared, secrets = await _filled(spec.env, means.ports)
    mark = means.pids.mark()
    environment = environment_of(means.ports.environment, {**declared, MARK: mark})
    link = StdioLink(means.numbers, ears, step=means.pace.stop)
    try:
        pid = await link.start(Command(tuple(spec.command or ()), environment, spec.cwd), means.pids.remove)
    except BaseException:
        means.pids.drop(mark)
        raise
    try:
        means.pids.add(name, pid, mark)
    except OSError as error:
        await link.close()
        raise UpstreamFailed("upstream_error", f"its process cannot be recorded: {error.strerror}") from error
    return link, Mask(means.ports.redact, secrets)


async def _address(spec: ServerSpec, means: Means) -> tuple[Address, Mask]:
    headers, secrets = await _filled(spec.headers, means.ports)
    url = spec.url or ""
    if spec.auth is not None and spec.auth.secret is not None:
        secret = await means.ports.resolve(spec.auth.secret)
        secrets = (*secrets, secret)
        if spec.auth.type == "bearer":
            headers["Authorization"] = f"Bearer {secret}"
        elif spec.auth.type == "query":
            mark = "&" if "?" in url else "?"
            url = f"{url}{mark}{spec.auth.parameter}={quote(secret, safe='')}"
        else:
            headers[spec.auth.header or ""] = secret
    clocks = Timeouts(connect=spec.timeouts.connect, first_byte=_A_DAY, idle=_A_DAY, total=_A_DAY)
    forward = tuple((name.lower().encode(), other or name) for name, other in spec.forward.items())
    address = Address(url, tuple(headers.items()), clocks, spec.allow_private, forward)
    return address, Mask(means.ports.redact, secrets)


async def _filled(values: Mapping[str, str], ports: Ports) -> tuple[dict[str, str], tuple[str, ...]]:
    """The values with secret references resolved, and those secrets. `file://` begins an address, no reference."""
    filled: dict[str, str] = {}
    secrets: list[str] = []
    for name, value in values.items():
        if value.startswith(("env:", "vault:", "file:")) and not value.startswith("file://"):
            value = await ports.resolve(value)
            secrets.append(value)
        filled[name] = value
    return filled, tuple(secrets)
