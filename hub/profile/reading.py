"""Resources for clients that know tools alone: what there is to read, and what was read as a tool's result."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hub.core.principal import Principal
from hub.profile.offers import object_of
from hub.profile.view import Kind, ProfileView

PAGE = 100
_SHOWN = ("uri", "uriTemplate", "name", "title", "description", "mimeType", "size")
_members = msgspec.json.Decoder(dict[str, Any])
_encode = msgspec.json.encode


def resources_page(view: ProfileView, principal: Principal, words: str, offset: int) -> bytes:
    """A tool's result: resources and templates that `principal` may read and in which every word occurs, a page of them."""
    kinds = (Kind.RESOURCES, Kind.TEMPLATES)
    items = [item for kind in kinds for item in view.items(kind).values() if view.allows(principal, item)]
    told = [{name: value for name, value in _of(item.definition).items() if name in _SHOWN} for item in items]
    found = [one for one in told if all(word in str(one).lower() for word in words.lower().split())]
    page = found[offset : offset + PAGE]
    text = "\n".join(map(_line, page)) or "There is nothing to read."
    left = len(found) - offset - len(page)
    if left > 0:
        text += f"\n[{left} more: offset={offset + len(page)}]"
    return _encode({"content": [{"type": "text", "text": text}], "structuredContent": {"resources": page}})


def _of(definition: bytes) -> dict[str, Any]:
    return _members.decode(definition)


def _line(one: Mapping[str, Any]) -> str:
    about = " ".join(str(one.get("description") or one.get("title") or one.get("name") or "").split())[:300]
    return f"{one.get('uri') or one.get('uriTemplate')}: {about}"


def as_tool_result(result: bytes) -> bytes:
    """What a server gave for a resource, as a tool would give it. An answer that asks something first stays as it is."""
    members = object_of(result)
    if "contents" not in members:
        return result
    try:
        contents = msgspec.json.decode(members.pop("contents"), type=list[dict[str, Any]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return result
    for hint in ("ttlMs", "cacheScope"):
        members.pop(hint, None)
    return _encode({"content": list(map(_block, contents)), "isError": False, **members})


def _block(content: dict[str, Any]) -> dict[str, Any]:
    """What models can read is text, what they can see or hear is that; anything else stays a resource."""
    text, blob, kind = content.get("text"), content.get("blob"), str(content.get("mimeType", ""))
    sort = kind.partition("/")[0]
    if isinstance(text, str):
        return {"type": "text", "text": text}
    if isinstance(blob, str) and sort in ("image", "audio"):
        return {"type": sort, "data": blob, "mimeType": kind}
    return {"type": "resource", "resource": content}
