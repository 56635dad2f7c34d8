"""What calls of tools cost: a price per call, and one for the tokens that their results put into prompts."""

from decimal import Decimal
from typing import Self

from msgspec import Struct

from hub.resources.tools import ServerSpec

_BYTES_PER_TOKEN = 4
_USUAL_RESULT = 16_384  # bytes that a result is taken to have when money is reserved for it


def _micro(usd: str | None) -> int:
    return int(Decimal(usd) * 1_000_000) if usd else 0


class ToolPrice(Struct, frozen=True):
    """The price of one tool: micro-dollars for a call, and for a million tokens of its results."""

    call: int = 0
    result: int = 0
    version: str = "free"

    @classmethod
    def of(cls, server: ServerSpec | None, tool: str) -> Self:
        """The price of a tool of a server; its calls are free where no price is set."""
        price = server.price if server is not None else None
        if price is None:
            return cls()
        return cls(_micro(price.tools.get(tool, price.call)), _micro(price.result_tokens), "server's price")

    @property
    def expected(self) -> int:
        """What is reserved for a call, in micro-dollars."""
        return self.of_result(_USUAL_RESULT)

    def of_result(self, size: int) -> int:
        """What a call costs whose result has `size` bytes, in micro-dollars, rounded up."""
        return self.call - -(size // _BYTES_PER_TOKEN * self.result) // 1_000_000
