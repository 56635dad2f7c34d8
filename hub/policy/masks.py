"""What stands in place of what was redacted, and, where the rule allows it, the way back in the same call."""

import json
import re

PLACEHOLDER = re.compile(r"\[[A-Z][A-Z-]{0,40}_\d{1,5}\]")
LONGEST = 48


class Masks:
    """The placeholders of one call: the same value has the same one, so that a model can still tell them apart."""

    __slots__ = ("_counts", "_given", "originals")

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}
        self.originals: dict[str, str] = {}

    def hide(self, kind: str, value: str, *, reversible: bool) -> str:
        """What stands for `value`: `[EMAIL]`, or `[EMAIL_1]` where it can be undone."""
        name = kind.upper()
        if not reversible:
            return f"[{name}]"
        given = self._given.get((name, value))
        if given is None:
            self._counts[name] = self._counts.get(name, 0) + 1
            given = self._given[name, value] = f"[{name}_{self._counts[name]}]"
            self.originals[given] = value
        return given

    def spans(self, text: str, *, within_json: bool = False) -> list[tuple[int, int, str]]:
        """Where placeholders of this call stand in `text`, and what they stood for."""
        found: list[tuple[int, int, str]] = []
        for match in PLACEHOLDER.finditer(text) if self.originals else ():
            original = self.originals.get(match[0])
            if original is not None:
                value = json.dumps(original)[1:-1] if within_json else original
                found.append((match.start(), match.end(), value))
        return found
