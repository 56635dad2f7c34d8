"""Keeps what profiles remember in the database, a moment after it was learnt."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Self

from sqlalchemy.exc import SQLAlchemyError

from hub.core.logs import get_logger
from hub.profile import Given, Memory, Pin, Remembered, merged
from hub.store import MemoryRows, ProfileMemory

log = get_logger(__name__)
_AGAIN = 5.0  # seconds until the next try, when the database cannot be reached
_FOLLOW = 1.0  # seconds between two looks at what other replicas have learnt


class Remembering:
    """Saves what a memory learns, in a task of its own. An async context manager: leaving it saves the rest."""

    def __init__(self, memory: Memory, store: ProfileMemory) -> None:
        self._memory = memory
        self._store = store
        self._waiting: dict[str, Remembered] = {}
        self._something = asyncio.Event()
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._busy = asyncio.Lock()  # with the database
        self._generation = -1  # of what was loaded

    async def __aenter__(self) -> Self:
        """Load what was kept, and begin to listen."""
        await self._load()
        self._memory.on_change(self._learnt)
        self._task = asyncio.create_task(self._run(), name="profile memory")  # noqa: TID251 - ended in __aexit__
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Stop, and save what is left."""
        self._ending.set()
        self._something.set()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        await self._save()

    async def follow(self, changed: Callable[[], None]) -> None:
        """Know what other replicas have learnt, for as long as the hub runs; `changed` is called with each news."""
        while True:
            await asyncio.sleep(_FOLLOW)
            with contextlib.suppress(SQLAlchemyError, OSError, TimeoutError):  # asked again in a moment
                if await self._load():
                    changed()

    async def _load(self) -> bool:
        """Whether there is anything new. What was learnt here and is not saved yet would be lost by it: then later."""
        async with self._busy:
            generation = await self._store.generation()
            kept = await self._store.load() if generation != self._generation else {}
            if generation == self._generation or self._waiting:
                return False
            self._generation = generation
            return self._memory.load(_lesson(name, rows) for name, rows in kept.items())

    def _learnt(self, lesson: Remembered) -> None:
        before = self._waiting.get(lesson.profile)
        self._waiting[lesson.profile] = merged(before, lesson) if before else lesson
        self._something.set()

    async def _run(self) -> None:
        while not self._ending.is_set():
            await self._something.wait()
            self._something.clear()
            if not await self._save():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), _AGAIN)
                self._something.set()

    async def _save(self) -> bool:
        async with self._busy:
            waiting, self._waiting = self._waiting, {}
            for name, lesson in waiting.items():
                try:
                    await self._store.save(name, _rows(lesson))
                except (SQLAlchemyError, OSError) as error:
                    log.warning("what a profile remembers could not be saved", profile=name, error=type(error).__name__)
                    later = self._waiting.get(name)
                    self._waiting[name] = merged(lesson, later) if later else lesson
            return not self._waiting


def _rows(lesson: Remembered) -> MemoryRows:
    return MemoryRows(
        tuple(
            {"kind": one.kind, "name": one.name, "server": one.server, "own": one.own, "basis": one.basis}
            for one in lesson.names
        ),
        tuple(map(_of_pin, lesson.pins)),
        lesson.forget_pins,
        tuple({"digest": pin.digest, **_of_pin(pin)} for pin in lesson.variants),
        lesson.settled,
    )


def _of_pin(pin: Pin) -> dict[str, Any]:
    return {"server": pin.server, "own": pin.own, "definition": pin.definition, "by": pin.by}


def _lesson(profile: str, rows: MemoryRows) -> Remembered:
    variants = ({name: value for name, value in row.items() if name != "digest"} for row in rows.variants)
    return Remembered(
        profile,
        tuple(Given(**row) for row in rows.names),
        tuple(Pin(**row) for row in rows.pins),
        variants=tuple(Pin(**row) for row in variants),
    )
