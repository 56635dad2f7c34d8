"""What a tool answered, for a model and for the caller: text, pictures, and whether it failed."""

import msgspec
from msgspec import Struct

from hub.core.refusal import Refusal
from hub.core.values import a_dict, a_list, a_text
from hub.dialect.members import UNREADABLE
from hub.upstream import RpcReply

MOST_TEXT = 400_000  # characters of one result that a model is shown


class Picture(Struct, frozen=True):
    """An image: base64 `data` of type `mime`."""

    mime: str
    data: str


class Outcome(Struct, frozen=True):
    """The end of one call of a tool."""

    texts: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    failed: bool = False

    @property
    def text(self) -> str:
        """All its text."""
        return "\n".join(self.texts)


def outcome_of(reply: RpcReply) -> Outcome:
    """What a server answered."""
    if reply.error is not None:
        return Outcome((_message(reply.error),), failed=True)
    try:
        result = a_dict(msgspec.json.decode(reply.result or b"{}"))
    except UNREADABLE:
        return Outcome(("The tool's answer cannot be read.",), failed=True)
    if result.get("resultType") == "input_required":
        return Outcome(("The tool asks its user something, which is not possible here.",), failed=True)
    texts: list[str] = []
    pictures: list[Picture] = []
    for one in map(a_dict, a_list(result.get("content"))):
        match one.get("type"):
            case "text":
                texts.append(a_text(one.get("text")))
            case "image":
                pictures.append(Picture(a_text(one.get("mimeType")) or "image/png", a_text(one.get("data"))))
            case "resource":
                held = a_dict(one.get("resource"))
                texts.append(a_text(held.get("text")) or f"[{a_text(held.get('uri'))}]")
            case _:
                texts.append(msgspec.json.encode(one).decode())
    if not texts and not pictures and "structuredContent" in result:
        texts.append(msgspec.json.encode(result["structuredContent"]).decode())
    return Outcome(tuple(_bounded(texts)), tuple(pictures), result.get("isError") is True)


def refused(refusal: Refusal) -> Outcome:
    """A call that was not made, or did not get through."""
    return Outcome((refusal.message,), failed=True)


def _bounded(texts: list[str]) -> list[str]:
    left, kept = MOST_TEXT, list[str]()
    for text in texts:
        kept.append(text[:left])
        left -= len(kept[-1])
        if left <= 0:
            kept.append("[What follows was left out: it is too long.]")
            break
    return kept


def _message(error: bytes) -> str:
    try:
        return a_text(a_dict(msgspec.json.decode(error)).get("message")) or "The tool failed."
    except UNREADABLE:
        return "The tool failed."
