"""The head that a connection saw last: a client sends the same one again and again, with another length.

Reading it once more tells nothing new, so what was found out of it is kept with it. Only a head that the parser has
accepted is ever kept, and only one that says its length in plain digits: but for those, the next one has to be the
same byte for byte. Whatever else comes goes through the parser.
"""

import re
from collections.abc import Mapping
from typing import Any, Self

from hub.core.calls import Credentials, ModelRequest, Origin

MOST = 4096  # bytes of a head that is kept
FAMILIAR = "hub.familiar"  # the ASGI extension under which a scope holds the `Familiar` that it was made from

_LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]{1,9})\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"


class Familiar:
    """A head, and what was found out of it. One connection owns it.

    `scope` is what a request is made from, `passed` whether the guards let it through; `given` and `origin` are who
    presents it and where it comes from, `asked` what a call of a model says in its head, once that was read of it.
    """

    __slots__ = ("_after", "_before", "_place", "asked", "given", "origin", "passed", "scope")

    def __init__(self, before: bytes, after: bytes, scope: dict[str, Any], place: int) -> None:
        self._before = before
        self._after = after
        self._place = place
        self.scope = scope
        self.passed = False
        self.given: Credentials | None = None
        self.origin: Origin | None = None
        self.asked: ModelRequest | None = None

    @classmethod
    def of(cls, data: bytes, scope: dict[str, Any]) -> Self | None:
        """The head at the beginning of `data`, which the parser has accepted and that `scope` was made from."""
        end = data.find(_END, 0, MOST)
        length = _LENGTH.search(data, 0, end + 2) if end > 0 else None
        names = [name for name, _ in scope["headers"]]
        if length is None or b"content-length" not in names or b"expect" in names or b"transfer-encoding" in names:
            return None
        return cls(data[: length.start(1)], data[length.end(1) : end + 4], scope, names.index(b"content-length"))

    def again(self, data: bytes) -> tuple[int, bytes] | None:
        """Where the body begins in `data` and its length in digits, when `data` begins with this head again."""
        start = len(self._before)
        if not data.startswith(self._before):
            return None
        end = data.find(b"\r", start, start + 10)
        length = data[start:end]
        if end < 0 or not length.isdigit() or not data.startswith(self._after, end):
            return None
        return end + len(self._after), length

    def pass_as(self, scope: dict[str, Any]) -> None:
        """The guards let it through, coming from the client and by the scheme of `scope`."""
        self.scope |= {"client": scope["client"], "scheme": scope["scheme"]}
        self.passed = True

    def headers(self, length: bytes) -> list[tuple[bytes, bytes]]:
        """The headers of a request with this head whose body has another length."""
        headers = self.scope["headers"].copy()
        headers[self._place] = (b"content-length", length)
        return headers


def familiar_of(scope: Mapping[str, Any]) -> Familiar | None:
    """The head that a scope was made from, where it had been seen before."""
    return scope.get("extensions", {}).get(FAMILIAR)
