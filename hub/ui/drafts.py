"""What a model or a route would do if it were saved as it is typed."""

from typing import Any

from hub.ui.sources import Visit

_ANY = "x"  # the name of a draft that has none yet


async def imagined(visit: Visit, kind: str, name: str, spec: dict[str, Any], asked: dict[str, str]) -> dict[str, Any]:
    """The plan of a call as `asked` with the draft in force. A route is asked for by name. Raises Refusal."""
    name = name or _ANY
    header, _, value = asked["header"].partition("=")
    headers = {header.strip(): value.strip()} if header.strip() else {}
    model = name
    if kind == "routes":
        headers = {"x-hub-route": name, **headers}
        model = asked["model"] or next(iter(await visit.names("models")), "")
    content: Any = [{"type": "image_url", "image_url": {"url": "?"}}] if asked["images"] else "?"
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": content}]}
    if asked["tools"]:
        body["tools"] = [{"type": "function", "function": {"name": "any"}}]
    tokens = int(asked["tokens"]) if asked["tokens"].isdecimal() and len(asked["tokens"]) < 8 else 0
    draft = {"kind": kind, "name": name, "spec": spec}
    return await visit.send("POST", "/explain", {"draft": draft, "body": body, "headers": headers, "tokens": tokens})
