"""Results that are too long to be shown whole: their beginning, a notice, and the rest kept for a while."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import re2

from hub.core.refusal import Malformed, NotFound
from hub.profile.offers import Object, object_of

SCHEME = "hub-result"
_MOST_MATCHES = 100
_MOST_LINE = 500  # characters of a matching line
_items = msgspec.json.Decoder(list[msgspec.Raw])
_texts = msgspec.json.Decoder(str)
_encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Room:
    """How much is kept: seconds, and characters of everybody and of one caller."""

    seconds: float = 3600.0
    most: int = 64 << 20
    most_of_one: int = 16 << 20


@dataclass(frozen=True, slots=True)
class _Kept:
    owner: str
    profile: str
    text: str
    until: float


class Results:
    """What is kept, by id. Only who got a result can read on in it; the oldest gives way."""

    def __init__(self, room: Room = Room(), clock: Callable[[], float] = time.monotonic) -> None:
        self._room = room
        self._clock = clock
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._size = 0
        self._sizes: dict[str, int] = {}

    def keep(self, owner: str, profile: str, text: str) -> str:
        """Keep a text; returns its id, or '' when it is too long to be kept."""
        if len(text) > self._room.most_of_one:
            return ""
        now = self._clock()
        while self._kept and next(iter(self._kept.values())).until <= now:
            self._drop(next(iter(self._kept)))
        while self._sizes.get(owner, 0) + len(text) > self._room.most_of_one:
            self._drop(next(key for key, kept in self._kept.items() if kept.owner == owner))
        while self._size + len(text) > self._room.most:
            self._drop(next(iter(self._kept)))
        key = secrets.token_urlsafe(12)
        self._kept[key] = _Kept(owner, profile, text, now + self._room.seconds)
        self._size += len(text)
        self._sizes[owner] = self._sizes.get(owner, 0) + len(text)
        return key

    def _drop(self, key: str) -> None:
        kept = self._kept.pop(key)
        self._size -= len(kept.text)
        left = self._sizes[kept.owner] - len(kept.text)
        if left:
            self._sizes[kept.owner] = left
        else:
            del self._sizes[kept.owner]

    def find(self, owner: str, profile: str, key: str) -> str:
        """A text that is still kept for its owner. Raises NotFound."""
        kept = self._kept.get(key)
        if kept is None or (kept.owner, kept.profile) != (owner, profile) or kept.until <= self._clock():
            raise NotFound("resource_not_found", "There is no such result any more. Call the tool again.")
        return kept.text


def fitted(result: bytes, most: int, keep: Callable[[str], str], *, has_schema: bool) -> bytes:
    """A tool result of at most about `most` bytes. `keep` keeps the whole text and gives its id.

    What a tool promised a schema for stays whole, beside contents that are shortened. A result of the usual size is not
    even read.
    """
    if len(result) <= most:
        return result
    members = object_of(result)
    promised = has_schema and "structuredContent" in members
    if promised and len(members.get("content", b"")) <= most:
        return result
    try:
        items = _items.decode(members.get("content", b"[]"))
    except msgspec.DecodeError:
        return result
    if "structuredContent" in members and not promised:
        del members["structuredContent"]
        if len(_encode(members)) <= most:
            members["content"] = msgspec.Raw(_encode([*items, _text("[The same as structured content is left out.]")]))
            return _encode(members)
    members["content"] = msgspec.Raw(_encode(_shortened(items, most, keep)))
    return _encode(members)


def _shortened(items: list[msgspec.Raw], most: int, keep: Callable[[str], str]) -> list[Any]:
    texts: list[str] = []
    others: list[Any] = []
    left_out: list[str] = []
    for item in items:
        member: Object = object_of(bytes(item))
        kind = _string(member.get("type"))
        if kind == "text":
            texts.append(_string(member.get("text")))
        elif len(item) <= most // 4:
            others.append(item)
        else:
            left_out.append(f"[{kind or 'something'} of {len(bytes(item))} bytes is left out]")
    whole = "\n".join((*texts, *left_out))
    head = whole.encode()[: most * 3 // 4].decode("utf-8", "ignore")
    if len(head) >= len(whole):
        return [_text(whole), *others]
    key = keep(whole)
    notice = f"[The result has {len(whole)} characters; the first {len(head)} are shown. "
    if not key:
        return [_text(f"{head}\n\n{notice}The rest is too long to be kept: ask for less.]"), *others]
    notice += (
        f"Read on with read_result(id='{key}', offset={len(head)}), or search it with "
        f"grep_result(id='{key}', pattern=...).]"
    )
    link = {"type": "resource_link", "uri": f"{SCHEME}://{key}", "name": "The whole result", "mimeType": "text/plain"}
    return [_text(f"{head}\n\n{notice}"), *others, {**link, "size": len(whole.encode())}]


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _string(raw: Any) -> str:
    try:
        return _texts.decode(raw) if raw is not None else ""
    except msgspec.DecodeError:
        return ""


def page_of(text: str, offset: int, limit: int) -> str:
    """A part of a text, and where it goes on."""
    part = text[offset : offset + limit]
    end = offset + len(part)
    more = f"[{len(text) - end} more characters: offset={end}]" if end < len(text) else "[This is the end.]"
    return f"{part}\n\n{more}"


def grep_text(text: str, pattern: str, context: int) -> str:
    """The lines in which a pattern is found, with their numbers. Raises Malformed."""
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern[:1000], options)
    except re2.error as error:
        said = error.args[0].decode("utf-8", "replace") if error.args else ""
        raise Malformed("malformed", f"The pattern is not one that RE2 accepts: {said[:200]}") from None
    lines = text.splitlines()
    hits = [index for index, line in enumerate(lines) if compiled.search(line)]
    shown: dict[int, str] = {}
    for hit in hits[:_MOST_MATCHES]:
        for index in range(max(0, hit - context), min(len(lines), hit + context + 1)):
            shown.setdefault(index, " ")
        shown[hit] = ":"
    found = [f"{index + 1}{mark} {lines[index][:_MOST_LINE]}" for index, mark in sorted(shown.items())]
    more = f"\n[{len(hits) - _MOST_MATCHES} more lines]" if len(hits) > _MOST_MATCHES else ""
    return ("\n".join(found) or "[No line matches.]") + more
