"""A pool of servers for tests: with a real transport, quick clocks, and everything else in memory."""

import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hub.core.refusal import NotFound
from hub.resources.model_catalog import ModelCatalog
from hub.resources.snapshot import Snapshot
from hub.resources.tools import ServerSpec
from hub.upstream import CallerContext, Pace, Ports, RpcReply, Servers, ServerState, Transport
from tests.support.upstream import until

QUICK = Pace(first_delay=0.05, ceiling=0.2, patience=0.5, steady=5.0, settle=0.0, relook=0.0, hush=0.5, stop=0.3)


class Kept:
    """The port for what outlives the process, in memory."""

    def __init__(self, rows: Mapping[str, bytes] = {}) -> None:
        self.rows = dict(rows)

    async def load(self) -> dict[str, bytes]:
        return self.rows

    async def save(self, server: str, data: bytes) -> None:
        self.rows[server] = data


def spec_of(given: Mapping[str, Any]) -> ServerSpec:
    """A server's spec from its fields; loopback is allowed where there is a url."""
    allowed = {"allow_private": True} if "url" in given else {}
    return ServerSpec.model_validate({**allowed, **given})


def snapshot_of(servers: Mapping[str, Mapping[str, Any]]) -> Snapshot:
    """A snapshot with these servers and nothing else."""
    specs = {name: spec_of(given) for name, given in servers.items()}
    return Snapshot(generation=1, digest="test", catalogue=ModelCatalog({}), servers=specs)


@contextlib.asynccontextmanager
async def pool(
    folder: Path, servers: Mapping[str, Mapping[str, Any]], pace: Pace = QUICK, **ports: Any
) -> AsyncIterator[Servers]:
    """A pool of `servers`. `secrets=` are values by reference; other keywords are those of Ports."""
    secrets: Mapping[str, str] = ports.pop("secrets", {})

    async def resolve(reference: str) -> str:
        if reference not in secrets:
            raise NotFound("not_found", f"there is no secret {reference}")
        return secrets[reference]

    async with Transport() as transport:
        given = Ports(transport, resolve, Kept(), folder, dict(os.environ))
        async with Servers(replace(given, **ports), pace) as opened:
            opened.reconfigure(snapshot_of(servers))
            yield opened


async def in_state(servers: Servers, name: str, state: ServerState, seconds: float = 10.0) -> None:
    """Return when the server is in this state."""
    await until(lambda: servers.definitions(name).state is state, seconds)


async def ready(servers: Servers, *names: str) -> None:
    """Return when all of them are ready."""
    for name in names:
        await in_state(servers, name, ServerState.READY)


async def call(
    servers: Servers, server: str, tool: str, arguments: Mapping[str, Any] = {}, *, meta: Any = None, **caller: Any
) -> RpcReply:
    """Call a tool; keywords are those of CallerContext, and `within=` seconds."""
    if "within" in caller:
        caller["deadline"] = time.monotonic() + caller.pop("within")
    params = {"name": tool, "arguments": dict(arguments)} | ({"_meta": meta} if meta else {})
    caller["meta"] = json.dumps(meta or {}).encode()
    return await servers.request(server, "tools/call", json.dumps(params).encode(), caller=CallerContext(**caller))


def text(reply: RpcReply) -> str:
    """The text of a tool's result."""
    assert reply.result is not None, reply.error
    return json.loads(reply.result)["content"][0]["text"]


def alive(pid: int) -> bool:
    """Whether a process of this number runs: is there, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
