"""`hub serve`: its options, as the whole command line reads and explains them."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hub.cli import serving


def serve(
    *,
    host: Annotated[str | None, Parameter(help="The address to listen on (HUB_HOST, 127.0.0.1).")] = None,
    port: Annotated[int | None, Parameter(help="The port; 0 takes a free one (HUB_PORT, 8484).")] = None,
    data: Annotated[Path | None, Parameter(help="The data folder (HUB_DATA, .hub).")] = None,
    apply: Annotated[
        list[Path] | None,
        Parameter(help="Files or folders to apply at the start.", negative="", consume_multiple=True),
    ] = None,
    demo: Annotated[
        bool, Parameter(help="Add the demo: real MCP servers and a model, without network.", negative="")
    ] = False,
    workers: Annotated[int, Parameter(help="Processes on the one port. More than one need PostgreSQL and Redis.")] = 1,
) -> None:
    """Run the hub: model endpoint, MCP profiles, API and both web apps."""
    serving.serve(host=host, port=port, data=data, apply=apply, demo=demo, workers=workers)
