"""Where the fields of a JSON object stand, so that one of them can be read or exchanged without touching the rest."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import accumulate, chain

import msgspec
from msgspec import Raw

from hub.core.refusal import Malformed

Places = dict[str, tuple[int, int]]

# Everything that decoding hostile JSON can raise: wrong, not UTF-8, or nested too deep.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_OBJECT = msgspec.json.Decoder(dict[str, Raw])
_KEY = re.compile(rb'[ \t\r\n]*"([^"\\]*(?:\\.[^"\\]*)*)"[ \t\r\n]*:[ \t\r\n]*', re.DOTALL)
_FEW = 1024  # characters of names whose marks are kept
_SPACE = ord(" ")  # the last of the characters that may stand around values
_SPACED = re.compile(rb'\{"[^"\\]{1,256}": ')
_AFTER = re.compile(rb"[ \t\r\n]*[,}]")


def places_of(body: bytes) -> Places:
    """The top-level fields of `body`, each with the (start, end) of its value, in their order.

    Values are not decoded. Raises Malformed when the body is no JSON object, is nested too deep to read, or
    names a field twice: then parsers disagree on which one counts.
    """
    try:
        raws = _OBJECT.decode(body)
    except msgspec.ValidationError:
        raise Malformed("malformed", "The request body must be a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("malformed", f"The request body is not JSON: {error}.") from None
    except RecursionError:
        raise Malformed("malformed", "The request body is nested too deep. Send a flatter one.") from None
    spaces = (b", ", b": ") if _SPACED.match(body) else (b",", b":")
    return _regular(body, raws, *spaces) or _walk(body, raws)


def _regular(body: bytes, raws: dict[str, Raw], comma: bytes, colon: bytes) -> Places:
    """The places by arithmetic, when `body` is written without any space, or as Python's `json.dumps` writes it.

    What the decoder found stands in the order of the text, so a value that begins right behind its name ends where
    its length says. Whatever else is written, such as a name twice, puts one of the names elsewhere: then, the result
    is empty.
    """
    if not raws:
        return {}
    names = tuple(raws)
    marks = (_marks if len("".join(names)) <= _FEW else _marks_of)(names, comma, colon)
    edges = list(accumulate(map(len, chain.from_iterable(zip(marks, raws.values(), strict=True)))))
    starts, ends = edges[::2], edges[1::2]
    if (
        body[ends[-1] :] != b"}"
        or not all(map(body.startswith, marks, (0, *ends)))
        or min(map(body.__getitem__, starts)) <= _SPACE
    ):
        return {}
    return dict(zip(names, zip(starts, ends, strict=True), strict=True))


def _marks_of(names: tuple[str, ...], comma: bytes, colon: bytes) -> tuple[bytes, ...]:
    """What stands before the value of each of these fields."""
    keys = [name.encode("utf-8", "surrogatepass") for name in names]
    return tuple([b'%b"%b"%b' % (comma if place else b"{", key, colon) for place, key in enumerate(keys)])


_marks = lru_cache(maxsize=256)(_marks_of)  # the same programs send the same fields again and again


def _walk(body: bytes, raws: dict[str, Raw]) -> Places:
    places: Places = {}
    position = body.index(b"{") + 1
    while (key := _KEY.match(body, position)) is not None:
        name = _name(key[1])
        raw, start = bytes(raws.get(name, b"")), key.end()
        after = _AFTER.match(body, start + len(raw))
        if name in places or after is None or not body.startswith(raw, start):
            raise Malformed("malformed", f"The request body names the field '{name[:64]}' twice. Send it once.")
        places[name] = (start, start + len(raw))
        position = after.end()
        if body[position - 1] == ord("}"):
            break
    return places


def _name(key: bytes) -> str:
    return msgspec.json.decode(b'"%b"' % key, type=str) if b"\\" in key else key.decode()


def splice(body: bytes, changes: Iterable[tuple[int, int, bytes]]) -> bytes:
    """`body` with each (start, end) replaced by its bytes. The changes must not overlap."""
    pieces: list[bytes] = []
    last = 0
    for start, end, value in sorted(changes):
        pieces += (body[last:start], value)
        last = end
    pieces.append(body[last:])
    return b"".join(pieces)


def with_members(body: bytes, members: Mapping[str, str | None]) -> bytes:
    """`body` with these fields, or without those that are None; all else stays as it is written."""
    given = _OBJECT.decode(body)
    for name, value in members.items():
        given.pop(name, None)
        if value is not None:
            given[name] = Raw(msgspec.json.encode(value))
    return msgspec.json.encode(given)
