"""fastmcp's proxy before the mock upstream, as it comes: `python -m bench.fastmcp_proxy PORT UPSTREAM`."""

import contextlib
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastmcp.server import create_proxy
from starlette.applications import Starlette
from starlette.routing import Mount


def main() -> None:
    port, upstream = sys.argv[1:]
    apps = {era: create_proxy(f"{upstream}/{era}", name=era).http_app(path="/") for era in ("mcp25", "mcp26")}

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for app in apps.values():
                await stack.enter_async_context(app.lifespan(app))
            yield

    routes = [Mount(f"/{era}", app) for era, app in apps.items()]
    uvicorn.run(Starlette(routes=routes, lifespan=lifespan), port=int(port), access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
