"""Who changed what, over HTTP: the audit trail in pages, as a file, and whether its chain is whole."""

from collections.abc import AsyncIterator, Iterator

import orjson

from hub.edge.records import Records, audit_view, instant
from hub.edge.routes import RANGE, Answer, Ask, Query, Route, limit_of
from hub.identity import Permission
from hub.resources import KINDS
from hub.resources.spending import ScopeSpec
from hub.store import ACTIONS

_FILTERS = (
    Query("kind", "only this kind of resource, or of scope that was stopped", (*KINDS, *ScopeSpec.model_fields)),
    Query("name", "only this resource"),
    Query("actor", "only this actor, such as user:ann"),
    Query("action", "only what was done so", ACTIONS),
)


class AuditApi:
    """The routes over the audit trail."""

    def __init__(self, records: Records) -> None:
        self._r = records

    async def _audit(self, ask: Ask) -> Answer:
        rows, cursor = await self._r.resources.audit(
            limit=limit_of(ask),
            cursor=ask.query("cursor") or None,
            kind=ask.query("kind") or None,
            name=ask.query("name") or None,
            actor=ask.query("actor") or None,
            action=ask.query("action") or None,
            since=instant(ask, "since"),
            until=instant(ask, "until"),
        )
        return Answer({"items": [audit_view(row) for row in rows], "next": cursor})

    async def _verify(self, ask: Ask) -> Answer:
        report = await self._r.resources.verify_audit()
        return Answer({"ok": report.ok, "rows": report.rows, "head": report.head, "fault": report.fault})

    async def _export(self, ask: Ask) -> Answer:
        named = (("content-disposition", 'attachment; filename="audit.jsonl"'),)
        return Answer(self._lines(), headers=named, media="application/x-ndjson")

    async def _lines(self) -> AsyncIterator[bytes]:
        async for rows in self._r.feed.all():
            yield b"".join(orjson.dumps(audit_view(row)) + b"\n" for row in rows)

    def routes(self) -> Iterator[Route]:
        """The rows."""
        for path, summary, endpoint, reply, query in (
            ("audit", "Who changed what, newest first", self._audit, "Page", (*RANGE, *_FILTERS)),
            ("audit/verify", "Is the chain of audit rows whole?", self._verify, "", ()),
            ("audit/export", "The whole trail as JSON lines, oldest first", self._export, "", ()),
        ):
            yield Route(
                "GET", f"/api/v1/{path}", Permission.AUDIT_READ, summary, endpoint, "audit", reply=reply, query=query
            )
