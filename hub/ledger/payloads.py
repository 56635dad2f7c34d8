"""Bodies into the database: encrypted, in batches, beside the calls; when there are too many, dropped and counted."""

import asyncio
import contextlib
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec
from msgspec import Raw
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from hub.core.capture import Capture
from hub.core.logs import get_logger
from hub.ledger.bodies import Payload
from hub.ledger.redaction import without_private
from hub.ledger.rows import PAYLOAD
from hub.store.inserts import INSERTS

log = get_logger(__name__)

MOST_WAITING = 32 << 20  # bytes of bodies that wait to be written
BATCH = 64
INTERVAL_SECONDS = 0.25
_GRACE_SECONDS = 3.0
_members = msgspec.json.Decoder(dict[str, Raw])
# Members of a request that are its content, or hold it; all else that is short says how the model was asked.
_CONTENT = frozenset(
    {"messages", "input", "system", "instructions", "prompt", "contents", "tools", "functions", "metadata", "user"}
)
_SHORT = 200


class Seal(Protocol):
    """Encrypts and decrypts for the hub. `hub.store.Vault` is one."""

    def seal(self, data: bytes, bound_to: str) -> tuple[str, bytes, bytes]:
        """(key id, nonce, ciphertext) of `data`, bound to its place."""
        ...

    def unseal(self, sealed: tuple[str, bytes, bytes], bound_to: str) -> bytes:
        """The data again. Raises Refusal `vault_damaged`."""
        ...


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a call: its parameters, and both bodies where the mode says so; None where it does not."""

    mode: str
    parameters: dict[str, Any]
    request: str | None
    reply: str | None
    request_bytes: int
    reply_bytes: int
    truncated: bool


def parameters_of(request: bytes) -> dict[str, Any]:
    """How the model was asked, without what was said: short members as they are, content as its number of items."""
    try:
        members = _members.decode(request)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    told: dict[str, Any] = {}
    for name, raw in list(members.items())[:100]:
        value = bytes(raw)
        if name in _CONTENT:
            told[name[:64]] = _amount(value)
        elif len(value) <= _SHORT and value[:1] not in (b"{", b"["):
            told[name[:64]] = msgspec.json.decode(value)
    return told


def _amount(value: bytes) -> str:
    if value[:1] == b"[":
        return f"{len(msgspec.json.decode(value, type=list[Raw]))} items"
    return f"{len(value)} bytes"


def kept_of(payload: Payload) -> Kept:
    """What stays of a payload, by its mode."""
    whole = payload.mode in (Capture.REDACTED, Capture.FULL)
    request, reply = payload.request.decode("utf-8", "replace"), payload.reply.decode("utf-8", "replace")
    if payload.mode is Capture.REDACTED:
        request, reply = without_private(request), without_private(reply)
    cut = len(payload.request) < payload.request_bytes or len(payload.reply) < payload.reply_bytes
    return Kept(
        mode=payload.mode.value,
        parameters=parameters_of(payload.request),
        request=request if whole else None,
        reply=reply if whole else None,
        request_bytes=payload.request_bytes,
        reply_bytes=payload.reply_bytes,
        truncated=whole and cut,
    )


class Payloads:
    """Writes what is kept of bodies into the table `payload`, encrypted. An async context manager.

    Bodies are kept as well as can be: what waits is bounded to 32 MiB, and lost when the process is killed. The
    entry never depends on them.
    """

    def __init__(self, engine: AsyncEngine, seal: Seal, *, most_waiting: int = MOST_WAITING) -> None:
        self._engine = engine
        self._seal = seal
        self._most = most_waiting
        self._waiting: dict[str, Payload] = {}  # by entry, the oldest first
        self._bytes = 0
        self._insert = INSERTS[engine.dialect.name](PAYLOAD).on_conflict_do_nothing(index_elements=["entry"])
        self._lock = asyncio.Lock()
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def put(self, payload: Payload) -> None:
        """Take it, or drop it and count that."""
        if self._bytes + payload.size > self._most:
            self.dropped += 1
            return
        self._waiting[payload.entry] = payload
        self._bytes += payload.size

    async def __aenter__(self) -> Self:
        """Start the task that writes."""
        self._task = asyncio.create_task(self._run(), name="ledger payloads")  # noqa: TID251 - ended in __aexit__
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits, for at most a few seconds."""
        self._stop.set()
        if self._task is not None:
            _, late = await asyncio.wait((self._task,), timeout=_GRACE_SECONDS)
            for task in late:
                task.cancel()
                await asyncio.wait((task,))

    async def flush(self) -> None:
        """Write everything that waits. Raises SQLAlchemyError or OSError when the database does not take it."""
        async with self._lock:
            while self._waiting:
                some = list(islice(self._waiting.values(), BATCH))
                rows = await asyncio.to_thread(self._rows, some)
                async with self._engine.begin() as connection:
                    await connection.execute(self._insert, rows)
                for payload in some:
                    del self._waiting[payload.entry]
                    self._bytes -= payload.size

    async def read(self, entry: str) -> Kept | None:
        """What is kept of a call, written or still waiting, or None. Raises Refusal `vault_damaged`."""
        waiting = self._waiting.get(entry)
        if waiting is not None:
            return await asyncio.to_thread(kept_of, waiting)  # to take out what is private takes a while
        async with self._engine.connect() as connection:
            row = (await connection.execute(select(PAYLOAD).where(PAYLOAD.c.entry == entry))).first()
        if row is None:
            return None
        data = self._seal.unseal((row.key_id, bytes(row.nonce), bytes(row.ciphertext)), _place(entry))
        return msgspec.json.decode(data, type=Kept)

    def _rows(self, payloads: list[Payload]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for payload in payloads:
            data = msgspec.json.encode(kept_of(payload))
            key_id, nonce, ciphertext = self._seal.seal(data, _place(payload.entry))
            row = {"entry": payload.entry, "at": payload.at, "mode": payload.mode.value, "key_id": key_id}
            rows.append({**row, "nonce": nonce, "ciphertext": ciphertext})
        return rows

    async def _run(self) -> None:
        while True:
            stopping = self._stop.is_set()
            try:
                await self.flush()
            except Exception as error:  # noqa: BLE001 - they wait within their bound and are tried again
                log.warning("bodies wait: the database does not take them", error=type(error).__name__)
            if stopping:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await self._stop.wait()


def _place(entry: str) -> str:
    return f"payload|{entry}"
