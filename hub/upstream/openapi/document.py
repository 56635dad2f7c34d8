"""An OpenAPI document, read: from a file or an address, JSON or YAML, with references within itself only."""

import json
from typing import Any, cast

import yaml

from hub.core.refusal import UpstreamFailed

MOST_DOCUMENT = 16 << 20  # bytes
_MOST_DEPTH = 64
_MOST_NODES = 400_000

Json = dict[str, Any]


class NotADocument(UpstreamFailed):
    """What was read is no OpenAPI document, or none that the hub understands."""

    def __init__(self, message: str) -> None:
        super().__init__("upstream_protocol", f"its OpenAPI document {message}")


def parse_document(data: bytes) -> Json:
    """The document in `data`. Raises NotADocument; no message repeats what stands in it."""
    if len(data) > MOST_DOCUMENT:
        raise NotADocument(f"has more than {MOST_DOCUMENT >> 20} MiB")
    try:
        text = data.decode("utf-8-sig")
        loaded: Any = json.loads(text) if text.lstrip()[:1] == "{" else yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a safe loader
    except UnicodeDecodeError:
        raise NotADocument("is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise NotADocument(f"is not JSON (line {error.lineno})") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise NotADocument(f"is not YAML (line {line})") from None
    except (yaml.YAMLError, RecursionError, ValueError):
        raise NotADocument("is neither JSON nor YAML") from None
    if not isinstance(loaded, dict) or not str(loaded.get("openapi", "")).startswith("3."):
        raise NotADocument("does not say 'openapi: 3.x'; convert older ones first")
    _check_size(loaded)
    return cast("Json", loaded)


class _PlainLoader(yaml.SafeLoader):
    """YAML as JSON has it: no dates, which would not be JSON again."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _check_size(document: object) -> None:
    """Raise NotADocument for what is deep or, by aliases, large."""
    nodes = 0
    level: list[object] = [document]
    for _ in range(_MOST_DEPTH):
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner += cast("Json", one).values()
            elif isinstance(one, list):
                inner += cast("list[object]", one)
            if nodes + len(inner) > _MOST_NODES:
                raise NotADocument("is too large")
        nodes += len(inner)
        level = [one for one in inner if isinstance(one, dict | list)]
        if not level:
            return
    raise NotADocument(f"is nested more than {_MOST_DEPTH} deep")


def resolved(document: Json, value: object) -> Json:
    """An object of the document, with its reference followed. Raises ValueError when it leads elsewhere."""
    for _ in range(8):
        if not isinstance(value, dict):
            raise ValueError("something is no object")  # noqa: TRY004 - the document's fault, told as such
        members = cast("Json", value)
        reference = members.get("$ref")
        if not isinstance(reference, str):
            return members
        value = pointed_at(document, reference)
    raise ValueError("references go in a circle")


def pointed_at(document: Json, reference: str) -> object:
    """What `#/a/b` points at. Raises ValueError; nothing is ever fetched."""
    if not reference.startswith("#/"):
        raise ValueError("a reference leads out of the document, and nothing is fetched for it")
    value: object = document
    for part in reference[2:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(value, dict) or name not in value:
            raise ValueError("a reference leads to nothing")
        value = value[name]
    return value
