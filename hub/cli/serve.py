"""`hub serve`: the whole hub in one process."""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import Parameter

from hub.app import Hub, assembled
from hub.cli.output import say, warn
from hub.core.logs import configure
from hub.core.refusal import Fault, InvalidSpec, Refusal
from hub.edge import Serving, listen, raise_file_limit
from hub.edge import serve as run
from hub.settings import Settings


def serve(
    *,
    host: Annotated[str | None, Parameter(help="The address to listen on (HUB_HOST, 127.0.0.1).")] = None,
    port: Annotated[int | None, Parameter(help="The port; 0 takes a free one (HUB_PORT, 8484).")] = None,
    data: Annotated[Path | None, Parameter(help="The data folder (HUB_DATA, .hub).")] = None,
    apply: Annotated[list[Path] | None, Parameter(help="Files or folders to apply at the start.", negative="")] = None,
    demo: Annotated[
        bool, Parameter(help="Add the demo: real MCP servers and a model, without network.", negative="")
    ] = False,
    workers: Annotated[int, Parameter(help="Processes. More than one is not supported yet.")] = 1,
) -> None:
    """Run the hub: model endpoint, MCP profiles, API and both web apps."""
    if workers != 1:
        raise InvalidSpec([Fault("--workers", "not supported yet: run one process (shared limits come with Redis)")])
    given = {"host": host, "port": port, "data": data}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    for name, hint in settings.unknown:
        warn(f"{name} is not a setting of the hub{hint}")
    configure(settings.log_level, settings.log_format)
    files = [path.resolve() for path in apply or []]
    if demo:
        files.append(demo_file())
    uvloop.run(_serve(settings, files, demo=demo))


def demo_file() -> Path:
    """The demo's file: in the checkout, or in the installed package."""
    package = Path(__file__).parents[1]
    places = [package.parent / "profiles" / "demo.yaml", package / "shipped" / "profiles" / "demo.yaml"]
    return next(place for place in places if place.exists())


async def _serve(settings: Settings, files: Sequence[Path], *, demo: bool) -> None:
    raise_file_limit()
    try:
        sockets = listen(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise Refusal("address_in_use", f"Cannot listen on {where}: {error.strerror}. Choose another --port.") from None
    async with assembled(settings, files) as hub:
        shown_host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104 - what is shown
        address = (settings.public_url or f"http://{shown_host}:{sockets[0].getsockname()[1]}").rstrip("/")
        link = ""
        if hub.started.first:
            token, _ = await hub.sign_ins.make_link("admin")
            link = f"{address}/login?token={token}"
        # What was loaded lives as long as the process: looking at it again at each collection only costs time.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)

        def started(_: int) -> None:
            greet(hub, address, link, demo=demo)

        serving = Serving(
            limits=settings.http_limits,
            drain_seconds=settings.drain_seconds,
            started=started,
            refused=hub.metrics.refused,
        )
        await run(hub.app, sockets, hub.in_flight, serving)


def greet(hub: Hub, address: str, link: str, *, demo: bool) -> None:
    """Tell the operator where everything is; the admin key, once."""
    say(f"hub is ready at {address}")
    if hub.providers:
        say(f"Configured from the environment: {', '.join(hub.providers)}")
    if hub.started.admin_key:
        say(f"\nAdmin key, shown once. Keep it:\n  {hub.started.admin_key}")
    if link:
        say(f"\nSign in to the web apps (works once, for a day):\n  {link}")
    if demo:
        key = hub.started.admin_key or "$HUB_KEY"
        python = f'"{key}"' if hub.started.admin_key else "HUB_KEY"
        say(f"\nTools for any MCP client:\n  {address}/mcp/demo")
        say("\nTry it:")
        say(f"  {sys.argv[0]} install claude-code --profile demo --models --url {address} --key {key}")
        say(f'  claude mcp add --transport http demo {address}/mcp/demo --header "Authorization: Bearer {key}"')
        say(
            f'  curl {address}/v1/chat/completions -H "Authorization: Bearer {key}" -H "content-type: application/json"'
            """ -d '{"model":"demo","messages":[{"role":"user","content":"Hello"}]}'"""
        )
        say(f'  OpenAI(base_url="{address}/v1", api_key={python})    Anthropic(base_url="{address}", api_key={python})')
    sys.stdout.flush()
