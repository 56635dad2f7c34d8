"""How commands print: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_CONTROL = {code: None for code in (*range(32), 127, *range(128, 160)) if code not in (9, 10)}


def clean(text: object) -> str:
    """Text from outside without control characters, so that it cannot drive the terminal."""
    return str(text).translate(_CONTROL)


def show_json(data: Any) -> None:
    """Print JSON, indented on a terminal."""
    print(json.dumps(data, indent=2 if sys.stdout.isatty() else None, ensure_ascii=False))


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()) -> None:
    """Print a table; the columns named in `right` hold numbers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    numbers = set(right)
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, justify="right" if heading in numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else clean(cell)) for cell in row))
    console = Console()
    console.print(made) if console.is_terminal else Console(width=200).print(made)


def say(text: str) -> None:
    """Print a line for people."""
    print(clean(text))


def warn(text: str) -> None:
    """Print a line to standard error."""
    print(clean(text), file=sys.stderr)


def show_diff(diff: Iterable[dict[str, Any]]) -> None:
    """Print a structured diff: + added, - removed, ~ changed."""
    signs = {"add": "+", "remove": "-", "change": "~"}
    for item in diff:
        before, after = json.dumps(item.get("old")), json.dumps(item.get("new"))
        what = {"add": after, "remove": before}.get(item["op"], f"{before} -> {after}")
        say(f"    {signs[item['op']]} {item['path']}: {what}")
