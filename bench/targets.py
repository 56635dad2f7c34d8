"""What is measured: the mock upstream itself, nginx in front of it, the hub in front of it, and any other program."""

import os
import secrets
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml

from bench.processes import Program, free_port, running
from bench.traffic import Door

HERE = Path(__file__).parent
HUB = f"{shlex.quote(sys.executable)} -m hub serve --host 127.0.0.1 --port {{port}} --data {{data}} --apply {{config}}"
NONE: Mapping[str, str] = MappingProxyType({})
NGINX_MISSING = "nginx is the yardstick and was not found; install it, on Debian with: apt-get install nginx-light"


@dataclass(frozen=True, slots=True)
class Target:
    """A name, a door and the program behind it."""

    name: str
    door: Door
    program: Program


_OPEN = (("2025", "/mcp25"), ("2026", "/mcp26"))


def _plain_door(port: int) -> Door:
    return Door("127.0.0.1", port, "/v1/chat/completions", _OPEN)


@contextmanager
def mock(folder: Path) -> Iterator[Target]:
    """The upstream, called directly."""
    port = free_port()
    command = [sys.executable, "-m", "bench.mock", "--port", str(port)]
    with running(command, port, folder / "mock.log") as program:
        yield Target("direct", _plain_door(port), program)


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[Target]:
    """nginx with one worker; its configuration and all its files in `folder`."""
    binary = shutil.which("nginx", path=f"{os.defpath}:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    if binary is None:
        raise FileNotFoundError(NGINX_MISSING)
    port = free_port()
    text = (HERE / "nginx.conf").read_text("utf-8")
    # Started by root, the worker would become a user who may not write to the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    for mark, value in {"USER": user, "FOLDER": str(folder), "UPSTREAM": str(upstream), "PORT": str(port)}.items():
        text = text.replace(f"@{mark}@", value)
    conf = folder / "nginx.conf"
    conf.write_text(text, "utf-8")
    command = [binary, "-p", str(folder), "-e", "stderr", "-c", str(conf)]
    with running(command, port, folder / "nginx.log") as program:
        yield Target("nginx", _plain_door(port), program)


@contextmanager
def hub(folder: Path, upstream: int, command: str = HUB, more: Mapping[str, str] = NONE) -> Iterator[Target]:
    """The hub with a key, a limit, a budget and the ledger; `command` may hold {port}, {data} and {config}.

    `more` are further MCP servers of its profile, by their URLs.
    """
    port, key = free_port(), f"bench-{secrets.token_hex(24)}"
    config = folder / "bench.yaml"
    resources = yaml.safe_load((HERE / "bench.yaml").read_text("utf-8").replace("UPSTREAM", str(upstream)))
    resources["servers"] |= {name: {"url": url, "allow_private": True} for name, url in more.items()}
    resources["profiles"]["bench"]["servers"] |= {name: {} for name in more}
    config.write_text(yaml.safe_dump(resources), "utf-8")
    words = [word.format(port=port, data=folder / "data", config=config) for word in shlex.split(command)]
    env = {"HUB_ADMIN_KEY": f"admin-{secrets.token_hex(24)}", "HUB_BENCH_KEY": key}
    door = Door(
        "127.0.0.1",
        port,
        "/v1/chat/completions",
        (("2025", "/mcp/bench"), ("2026", "/mcp/bench")),
        headers=(("authorization", f"Bearer {key}"),),
        tool_prefix=(("2025", "old__"), ("2026", "new__")),
    )
    with running(words, port, folder / "hub.log", ready_path="/readyz", env=env) as program:
        yield Target("hub", door, program)


@contextmanager
def fastmcp(folder: Path, upstream: int) -> Iterator[Target]:
    """The proxy of fastmcp, for scale; one process for each era."""
    port = free_port()
    command = [sys.executable, "-m", "bench.fastmcp_proxy", str(port), f"http://127.0.0.1:{upstream}"]
    with running(command, port, folder / "fastmcp.log") as program:
        yield Target("fastmcp", Door("127.0.0.1", port, "", (("2025", "/mcp25/"), ("2026", "/mcp26/"))), program)


TARGETS = {"nginx": nginx, "hub": hub, "fastmcp": fastmcp}


@contextmanager
def other(folder: Path, upstream: int, given: str) -> Iterator[Target]:
    """Any relay, given as NAME=COMMAND, where COMMAND may hold {port} and {upstream} (a base URL)."""
    name, _, command = given.partition("=")
    port = free_port()
    words = [word.format(port=port, upstream=f"http://127.0.0.1:{upstream}") for word in shlex.split(command)]
    with running(words, port, folder / f"{name}.log") as program:
        yield Target(name, _plain_door(port), program)


@contextmanager
def targets(names: list[str], folder: Path, hub_command: str, others: list[str]) -> Iterator[list[Target]]:
    """Start the mock upstream (always first in the list, as `direct`) and the named targets in front of it."""
    with ExitStack() as stack:
        direct = stack.enter_context(mock(folder))
        port = direct.door.port
        started = [direct]
        makers = {**TARGETS, "hub": lambda folder, port: hub(folder, port, hub_command)}
        started += [stack.enter_context(makers[name](folder, port)) for name in names]
        started += [stack.enter_context(other(folder, port, given)) for given in others]
        yield started
