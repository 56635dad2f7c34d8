"""Agent runs: the model and tool calls of one session, joined by session id and by trace, turn by turn."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from hub.core.entry import Entry
from hub.ledger.filters import Filters, conditions, equals
from hub.ledger.pages import LOOKED_AT
from hub.ledger.rows import ENTRY, to_entry
from hub.ledger.sums import entry_sums
from hub.store.transactions import reading

MOST_CALLS = 2000
_MOST_TRACES = 200
_MORE = 8  # times as many calls are looked at where those were too few


@dataclass(frozen=True, slots=True)
class Turn:
    """One call of a model and the calls of tools that followed it. The first turn may have no model call."""

    model: Entry | None
    tools: tuple[Entry, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All its calls, in order."""
        return (self.model, *self.tools) if self.model is not None else self.tools


@dataclass(frozen=True, slots=True)
class Run:
    """A session's calls in order of time; `truncated` when it has more than 2,000, of which these are the first."""

    session: str
    entries: tuple[Entry, ...]
    truncated: bool

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The calls by turn: each call of a model begins one."""
        turns: list[Turn] = []
        for entry in self.entries:
            if entry.call == "model":
                turns.append(Turn(entry, ()))
            elif turns:
                turns[-1] = Turn(turns[-1].model, (*turns[-1].tools, entry))
            else:
                turns.append(Turn(None, (entry,)))
        return tuple(turns)


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One session in a list: when it began and was last active (microseconds), what it called and cost."""

    session: str
    first: int
    last: int
    calls: int
    models: int
    tools: int
    errors: int
    cost_micro_usd: int
    unpriced: int


class Sessions:
    """Reads sessions. Every method raises Unavailable when the database cannot be reached."""

    def __init__(self, engine: AsyncEngine, *, looked_at: int = LOOKED_AT) -> None:
        self._engine = engine
        self._looked_at = looked_at

    async def run(self, session: str, visible: Filters) -> Run | None:
        """One session, with the calls outside it that share a trace with it; None when there is none to be seen."""
        mine = await self._entries(visible, *equals("session", session))
        if not mine:
            return None
        traces = sorted({entry.trace for entry in mine if entry.trace})[:_MOST_TRACES]
        joined = (
            await self._entries(visible, ENTRY.c.trace.in_(traces), ENTRY.c.trace != literal_column("''"))
            if traces
            else ()
        )
        known = {entry.id for entry in mine}
        entries = sorted([*mine, *(one for one in joined if one.id not in known)], key=lambda one: (one.at, one.id))
        return Run(session, tuple(entries[:MOST_CALLS]), len(entries) > MOST_CALLS)

    async def _entries(self, visible: Filters, *where: ColumnElement[bool]) -> Sequence[Entry]:
        statement = (
            select(ENTRY)
            .where(*where, *conditions(visible, dialect=self._engine.dialect.name))
            .order_by(ENTRY.c.at, ENTRY.c.id)
            .limit(MOST_CALLS + 1)
        )
        async with reading(self._engine) as connection:
            return [to_entry(dict(row)) for row in (await connection.execute(statement)).mappings()]

    async def latest(self, filters: Filters, limit: int, start: int = 0) -> tuple[SessionLine, ...]:
        """The sessions of a range, the last active first, from the place `start` on.

        Whose last calls are the newest is found among the newest calls alone; only those sessions are then summed up.
        """
        columns = ENTRY.c
        where = (*conditions(filters, dialect=self._engine.dialect.name), columns.session != literal_column("''"))
        last = func.max(columns.at)
        statement = (
            select(columns.session, func.min(columns.at).label("first"), last.label("last"), *entry_sums())
            .add_columns(func.count().filter(columns.call == "model").label("models"))
            .where(*where)
            .group_by(columns.session)
            .order_by(last.desc(), columns.session)
        )
        async with reading(self._engine) as connection:
            names = (await self._active(connection, where, start + limit))[start:]
            rows = (await connection.execute(statement.where(columns.session.in_(names)))).mappings().all()
        numbers = ("first", "last", "calls", "models", "errors", "cost_micro_usd", "unpriced")
        return tuple(
            SessionLine(
                session=row["session"],
                tools=int(row["calls"]) - int(row["models"]),
                **{name: int(row[name]) for name in numbers},
            )
            for row in rows
        )

    async def _active(self, connection: AsyncConnection, where: Sequence[ColumnElement[bool]], limit: int) -> list[str]:
        """The sessions of the newest calls, at most `limit`: more calls are looked at until those are enough."""
        columns, most = ENTRY.c, self._looked_at
        while True:
            newest = (
                select(columns.session, columns.at).where(*where).order_by(columns.at.desc()).limit(most).subquery()
            )
            last = func.max(newest.c.at)
            grouped = select(newest.c.session, last, func.count()).group_by(newest.c.session)
            found = (await connection.execute(grouped.order_by(last.desc(), newest.c.session))).all()
            if len(found) >= limit or sum(int(row[2]) for row in found) < most:
                return [row[0] for row in found[:limit]]
            most *= _MORE

    async def turns_with(self, profile: str, since: int) -> tuple[int, dict[tuple[str, str], int]]:
        """How many calls of models the sessions made that used a profile, and of which (model, target) how many."""
        columns = ENTRY.c
        using = (
            select(columns.session)
            .where(*equals("profile", profile), columns.at >= since, columns.session != "")
            .distinct()
        )
        statement = (
            select(columns.model, columns.target, func.count())
            .where(columns.call == "model", columns.at >= since, columns.session.in_(using), columns.target != "")
            .group_by(columns.model, columns.target)
        )
        async with reading(self._engine) as connection:
            found = {(row[0], row[1]): int(row[2]) for row in await connection.execute(statement)}
        return sum(found.values()), found
