"""`hub serve` with plain options, read without the command line's library: a server would hold 4 MB of it all its life.

Whatever is not plain (`--port=1`, `--help`, a mistake) is left to that library, which reads the same words the same way.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def _number(word: str) -> int:
    if not (word.isascii() and word.isdecimal()):
        raise ValueError(word)
    return int(word)


_VALUES: Mapping[str, Callable[[str], Any]] = {
    "--host": str,
    "--port": _number,
    "--data": Path,
    "--apply": Path,
    "--workers": _number,
}


def plain_serve(arguments: Sequence[str]) -> dict[str, Any] | None:
    """The options of `hub serve`, None where this is another command or not plain."""
    if not arguments or arguments[0] != "serve":
        return None
    found: dict[str, Any] = {}
    words = iter(arguments[1:])
    for word in words:
        name = word.removeprefix("--")
        if word == "--apply":
            found.setdefault(name, [])
        elif name in found:
            return None
        if word == "--demo":
            found[name] = True
            continue
        value = next(words, "")
        if word not in _VALUES or not value or value.startswith("-"):
            return None
        try:
            read = _VALUES[word](value)
        except ValueError:
            return None
        found[name] = [*found[name], read] if word == "--apply" else read
    return found
