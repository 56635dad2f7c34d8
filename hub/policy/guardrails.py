"""What must not pass: words and patterns in prompts and tool arguments, matched in linear time."""

from collections.abc import Iterator
from typing import Any

import msgspec
import re2

from hub.core.refusal import Malformed
from hub.resources.safety import GuardrailSpec

_DECODER = msgspec.json.Decoder()


def _strings(value: Any) -> Iterator[str]:
    """Every string of a JSON document, keys included, without recursion."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack.extend(reversed(item.values()))
            stack.extend(reversed(item.keys()))
        elif isinstance(item, list):
            stack.extend(reversed(item))


def text_of(body: bytes) -> str:
    """All text of a JSON document with its escapes resolved, so that a rule cannot be dodged by escaping a letter.

    Raises Malformed when it is not JSON.
    """
    try:
        return "\n".join(_strings(_DECODER.decode(body)))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Malformed("malformed", "The body is not JSON.") from None


class Guardrail:
    """One compiled rule: a set that says in one pass whether anything matches."""

    __slots__ = ("_set", "name", "spec")

    def __init__(self, name: str, spec: GuardrailSpec) -> None:
        self.name = name
        self.spec = spec
        options = re2.Options()
        options.log_errors = False
        self._set = re2.Set.SearchSet(options)
        for word in spec.words:
            self._set.Add(rf"(?i){_bounded(word)}")
        for pattern in spec.patterns:
            self._set.Add(pattern)
        self._set.Compile()

    def finds(self, text: str) -> bool:
        """Whether any word or pattern occurs in `text`."""
        return bool(self._set.Match(text))

    def refuse(self) -> Malformed:
        """The refusal of a blocking rule. It names the rule, never what matched."""
        return Malformed(
            "guardrail_blocked",
            f"The guardrail '{self.name}' blocked this. Remove what it looks for, or ask its owner.",
        )


def _bounded(word: str) -> str:
    """A word as a pattern that matches it only as a whole word, where its ends are word characters."""
    escaped = re2.escape(word)
    left = r"\b" if word[:1].isalnum() and word[:1].isascii() else ""
    right = r"\b" if word[-1:].isalnum() and word[-1:].isascii() else ""
    return f"{left}{escaped}{right}"
