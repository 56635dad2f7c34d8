"""From a tool call to a request of an API: every argument encoded so that it stays in its place."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlencode

from hub.upstream.openapi.operations import Operation, Parameter

_SEPARATORS = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}


class BadArgument(ValueError):
    """An argument is missing, or cannot be put where it belongs."""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What is sent: the path with its query, headers, body."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def request_of(operation: Operation, arguments: Mapping[str, Any]) -> ApiRequest:
    """The request of a call. Raises BadArgument."""
    path, query = operation.path, list[str]()
    headers: list[tuple[str, str]] = [("Accept", "application/json, text/*;q=0.9, */*;q=0.5")]
    cookies: list[str] = []
    for parameter in operation.parameters:
        value = arguments.get(parameter.argument)
        if value is None:
            if parameter.place == "path":
                raise BadArgument(f"'{parameter.argument}' is missing")
            continue
        match parameter.place:
            case "path":
                path = path.replace("{" + parameter.name + "}", _segment(parameter, value))
            case "query":
                query += _query(parameter, value)
            case "header":
                headers.append((parameter.name, _header(parameter, value)))
            case _:
                cookies.append(f"{quote(parameter.name, safe='')}={quote(_flat(value, ','), safe='')}")
    if any(part in (".", "..") for part in path.split("/")):
        raise BadArgument("the arguments would leave the path of the operation")
    if cookies:
        headers.append(("Cookie", "; ".join(cookies)))
    body = _body(operation, arguments)
    if operation.media and body:
        headers.append(("Content-Type", operation.media))
    return ApiRequest(operation.method, path + ("?" + "&".join(query) if query else ""), tuple(headers), body)


def _segment(parameter: Parameter, value: object) -> str:
    text = _flat(value, ",")
    if not text:
        raise BadArgument(f"'{parameter.argument}' is empty")
    # Some servers decode a path before they look at it, so an encoded way up is one too.
    decoded = text.replace("\\", "/")
    if any(part.strip() in (".", "..") for part in decoded.split("/")) or "\0" in text or "%2e" in text.lower():
        raise BadArgument(f"'{parameter.argument}' may not lead to another path")
    return quote(text, safe="")


def _query(parameter: Parameter, value: object) -> Iterable[str]:
    name = quote(parameter.name, safe="")
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        if parameter.style == "json":
            return [f"{name}={quote(json.dumps(value), safe='')}"]
        if parameter.style == "deepObject":
            return [f"{name}%5B{quote(key, safe='')}%5D={quote(_text(one), safe='')}" for key, one in members.items()]
        if parameter.explode:
            return [f"{quote(key, safe='')}={quote(_text(one), safe='')}" for key, one in members.items()]
        return [f"{name}={quote(_flat(value, ','), safe=',')}"]
    if isinstance(value, list):
        values = [quote(_text(one), safe="") for one in cast("list[object]", value)]
        if parameter.style == "json":
            return [f"{name}={quote(json.dumps(value), safe='')}"]
        if parameter.explode:
            return [f"{name}={one}" for one in values]
        return [f"{name}={_SEPARATORS.get(parameter.style, ',').join(values)}"]
    return [f"{name}={quote(_text(value), safe='')}"]


def _header(parameter: Parameter, value: object) -> str:
    text = json.dumps(value) if parameter.style == "json" else _flat(value, ",")
    if not text.isascii() or any(char < " " or char == "\x7f" for char in text):
        raise BadArgument(f"'{parameter.argument}' goes into a header, which holds plain ASCII only")
    return text


def _flat(value: object, separator: str) -> str:
    if isinstance(value, list):
        return separator.join(_text(one) for one in cast("list[object]", value))
    if isinstance(value, dict):
        return separator.join(f"{key}{separator}{_text(one)}" for key, one in cast("dict[str, object]", value).items())
    return _text(value)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _body(operation: Operation, arguments: Mapping[str, Any]) -> bytes:
    if operation.members:
        members = {name: arguments[argument] for argument, name in operation.members if argument in arguments}
        if operation.media.endswith("json"):
            return json.dumps(members, ensure_ascii=False).encode("utf-8", "surrogatepass") if members else b"{}"
        pairs = [
            (name, _text(one))
            for name, value in members.items()
            for one in (value if isinstance(value, list) else [value])
        ]
        return urlencode(pairs).encode()
    if operation.body and operation.body in arguments:
        value = arguments[operation.body]
        if isinstance(value, str) and not operation.media.endswith("json"):
            return value.encode("utf-8", "replace")
        if isinstance(value, dict) and operation.media.startswith("application/x-www"):
            return urlencode([(key, _text(one)) for key, one in cast("dict[str, object]", value).items()]).encode()
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    return b""
