"""Opaque blocks of one vendor on their way through another dialect: wrapped whole, and opened unchanged.

A caller gives back what a model has thought and signed, word for word, or the vendor refuses the next turn. Where
the caller's dialect has room for a text only, that text holds the whole block and says whose it is.
"""

from base64 import b64decode, b64encode
from typing import Any

import msgspec

from hub.core.values import a_dict, a_text
from hub.dialect.neutral import Thinking

# Base64 itself, as all that follows it, since Gemini wants nothing else. Long, and of capitals, which prompts have few of:
# a search for it looks at one character of a dozen.
MARK = "HUBSEALEDTHOUGHTPASSITBACKASITIS"
_MARK = MARK.encode()
_HEAD = b64decode(MARK)
_STANDARD = str.maketrans("-_", "+/")  # some clients write base64 in its other alphabet


def holds_sealed(body: bytes) -> bool:
    """Whether a request may carry a block that was sealed before."""
    return body.rfind(_MARK) >= 0  # from the end it is twice as fast, on prompts of hundreds of kilobytes


def seal(block: Thinking) -> str:
    """The block as a text that only the hub opens."""
    held = {"o": block.origin, "t": block.text, "s": block.signature, "i": block.id, "r": block.redacted}
    return b64encode(_HEAD + msgspec.json.encode(held)).decode()


def unseal(text: str) -> Thinking | None:
    """The block in a sealed text; None when it is none. Nothing is taken from it but strings."""
    if not text.startswith(MARK):
        return None
    try:
        held = a_dict(msgspec.json.decode(b64decode(text.translate(_STANDARD))[len(_HEAD) :]))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not a_text(held.get("o")):
        return None
    return Thinking(
        text=a_text(held.get("t")),
        signature=a_text(held.get("s")),
        origin=a_text(held.get("o")),
        id=a_text(held.get("i")),
        redacted=held.get("r") is True,
    )


def told(block: Thinking, vendor: str) -> str:
    """The signature to show to a caller of `vendor`'s dialect: the vendor's own as it is, any other sealed."""
    return block.signature if block.origin == vendor and not block.id else seal(block)


def opaque(value: Any, text: str, vendor: str) -> Thinking:
    """The block that a caller gives back: what was sealed, or their own vendor's with this signature."""
    signature = a_text(value)
    opened = unseal(signature)
    if opened is not None:
        return opened
    return Thinking(text=text, signature=signature, origin=vendor if signature else "open")
