"""What happened, over HTTP: calls, what is kept of them, as they come and as files."""

from collections.abc import AsyncIterator, Iterator

import msgspec
import orjson

from hub.core.refusal import NotFound, Refusal, Throttled
from hub.edge.records import FILTERS, ORDER, Records, entry_view, filters_of, order_of, own_calls, sees
from hub.edge.routes import Answer, Ask, Query, Route, limit_of
from hub.identity import Permission
from hub.ledger import MEDIA, Filters, check_format, written

MOST_FOLLOWERS = 50
MOST_EXPORTED = 1_000_000


class LedgerApi:
    """The routes over single calls."""

    def __init__(self, records: Records) -> None:
        self._r = records
        self._followers = 0

    async def _logs(self, ask: Ask) -> Answer:
        filters = filters_of(ask)
        page = await self._r.queries.logs(
            filters, limit=limit_of(ask), cursor=ask.query("cursor") or None, order=order_of(ask)
        )
        count = await self._r.queries.count(filters)
        items = [entry_view(entry) for entry in page.items]
        total = {"total_count": max(count.calls, len(items)), "total_exact": count.exact}
        return Answer({"items": items, "next": page.next, "cut": page.cut, **total})

    async def _log(self, ask: Ask) -> Answer:
        entry = await self._r.queries.entry(ask.path("id"))
        if entry is None or not sees(ask.principal, entry):
            raise NotFound("not_found", "There is no such entry that you may see.")
        return Answer(entry_view(entry))

    async def _payload(self, ask: Ask) -> Answer:
        entry = await self._r.queries.entry(ask.path("id"))
        if entry is None or not sees(ask.principal, entry):
            raise NotFound("not_found", "There is no such entry that you may see.")
        kept = await self._r.payloads.read(entry.id)
        if kept is None:
            raise NotFound(
                "not_kept",
                f"Nothing is kept of this call's bodies: its capture mode was '{entry.capture or 'off'}', or they "
                "are past their retention. See 'capture' of keys and teams.",
            )
        await self._r.resources.note(ask.actor, "read-bodies", detail=f"logs/{entry.id}")
        return Answer(msgspec.to_builtins(kept))

    async def _export(self, ask: Ask) -> Answer:
        form = ask.query("format") or "csv"
        check_format(form)
        most = limit_of(ask, default=10_000, most=MOST_EXPORTED)
        pieces = written(self._r.queries.each(filters_of(ask), most), form)
        named = (("content-disposition", f'attachment; filename="calls.{form}"'),)
        return Answer(pieces, headers=named, media=MEDIA[form])

    async def _tail(self, ask: Ask) -> Answer:
        if self._followers >= MOST_FOLLOWERS:
            raise Throttled("too_many_parallel", f"At most {MOST_FOLLOWERS} can follow the log at once.", retry_after=5)
        return Answer(self._events(ask, filters_of(ask)), media="text/event-stream")

    async def _events(self, ask: Ask, filters: Filters) -> AsyncIterator[bytes]:
        """Entries as events, until the hub stops or the caller may see something else than when they began."""
        mine = own_calls(ask.principal)
        self._followers += 1
        try:
            yield b": following\n\n"
            async for entries in self._r.tail.follow(filters):
                if self._r.draining() or not await self._still(ask, mine):
                    return
                lines = [
                    b"event: entry\nid: %b\ndata: %b\n\n" % (entry.id.encode(), orjson.dumps(entry_view(entry)))
                    for entry in entries
                ]
                yield b"".join(lines) or b": nothing new\n\n"
        finally:
            self._followers -= 1

    async def _still(self, ask: Ask, mine: dict[str, object]) -> bool:
        """Whether whoever follows is still who they were, and may see the same."""
        try:
            principal = await self._r.visitor(ask.request)
        except Refusal:
            return False
        return principal.id == ask.principal.id and own_calls(principal) == mine

    def routes(self) -> Iterator[Route]:
        """The rows."""
        for path, summary, endpoint, reply, query in (
            ("logs", "Calls, newest first", self._logs, "CallPage", (*FILTERS, *ORDER)),
            ("logs/tail", "Calls as they end, as server-sent events", self._tail, "", FILTERS),
            (
                "logs/export",
                "Calls as a file",
                self._export,
                "",
                (
                    Query("format", "of the file (csv)", tuple(MEDIA)),
                    Query("limit", "how many (10000), up to 1000000"),
                    *FILTERS,
                ),
            ),
            ("logs/{id}", "One call", self._log, "Entry", ()),
            ("logs/{id}/payload", "What is kept of a call's bodies; each look is audited", self._payload, "", ()),
        ):
            yield Route("GET", f"/api/v1/{path}", Permission.SELF, summary, endpoint, "logs", reply=reply, query=query)
