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
    words = list(arguments[1:])
    while words:
        word = words.pop(0)
        name = word.removeprefix("--")
        if name in found and word != "--apply":
            return None
        if word == "--demo":
            found[name] = True
            continue
        if word not in _VALUES or not words or not words[0] or words[0].startswith("-"):
            return None
        try:
            read = _VALUES[word](words.pop(0))
        except ValueError:
            return None
        if word != "--apply":
            found[name] = read
            continue
        found[name] = [*found.get(name, []), read]
        while words and words[0] and not words[0].startswith("-"):
            found[name].append(Path(words.pop(0)))
    return found
