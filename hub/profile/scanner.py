"""What in a definition is meant for a model rather than for people: instructions, hidden characters, other tools."""

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import msgspec
import re2

_MOST_FINDINGS = 20  # of one definition
_SHOWN = 80  # characters around what was found

# Sentences that speak to a model. RE2: a description is foreign text, and matching it takes linear time.
_TELL = r"tell|mention|inform|reveal|show|notify|let|disclose|say"
_SECRETS = r"https?://|conversation|history|credentials?|passwords?|api[ _-]?keys?|tokens?"
_OTHERS = r"(?:this|any|another|other|the)\s+(?:other\s+)?tools?"
_PATTERNS = (
    r"\b(?:ignore|disregard|forget)\s+(?:all\s+|any\s+|the\s+|your\s+|every\s+)*(?:previous|prior|above|earlier|other|existing)\b",
    rf"\b(?:do\s+not|don'?t|never)\s+(?:{_TELL})\b[^.]{{0,60}}\b(?:user|human|anyone|them|him|her)\b",
    r"\bwithout\s+(?:telling|informing|asking|notifying|mentioning)\b",
    rf"\b(?:before|after|when)\s+(?:using|calling|running|invoking)\s+{_OTHERS}\b[^.]{{0,80}}\b(?:must|should|read|call|send|first)\b",
    r"<\s*/?\s*(?:important|system|instructions?|secret|hidden|assistant|critical)\s*>",
    r"\b(?:system|developer)\s+(?:prompt|message|instructions?)\b",
    r"\byou\s+(?:must|have\s+to|are\s+required\s+to)\s+(?:always|first|never|read|send|include|call|pass)\b",
    r"\b(?:takes?\s+precedence\s+over|overrides?|supersedes?)\s+(?:all|any|every|other)\b",
    r"(?:~/\.|/)(?:ssh|aws|kube|gnupg)/|\bid_rsa\b|\.env\b|\bmcp\.json\b|/etc/(?:passwd|shadow)\b",
    rf"\b(?:send|post|upload|forward|exfiltrate)\b[^.]{{0,60}}\b(?:{_SECRETS})\b",
    r"<!--",
)
_INSTRUCTIONS = tuple(re2.compile(f"(?i){pattern}") for pattern in _PATTERNS)
_NAMED = {0x00AD: "soft hyphen", 0x061C: "bidi mark", 0xFEFF: "zero-width no-break space", 0x2060: "word joiner"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at. `kind` is instruction, hidden or reference; `place` is where in the definition it stands.

    `excerpt` can be shown: what is hidden in it is written out.
    """

    kind: str
    place: str
    excerpt: str


@lru_cache(maxsize=2048)
def findings(definition: bytes, others: frozenset[str] = frozenset()) -> tuple[Finding, ...]:
    """What stands out in a definition. `others` are names of tools of other servers."""
    try:
        value = msgspec.json.decode(definition)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    found: list[Finding] = []
    for place, text in _texts(value, ""):
        found += _in_text(place, text, others)
        if len(found) >= _MOST_FINDINGS:
            break
    return tuple(found[:_MOST_FINDINGS])


def _texts(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            here = f"{place}.{name}" if place else name
            if _hidden(name):
                yield here, name
            yield from _texts(inner, here)
    elif isinstance(value, list):
        for index, inner in enumerate(cast("list[Any]", value)):
            yield from _texts(inner, f"{place}.{index}")


def _in_text(place: str, text: str, others: Collection[str]) -> Iterator[Finding]:
    hidden = _hidden(text)
    if hidden:
        yield Finding("hidden", place, f"{hidden} in: {plain(text)[:_SHOWN]}")
    # What is hidden between letters must not hide a sentence.
    bare = unicodedata.normalize("NFKC", "".join(char for char in text if not _kind(char)))
    for pattern in _INSTRUCTIONS:
        match = pattern.search(bare)
        if match is not None:
            start = max(0, match.start() - 20)
            yield Finding("instruction", place, plain(bare[start : start + _SHOWN]))
            break
    if place.rpartition(".")[2] in ("description", "title"):
        words = set(re.findall(r"[A-Za-z0-9]+(?:[_.-]+[A-Za-z0-9]+)+", bare)) & set(others)
        for name in sorted(words)[:3]:
            yield Finding("reference", place, f"names '{name}', a tool of another server")


def _kind(char: str) -> str:
    """What kind of hidden character this is, or ''."""
    code = ord(char)
    if code < 0x20 or 0x7F <= code < 0xA0:
        return "" if char in "\n\r\t" else "control character"
    if code < 0x300:
        return _NAMED.get(code, "")
    if 0xE0000 <= code <= 0xE007F:
        return "tag character"
    if code in (0x200E, 0x200F, 0x061C) or 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069:
        return "bidi control"
    if code in (0x200B, 0x200C) or 0x2060 <= code <= 0x2064 or code in (0xFEFF, 0x180E, 0x3164, 0x115F, 0x1160):
        return "zero-width character"
    if 0xE0100 <= code <= 0xE01EF or 0xE000 <= code <= 0xF8FF or code >= 0xF0000:
        return "character without a meaning of its own"
    return ""


def _hidden(text: str) -> str:
    """The kinds of hidden characters in a text, or ''."""
    if text.isascii() and text.isprintable():
        return ""
    return ", ".join(sorted({kind for kind in map(_kind, text) if kind}))


def plain(text: str) -> str:
    """A text that can be shown: hidden characters are written as <U+XXXX>."""
    return "".join(f"<U+{ord(char):04X}>" if _kind(char) else char for char in text)
