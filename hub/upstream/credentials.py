"""The providers' credentials: resolved from their references, kept for half a minute, never shown."""

import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from hub.core.refusal import UpstreamFailed

KEEP_SECONDS = 30.0


class SecretSource(Protocol):
    """Where references (`env:NAME`, `file:PATH`, `vault:NAME`) lead."""

    async def resolve(self, reference: str) -> str:
        """The secret. Raises Refusal naming the reference, never the value."""
        ...


class ProviderSecrets:
    """Secrets as they go into a header. `forget` is called when resources or the vault change.

    What changes behind the hub's back (a file that is rotated) is seen after `keep` seconds.
    """

    def __init__(
        self, source: SecretSource, *, keep: float = KEEP_SECONDS, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._keep = keep
        self._now = now
        self._known: dict[str, tuple[str, float]] = {}

    async def get(self, reference: str) -> str:
        """The secret of `reference`. Raises Refusal when it cannot be had or cannot stand in a header."""
        known = self._known.get(reference)
        if known is not None and self._now() < known[1]:
            return known[0]
        secret = _on_one_line((await self._source.resolve(reference)).strip())
        if not secret or not secret.isascii() or not secret.isprintable():
            raise UpstreamFailed(
                "upstream_error", f"The credential '{reference}' is empty or holds characters that no header can carry."
            )
        self._known[reference] = (secret, self._now() + self._keep)
        return secret

    def forget(self) -> None:
        """Ask again from now on."""
        self._known.clear()


def _on_one_line(secret: str) -> str:
    """A service account is given out as JSON on many lines; it signs, and never goes into a header itself."""
    if not secret.startswith("{"):
        return secret
    try:
        return msgspec.json.format(secret.encode(), indent=-1).decode()
    except msgspec.MsgspecError:
        return secret
