"""Finding out which era a server speaks, and agreeing on a revision: asked anew for each connection."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from msgspec import DecodeError, Raw, Struct, field, json

from hub.core.nesting import is_deeper
from hub.core.refusal import UpstreamFailed
from hub.upstream.mcp.link import Greeting, Rejected
from hub.upstream.mcp.values import Era, RpcReply
from hub.upstream.mcp.wire import (
    CLIENT_INFO,
    HANDSHAKE,
    HANDSHAKE_VERSIONS,
    LATEST_HANDSHAKE,
    LATEST_MODERN,
    META,
    MODERN_VERSIONS,
    NO_CAPABILITIES,
    UNSUPPORTED_VERSION,
    Speech,
    parse_error,
)

MOST_INSTRUCTIONS = 16 << 10  # characters
MOST_SAID = 64 << 10  # bytes of what a server says of itself, and of what it can do
_MOST_DEPTH = 32
_INITIALIZE = b'{"protocolVersion":"%b","capabilities":%b,"clientInfo":%b}'

Ask = Callable[[str, bytes, Speech], Awaitable[RpcReply]]


class _Discovered(Struct, frozen=True, rename="camel"):
    supported_versions: list[str] = []
    capabilities: Raw = Raw(b"{}")
    instructions: str | None = None
    meta: dict[str, Raw] = field(name="_meta", default_factory=dict[str, Raw])


class _Initialized(Struct, frozen=True, rename="camel"):
    protocol_version: str
    capabilities: Raw = Raw(b"{}")
    server_info: Raw = Raw(b"{}")
    instructions: str | None = None


class _Supported(Struct, frozen=True):
    supported: list[str] = []


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What an answer says of the era: a greeting, another revision to ask for, or neither (the old era)."""

    greeting: Greeting | None = None
    version: str = ""


_OLD = _Verdict()


async def greet(ask: Ask, hush: float, *, shy: bool = False) -> Greeting:
    """Agree with a server on an era and a revision.

    A `shy` server is only asked for the old handshake: it died of the other question. Any other is asked the
    modern way first. Whatever is no sign of the modern era means the old handshake. So does silence for `hush`
    seconds, but then both questions stay open: a server that is slow to start answers the one that it
    understands. Raises UpstreamFailed when no revision is shared or nobody is there.
    """
    if shy:
        return await handshake_as(ask)
    probe = asyncio.create_task(_probe(ask, LATEST_MODERN))  # noqa: TID251 - ended below, whatever happens
    handshake: asyncio.Task[Greeting] | None = None
    try:
        await asyncio.wait((probe,), timeout=hush)
        if probe.done():
            return probe.result() or await handshake_as(ask)
        handshake = asyncio.create_task(handshake_as(ask))  # noqa: TID251 - ended below, whatever happens
        await asyncio.wait((probe, handshake), return_when=asyncio.FIRST_COMPLETED)
        found = _answer_of(probe) or _answer_of(handshake)
        if found is not None:
            return found
        return await handshake if probe.done() else (await probe or handshake.result())
    finally:
        for task in (probe, handshake):
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for task in (probe, handshake) if task), return_exceptions=True)


def _answer_of(task: asyncio.Task[Greeting] | asyncio.Task[Greeting | None]) -> Greeting | None:
    """What the task found; None when it is not through or has failed."""
    return task.result() if task.done() and task.exception() is None else None


async def _probe(ask: Ask, version: str) -> Greeting | None:
    """Ask the modern way, once more when the server names a modern revision, be it the same. None for the old era."""
    verdict = await _discover(ask, version)
    if verdict.version:
        verdict = await _discover(ask, verdict.version)
    return verdict.greeting


async def _discover(ask: Ask, version: str) -> _Verdict:
    speech = Speech(Era.MODERN, version)
    try:
        reply = await ask("server/discover", b"{}", speech)
    except Rejected:
        return _OLD
    if reply.result is None:
        return _shared(reply.error or b"")
    try:
        found = json.decode(reply.result, type=_Discovered)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return _OLD
    if version not in found.supported_versions:
        shared = [known for known in MODERN_VERSIONS if known in found.supported_versions]
        return _Verdict(version=shared[-1]) if shared else _OLD
    info = found.meta.get(f"{META}serverInfo", Raw(b"{}"))
    return _Verdict(Greeting(speech, _sound(info), _sound(found.capabilities), _bounded(found.instructions)))


def _shared(error: bytes) -> _Verdict:
    """What the refusal of a modern request says. Raises UpstreamFailed when it rules out both eras."""
    fault = parse_error(error)
    if fault.code != UNSUPPORTED_VERSION:
        return _OLD
    try:
        supported = json.decode(fault.data or b"{}", type=_Supported).supported
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return _OLD
    modern = [known for known in MODERN_VERSIONS if known in supported]
    if modern:
        return _Verdict(version=modern[-1])
    if supported and not any(known in HANDSHAKE_VERSIONS for known in supported):
        raise _foreign(", ".join(supported[:5]))
    return _OLD


async def handshake_as(ask: Ask, capabilities: bytes = NO_CAPABILITIES) -> Greeting:
    """Agree with a server of the old era, as a client with these capabilities. Raises UpstreamFailed."""
    params = _INITIALIZE % (LATEST_HANDSHAKE.encode(), capabilities, CLIENT_INFO)
    reply = await ask("initialize", params, HANDSHAKE)
    if reply.result is None:
        fault = parse_error(reply.error or b"")
        # A slow server may have locked itself to the modern era by the probe that it was thought to ignore.
        version = _shared(reply.error or b"").version
        greeting = await _probe(ask, version) if version else None
        if greeting is None:
            raise UpstreamFailed("upstream_error", f"it refuses to initialize: {fault.message or fault.code}")
        return greeting
    try:
        found = json.decode(reply.result, type=_Initialized)
    except (DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed("upstream_protocol", f"its answer to initialize is not one: {error}") from error
    if found.protocol_version not in HANDSHAKE_VERSIONS:
        raise _foreign(found.protocol_version)
    speech = Speech(Era.LEGACY, found.protocol_version)
    return Greeting(speech, _sound(found.server_info), _sound(found.capabilities), _bounded(found.instructions))


def _foreign(versions: str) -> UpstreamFailed:
    ours = f"{HANDSHAKE_VERSIONS[0]} to {MODERN_VERSIONS[-1]}"
    return UpstreamFailed("upstream_protocol", f"it speaks protocol {versions[:100]}, the hub speaks {ours}")


def _sound(raw: Raw) -> bytes:
    """An object that can be kept, shown and decoded by anybody; an empty one in place of anything else."""
    said = bytes(raw)
    if not said.startswith(b"{") or len(said) > MOST_SAID or is_deeper(said, _MOST_DEPTH):
        return b"{}"
    try:
        json.decode(said)
    except DecodeError:
        return b"{}"
    return said


def _bounded(text: str | None) -> str:
    return (text or "")[:MOST_INSTRUCTIONS]
