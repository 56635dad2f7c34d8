"""From an API's answer to a tool result: JSON and text as they are, images as images, the rest by its size."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import msgspec

_MOST_ERROR = 8 << 10  # characters of an error's body
_MOST_BINARY = 4 << 20  # bytes


def result_of(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """The result of a call, as JSON."""
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if status >= 300:
        return _failure(status, headers, media, body)
    if not body:
        return _content([{"type": "text", "text": f"HTTP status {status}, without a body."}])
    if media.endswith("json"):
        return _json(body)
    kind = media.partition("/")[0]
    if kind in ("image", "audio") and len(body) <= _MOST_BINARY:
        return _content([{"type": kind, "data": base64.b64encode(body).decode(), "mimeType": media}])
    if kind == "text" or media in ("application/xml", "application/yaml", "") or media.endswith("+xml"):
        return _content([{"type": "text", "text": body.decode("utf-8", "replace")}])
    return _content([{"type": "text", "text": f"{len(body)} bytes of {media[:100]}, which is not shown."}])


def _json(body: bytes) -> bytes:
    text = body.decode("utf-8-sig", "replace")
    try:
        value: Any = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        return _content([{"type": "text", "text": text}])
    # Structured content is an object for every client; the numbers in it stay as the API wrote them.
    structured = text.strip() if isinstance(value, dict) else '{"result":' + text.strip() + "}"
    content = json.dumps([{"type": "text", "text": text}], ensure_ascii=False)
    return f'{{"content":{content},"structuredContent":{structured},"isError":false}}'.encode("utf-8", "replace")


def _failure(status: int, headers: Mapping[str, str], media: str, body: bytes) -> bytes:
    if 300 <= status < 400:
        text = f"HTTP status {status}: the API redirects, and redirects are not followed."
    else:
        shown = body.decode("utf-8", "replace")[:_MOST_ERROR] if "json" in media or media.startswith("text/") else ""
        after = headers.get("retry-after", "")[:40]
        text = f"HTTP status {status}." + (f" Retry after {after}." if after else "") + (f"\n{shown}" if shown else "")
    return _content([{"type": "text", "text": text}], is_error=True)


def _content(items: list[dict[str, Any]], *, is_error: bool = False) -> bytes:
    return msgspec.json.encode({"content": items, "isError": is_error})


def complaint(text: str) -> bytes:
    """The result of a call that could not be made."""
    return _content([{"type": "text", "text": text}], is_error=True)
