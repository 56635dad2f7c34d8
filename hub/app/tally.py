"""What all workers of a hub have counted, told by whichever is asked.

Each worker leaves what it has counted in a file in the data folder, once a second and before it tells, and tells the sum of
all files. So no counter that was told ever goes back, whoever tells next. The successor of a worker that died goes on
counting where its file ends.
"""

import asyncio
import contextlib
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import MsgspecError, Struct, json

from hub.core.background import Background
from hub.core.logs import get_logger
from hub.core.metrics import Metrics, Told

log = get_logger(__name__)

EVERY_SECONDS = 1.0
FRESH_SECONDS = 15.0  # after which nobody stands behind a file: its gauges are not counted any more


class Left(Struct, frozen=True):
    """A file: what was counted, and when that was written, in seconds of the machine's own clock."""

    at: float
    told: Told


_decoder = json.Decoder(Left)


class Tally(Background):
    """Adds up the workers of one crew, whose files are named after it."""

    def __init__(self, metrics: Metrics, folder: Path, crew: str, number: int) -> None:
        super().__init__()
        self._metrics = metrics
        self._folder = folder
        self._crew = crew
        self._first = number == 1
        self._file = folder / f"{crew}-{number}.json"
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        """Go on where the predecessor ended, and begin to leave files. Raises OSError when there can be none."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if self._first:
            for file in self._folder.glob("*.json"):
                if not file.name.startswith(f"{self._crew}-"):
                    file.unlink()
        left = _read(self._file)
        if left is not None:
            self._metrics.take(left.told)
        await self._leave()
        self.start(self._run(), "tally")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last file."""
        await super().__aexit__(kind, error, trace)
        with contextlib.suppress(OSError):
            await self._leave()

    async def render(self) -> str:
        """What all workers have counted, in Prometheus' text format. Raises OSError when the folder cannot be used."""
        mine = await self._leave()
        others = await asyncio.to_thread(self._others)
        return self._metrics.render((mine, *others))

    async def _leave(self) -> Told:
        async with self._lock:  # an older file never replaces a newer one
            left = Left(time.monotonic(), self._metrics.told())
            await asyncio.to_thread(_write, self._file, json.encode(left))
            return left.told

    def _others(self) -> list[Told]:
        now = time.monotonic()
        found = [
            left
            for file in sorted(self._folder.glob(f"{self._crew}-*.json"))
            if file != self._file and (left := _read(file)) is not None
        ]
        return [
            left.told if now - left.at < FRESH_SECONDS else Told(left.told.counters, left.told.histograms, {})
            for left in found
        ]

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            try:
                await self._leave()
            except OSError as error:
                log.warning("what is counted cannot be left for the other workers", error=type(error).__name__)


def _read(file: Path) -> Left | None:
    try:
        return _decoder.decode(file.read_bytes())
    except FileNotFoundError:
        return None
    except MsgspecError:
        log.warning("what a worker counted cannot be read", file=file.name)
        return None


def _write(file: Path, content: bytes) -> None:
    """In place of the old one at once. It need not outlive the machine, so nobody waits for the disk."""
    new = file.with_suffix(".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as out:
        out.write(content)
    new.replace(file)
