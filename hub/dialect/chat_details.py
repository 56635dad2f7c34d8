"""Signed thinking in Chat Completions, as OpenRouter and other hubs tell it: `reasoning_details`, whole or in pieces."""

from typing import Any

import msgspec

from hub.core.values import a_dict, a_list, a_text
from hub.dialect.given import json_text
from hub.dialect.members import UNREADABLE

_GROWS = ("text", "summary", "data", "signature")


class Details:
    """Puts the details of one answer together. What they hold goes back to their server as it came."""

    def __init__(self) -> None:
        self._whole: list[dict[str, Any]] = []

    def add(self, message: dict[str, Any]) -> bool:
        """Take what a message or a delta tells; whether any of it is opaque, so that the server will want it back."""
        opaque = False
        for detail in map(a_dict, a_list(message.get("reasoning_details"))):
            opaque |= bool(detail.get("signature") or detail.get("data"))
            last = self._whole[-1] if self._whole else {}
            same = ("type", "index", "id")
            if last and all(last.get(name) == detail.get(name) or detail.get(name) is None for name in same):
                for name, value in detail.items():
                    if name in _GROWS and isinstance(value, str) and isinstance(last.get(name), str):
                        last[name] += value
                    elif value is not None:
                        last[name] = value
                    else:
                        last.setdefault(name, None)
            else:
                self._whole.append(dict(detail))
        return opaque

    def told(self) -> str:
        """All of it as a signature, once; "" where nothing of it is opaque."""
        whole, self._whole = self._whole, []
        if not any(detail.get("signature") or detail.get("data") for detail in whole):
            return ""
        return json_text(whole)


def text_in(message: dict[str, Any]) -> str:
    """What a message or a delta tells of the thinking, in whichever of its places."""
    told = a_text(message.get("reasoning_content")) or a_text(message.get("reasoning"))
    if told:
        return told
    details = map(a_dict, a_list(message.get("reasoning_details")))
    return "".join(a_text(detail.get("text")) or a_text(detail.get("summary")) for detail in details)


def details_in(signature: str) -> list[Any]:
    """The details that `Details.told` made a signature of; none where it is another."""
    try:
        return a_list(msgspec.json.decode(signature)) if signature else []
    except UNREADABLE:
        return []
