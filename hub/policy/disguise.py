"""What a text says beneath its disguises: look-alike letters, escapes, and pieces in base64 or hexadecimal.

Each disguise that is there makes a view: another text, with the way back to where each of its characters comes from. All is
undone once, not again within what it yields. Everything is linear, and bounded: what lies beyond the bounds stays as it is.
"""

import binascii
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import re2

_FEWEST = 16  # characters of an encoded piece
_LONGEST = 64 << 10  # characters that are decoded of one piece
_MOST_DECODED = 256 << 10  # characters that are decoded of a text
_MOST_RUNS = 2000
_MOST_ESCAPES = 10_000


def _latin() -> dict[int, str | None]:
    """What stands for characters that look like others: a Latin letter, a hyphen, or nothing for marks over a letter."""
    lines = (Path(__file__).parent / "data" / "look_alikes.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("\t") for line in lines if not line.startswith("#"))
    found: dict[int, str | None] = {ord(alike): letter for letter, alikes in pairs for alike in alikes}
    marks = (*range(0x300, 0x370), *range(0x1AB0, 0x1B00), *range(0x1DC0, 0x1E00), *range(0x20D0, 0x2100))
    hyphens = (*range(0x2010, 0x2016), 0x2212)
    squares = {0x1F170 + place: chr(65 + place) for place in range(26)}
    return {**found, **dict.fromkeys(marks), **dict.fromkeys(hyphens, "-"), **squares}


_LATIN = _latin()
# RE2 says quickly that there is nothing to do. Where there is, `re` is quicker: its matches cost less, and no pattern here is
# nested, so that it takes linear time too.
_LOOKS_LATIN = re2.compile(f"[{''.join(map(chr, sorted(_LATIN)))}]")


def _accents() -> dict[int, str]:
    found: dict[int, str] = {}
    for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        base = unicodedata.normalize("NFD", chr(code))[0]
        if base.isascii():
            found[code] = base
    return found


_BARE = {**_LATIN, **_accents()}
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")

_ESCAPED = (
    r"%[0-7][0-9A-Fa-f]|(?:%[89A-Fa-f][0-9A-Fa-f]){2,4}|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});|"
    r"\\u[dD][89A-Ba-b][0-9A-Fa-f]{2}\\u[dD][C-Fc-f][0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}"
)
_ESCAPE, _HAS_ESCAPE = re.compile(_ESCAPED), re2.compile(_ESCAPED)
_HAS_RUN = re2.compile(rf"[A-Za-z0-9+/_-]{{{_FEWEST}}}")
_RUN = re.compile(
    rf"[A-Za-z0-9+/_-]{{{_FEWEST},}}(?:\r?\n[A-Za-z0-9+/_-]{{{_FEWEST},}})*(?:\r?\n[A-Za-z0-9+/_-]{{1,{_FEWEST - 1}}})?={{0,2}}"
)
_HEXADECIMAL = re.compile(r"(?:0x)?[0-9a-f\r\n]+$")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_SPLITS = re.compile(r"[^/\r\n]+")
Places = tuple[list[int], list[int]]


class View(NamedTuple):
    """What a text says beneath a disguise. `places` are, for each character, where it begins and ends in that text."""

    text: str
    places: Callable[[], Places]


def views(text: str) -> Iterator[View]:
    """What `text` says beneath each disguise that it wears."""
    if not text.isascii() and _LOOKS_LATIN.search(text):
        yield View(text.translate(_LATIN), lambda: _kept(text))
    yield from unwrapped(text)


def unwrapped(text: str) -> Iterator[View]:
    """What `text` says with its escapes undone, and in its pieces of base64 and hexadecimal."""
    if _HAS_ESCAPE.search(text):
        yield _unescaped(text)
    decoded = _decoded(text) if _HAS_RUN.search(text) else None
    if decoded is not None:
        yield decoded


def bare(text: str) -> str:
    """`text` in Latin letters, as far as they look like ones, without accents."""
    return text if text.isascii() else _NOT_ASCII.sub(lambda match: _BARE.get(ord(match[0]), match[0]) or "", text)


def _kept(text: str) -> Places:
    starts = [place for place, char in enumerate(text) if _LATIN.get(ord(char), "") is not None]
    return starts, [*starts[1:], len(text)]


# -- escapes -----------------------------------------------------------------------------------------------------------


def _unescaped(text: str) -> View:
    parts: list[tuple[int, int, str]] = []
    last = 0
    for match in _ESCAPE.finditer(text):
        start, end = match.span()
        said = _said(match.group())
        if start > last:
            parts.append((last, start, ""))
        parts.append((start, end, said))
        last = end
        if len(parts) >= 2 * _MOST_ESCAPES:
            break
    parts.append((last, len(text), ""))
    return View("".join(said or text[start:end] for start, end, said in parts), lambda: _spread(parts))


def _said(escape: str) -> str:
    if escape[0] == "&":
        return html.unescape(escape)
    if escape[0] == "\\":
        units = [int(unit, 16) for unit in escape[2:].split("\\u")]
        # Half of a pair alone is no character, and nothing that comes after could read it.
        return b"".join(unit.to_bytes(2) for unit in units).decode("utf-16-be", "replace")
    return bytes.fromhex(escape.replace("%", "")).decode("utf-8", "replace")


def _spread(parts: list[tuple[int, int, str]]) -> Places:
    """Each character of what was said comes from the whole of its part; where nothing was said, from its own place."""
    starts: list[int] = []
    ends: list[int] = []
    for start, end, said in parts:
        starts += [start] * len(said) if said else range(start, end)
        ends += [end] * len(said) if said else range(start + 1, end + 1)
    return starts, ends


# -- base64 and hexadecimal ----------------------------------------------------------------------------------------------


def _decoded(text: str) -> View | None:
    parts: list[tuple[int, int, str]] = []
    spent = 0
    for number, match in enumerate(_RUN.finditer(text)):
        start, end = match.span()
        run = match[0]
        if run == run.lower() and _HEXADECIMAL.match(run) is None:
            continue  # base64 of a text has letters of both cases; a path or a name in a program has not
        spent += min(end - start, _LONGEST)
        if number >= _MOST_RUNS or spent > _MOST_DECODED:
            break
        parts += _pieces(run, start)
    if not parts:
        return None
    lines = [(start, end, f"{said}\n") for start, end, said in parts]
    return View("".join(said for _, _, said in lines), lambda: _spread(lines))


def _pieces(run: str, place: int) -> list[tuple[int, int, str]]:
    """What a run says as a whole, or what its lines or the parts of its path do."""
    whole = _text_of(run)
    if whole is not None:
        return [(place, place + len(run), whole)]
    found: list[tuple[int, int, str]] = []
    if "/" not in run and "\n" not in run:
        return found
    most = run.rfind("\n")
    whole = _text_of(run[:most]) if most > 0 else None
    if whole is not None:
        return [(place, place + most, whole)]
    for match in _SPLITS.finditer(run):
        said = _text_of(match.group()) if match.end() - match.start() >= _FEWEST else None
        if said is not None:
            found.append((place + match.start(), place + match.end(), said))
    return found


def _text_of(run: str) -> str | None:
    """The text that a run encodes, or None when it does not."""
    run = "".join(run[:_LONGEST].split())
    digits = run.removeprefix("0x")
    data = b""
    if len(digits) % 2 == 0:
        try:
            data = bytes.fromhex(digits)
        except ValueError:
            data = b""
    if not data:
        data = _from_base64(run)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if error.end < len(data) - 3 or len(run) < _LONGEST:
            return None
        text = data[: error.start].decode()
    return text if text and _is_written(text) else None


def _from_base64(run: str) -> Any:
    written = run.rstrip("=").encode().translate(_STANDARD)
    if len(written) % 4 == 1:
        written = written[:-1]
    try:
        return binascii.a2b_base64(written + b"=" * (-len(written) % 4))
    except binascii.Error:
        return b""


def _is_written(text: str) -> bool:
    """Whether these are characters that people write: noise that happens to be UTF-8 has others among them."""
    return text.translate({9: " ", 10: " ", 13: " "}).isprintable()
