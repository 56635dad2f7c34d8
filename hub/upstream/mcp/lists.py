"""Looking at what one server offers: to anybody, and to a client of the old era that can do everything."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from hub.core.logs import get_logger
from hub.core.refusal import Refusal, UpstreamFailed
from hub.upstream.mcp.callers import CallerSessions
from hub.upstream.mcp.definitions import Listing
from hub.upstream.mcp.link import HUB, Link
from hub.upstream.mcp.listing import ABLE, list_all
from hub.upstream.mcp.pending import Limits
from hub.upstream.mcp.values import Era, ServerDefinitions

log = get_logger(__name__)


async def looked(
    link: Link, seconds: float, known: ServerDefinitions, callers: CallerSessions, first: Callable[[Listing], object]
) -> Listing:
    """All that the server offers, asked over `link`. Raises UpstreamFailed.

    Of a server that was never seen, `first` gets what is there already.

    An old server may show some of it only to clients that can do more. It is asked as such a one too, over a
    session of its own; where that brought nothing new (`known.plain`), it is not asked again.
    """
    try:
        async with asyncio.timeout(seconds):
            listing = await _listed(link, seconds)
    except TimeoutError:
        late = f"it did not list its tools within {seconds:.3g} s"
        raise UpstreamFailed("upstream_timeout", late, status=504) from None
    if link.greeting.speech.era is Era.MODERN:
        return listing
    if not known.revision:
        first(listing)
    if known.plain and known.server_info == link.greeting.server_info:
        return replace(listing, plain=True)
    try:
        async with callers.for_listing(ABLE, time.monotonic() + seconds) as able:
            return listing.with_more(await _listed(able, seconds))
    except Refusal as error:
        log.info("server_list_for_able_clients_failed", code=error.code)
        return listing


async def _listed(link: Link, seconds: float) -> Listing:
    limits = Limits(seconds)
    greeting = link.greeting
    return await list_all(
        lambda method, params: link.request(method, params, HUB, limits), greeting.declares, greeting.announced
    )
