"""Arguments that a modern client repeats in `Mcp-Param-*` headers: both say the same, or the call is refused."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from hub.edge.mcp.envelope import HEADER_MISMATCH, INVALID_PARAMS, Headers, RpcFault
from hub.edge.mcp.era import decoded

Mirrored = Iterable[tuple[tuple[str, ...], str]]
_PREFIX = b"mcp-param-"
_WHOLE = re.compile(r"(-?\d{1,400})(?:\.0+)?")


def check_params(headers: Headers, mirrored: Mirrored, arguments: bytes) -> None:
    """Compare headers with arguments. `mirrored` pairs an argument's path with the rest of its header's name.

    Headers that the tool's schema does not name are nobody's business. Raises RpcFault -32020.
    """
    try:
        given: Any = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        raise RpcFault(INVALID_PARAMS, "A number in arguments is too large to be compared with its header.") from None
    for path, token in mirrored:
        name = _PREFIX + token.lower().encode()
        values = [value for header, value in headers if header == name]
        _compare(f"Mcp-Param-{token}", values, ".".join(path), _at(given, path))


def _compare(header: str, values: list[bytes], argument: str, value: Any) -> None:
    if len(values) > 1:
        raise RpcFault(HEADER_MISMATCH, f"The header {header} comes more than once.")
    rendered = _rendered(value)
    if rendered is None:
        if values:
            raise RpcFault(HEADER_MISMATCH, f"The header {header} repeats the argument '{argument}', which is absent.")
        return
    if not values:
        raise RpcFault(HEADER_MISMATCH, f"The header {header} is missing; the argument '{argument}' is there.")
    text = decoded(values[0])
    if text != rendered and not _same_number(text, value):
        raise RpcFault(HEADER_MISMATCH, f"The header {header} is not what the argument '{argument}' says.")


def _same_number(text: str, value: Any) -> bool:
    """Whether `text` is the same whole number, as `42.0` is the same as 42."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        return False
    match = _WHOLE.fullmatch(text)
    return match is not None and int(match[1]) == value


def _rendered(value: Any) -> str | None:
    """The value as a header repeats it; None when it is absent, or nothing that a header repeats."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownMemberType]
    return value  # pyright: ignore[reportUnknownVariableType]
