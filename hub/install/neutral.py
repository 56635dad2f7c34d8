"""Text that strangers wrote, made harmless: no control or direction marks, no markup that is followed or rendered."""

import re
import unicodedata

# Reorders what is shown, hides what is said, or carries text that only a machine reads (tags, variation selectors).
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\ufe00-\ufe0f\U000e0000-\U000e0fff]"
)
_URL = re.compile(r"(?:\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://|\bwww\.|\bmailto:|\bjavascript:|\bdata:)[^\s`<>|]*")
_MARKUP = re.compile(r"([\\`*{}\[\]#|~!&]|(?<![A-Za-z0-9_])_|_(?![A-Za-z0-9_]))")


def plain(text: object, most: int = 300) -> str:
    """One line of visible text, at most `most` characters, with an ellipsis where it was cut."""
    if not isinstance(text, str):
        return ""
    line = _HIDDEN.sub("", unicodedata.normalize("NFC", text[: most * 20]))
    line = "".join(" " if unicodedata.category(letter) in _NO_TEXT else letter for letter in line)
    line = " ".join(line.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


_NO_TEXT = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})


def markdown(text: object, most: int = 300) -> str:
    """The same for Markdown: markup is escaped and addresses stand as code, so that nothing links or renders."""
    line = plain(text, most)
    parts: list[str] = []
    at = 0
    for match in _URL.finditer(line):
        parts += [_escaped(line[at : match.start()]), f"`{match.group()}`"]
        at = match.end()
    return "".join([*parts, _escaped(line[at:])])


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", text).replace("<", "&lt;").replace(">", "&gt;")


def code(text: object, most: int = 128) -> str:
    """A name as code in Markdown, whatever it holds."""
    return f"`{plain(text, most).replace('`', chr(0x27)).replace('|', '/')}`"
