"""What a body must look like: the tools it may name, the JSON schema it must fit, the languages it may be in."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import re2

from hub.core.principal import Globs
from hub.core.rarely import Part, load
from hub.policy.languages import language_of
from hub.policy.pack import options
from hub.policy.text import Reading
from hub.resources.safety import GuardrailSpec

Validate = Callable[[Any], bool]
_MOST_NODES = 100_000
_CALLED = ("arguments", "input", "parameters", "input_schema", "args")


def _search(pattern: str, text: str) -> object:
    return re2.search(pattern, text, options())  # linear in time


def tool_names(body: bytes) -> Iterator[str]:
    """The names of all tools that a model's request offers or its answer calls, in any dialect."""
    try:
        stack: list[Any] = [msgspec.json.decode(body)]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return
    nodes = 0
    while stack and nodes < _MOST_NODES:
        node = stack.pop()
        nodes += 1
        if isinstance(node, dict):
            name = node.get("name")
            if isinstance(name, str) and any(field in node for field in _CALLED):
                yield name
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)


def stranger(globs: Globs, names: Iterator[str]) -> bool:
    """Whether a tool is named that is not in the list."""
    return any(not globs.allows(name) for name in names)


def checks_of(spec: GuardrailSpec) -> tuple[tuple[str, Callable[[Reading], bool]], ...]:
    """What a rule asks of a whole document: kind, and whether a document is not as it should be."""
    checks: list[tuple[str, Callable[[Reading], bool]]] = []
    most = spec.max_chars
    if most is not None:
        checks.append(("size", lambda reading: len(reading.text) > most))
    if spec.languages:
        checks.append(("language", lambda reading: _foreign(reading, spec.languages)))
    if spec.json_schema is not None:
        fits: Validate = load(Part.JSON_SCHEMAS).fits(spec.json_schema, _search)
        checks.append(("json-schema", lambda reading: not _fits(fits, reading.document.body)))
    return tuple(checks)


def _foreign(reading: Reading, languages: list[Any]) -> bool:
    found = (language_of(piece.seen) for piece in reading.pieces)
    return any(language is not None and language not in languages for language in found)


def _fits(fits: Validate, body: bytes) -> bool:
    """Whether every answer in a document fits: the JSON text of a model's answer, a tool's structured result, or all of it."""
    document = json.loads(body)
    return all(fits(value) for value in _answers(document))


def _answers(document: Any) -> Iterator[Any]:
    if isinstance(document, list) and document and all(isinstance(text, str) for text in document):
        yield from (_parsed(text) for text in document)  # the texts of a stream
        return
    if not isinstance(document, dict):
        yield document
        return
    if "structuredContent" in document:
        yield document["structuredContent"]
        return
    texts = [
        choice.get("message", {}).get("content") for choice in document.get("choices") or () if isinstance(choice, dict)
    ]
    if document.get("type") == "message" and isinstance(document.get("content"), list):
        texts = ["".join(str(part.get("text", "")) for part in document["content"] if isinstance(part, dict))]
    if not texts:
        yield document
        return
    for text in texts:
        if isinstance(text, str) and text:
            yield _parsed(text)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
