"""The whole hub, in one process or several."""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from hub.app import Hub, Worker, assembled
from hub.cli.crew import Crew, Post
from hub.cli.output import say, warn
from hub.core.heap import keep_heap
from hub.core.logs import configure
from hub.core.rarely import Part, load
from hub.core.refusal import Fault, InvalidSpec, Refusal
from hub.edge import Serving, listen, raise_file_limit
from hub.edge import serve as run
from hub.settings import Settings

MOST_WORKERS = 256


def serve(
    *,
    host: str | None = None,
    port: int | None = None,
    data: Path | None = None,
    apply: Sequence[Path] | None = None,
    demo: bool = False,
    workers: int = 1,
) -> None:
    """Run the hub until it is told to stop. Raises InvalidSpec for wrong options, Refusal for a port that is taken."""
    given = {"host": host, "port": port, "data": data}
    settings = Settings(**{name: value for name, value in given.items() if value is not None})
    for name, hint in settings.unknown:
        warn(f"{name} is not a setting of the hub{hint}")
    configure(settings.log_level, settings.log_format)
    files = [path.resolve() for path in apply or []]
    if demo:
        files.append(demo_file())
    _check(settings, workers)
    raise_file_limit()
    try:
        if workers == 1:
            post = Post(listen(settings.host, settings.port))
        else:
            load(Part.SHARED)  # before they part, so that the workers share its memory
            post = Crew(settings.host, settings.port, workers, settings.replica_url).muster()
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise Refusal("address_in_use", f"Cannot listen on {where}: {error.strerror}. Choose another --port.") from None
    if workers > 1:
        settings = settings.of_worker(post.address, workers)
    uvloop.run(_serve(settings, files if post.number == 1 else [], post, demo=demo))


def _check(settings: Settings, workers: int) -> None:
    if not 1 <= workers <= MOST_WORKERS:
        raise InvalidSpec([Fault("--workers", f"a number from 1 to {MOST_WORKERS}")])
    if workers > 1 and not (settings.database_url and settings.redis_url):
        needed = "several processes share a PostgreSQL and a Redis: set HUB_DATABASE_URL and HUB_REDIS_URL"
        raise InvalidSpec([Fault("--workers", needed)])


def demo_file() -> Path:
    """The demo's file: in the checkout, or in the installed package."""
    package = Path(__file__).parents[1]
    places = [package.parent / "profiles" / "demo.yaml", package / "shipped" / "profiles" / "demo.yaml"]
    return next(place for place in places if place.exists())


async def _serve(settings: Settings, files: Sequence[Path], post: Post, *, demo: bool) -> None:
    post.keep_watched()
    async with assembled(settings, files, Worker(post.number, post.of, post.crew)) as hub:
        shown_host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104 - what is shown
        address = (settings.public_url or f"http://{shown_host}:{post.sockets[0].getsockname()[1]}").rstrip("/")
        link = ""
        if hub.started.first:
            token, _ = await hub.sign_ins.make_link("admin")
            link = f"{address}/login?token={token}"
        # What was loaded lives as long as the process: looking at it again at each collection only costs time.
        gc.collect()
        gc.freeze()
        keep_heap()

        def started(_: int) -> None:
            if post.number == 1:
                greet(hub, address, link, demo=demo)
            post.ready()

        serving = Serving(
            limits=settings.http_limits,
            drain_seconds=settings.drain_seconds,
            started=started,
            refused=hub.metrics.refused,
        )
        await run(hub.app, post.sockets, hub.in_flight, serving)


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
