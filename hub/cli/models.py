"""The models that there are and that may be called, and new prices as a diff that somebody reads before it holds."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from hub.cli.client import Connection
from hub.cli.output import say, show_json, table, warn
from hub.core.refusal import Malformed
from hub.resources.catalog_diff import Change, changes
from hub.resources.model_catalog import DATA, ModelCatalog, load_catalogue

MOST_FOUND = 500  # of the catalogue

app = App(name="models", help="Search models; take new prices.")


@app.default
def models(search: str | None = None, *, connection: Connection = Connection()) -> None:
    """Show the models that your key may call; with SEARCH, every known model whose name holds its words.

    `callable as` says by which names your key may call a model. One without needs a provider or a grant.
    """
    words = (search or "").lower().split()
    with connection.api() as api:
        own: list[dict[str, Any]] = [
            {**item, "called": [item["id"]]}
            for item in api.call("GET", "/v1/models")["data"]
            if all(word in f"{item['id']} {item['display_name']}".lower() for word in words)
        ]
        shown = {item["id"] for item in own}
        known = api.pages("/api/v1/model-catalogue", MOST_FOUND, {"search": search}) if search else ()
        items = own + [item for item in known if shown.isdisjoint(item["called"])]
    if connection.json:
        show_json(items)
        return
    if not items:
        warn(f"No model is known by '{search}'." if search else "Your key may call no model: it needs a grant.")
        return
    table(
        ("model", "callable as", "context", "USD in / M", "USD out / M", "until", "can"),
        (
            (
                item["id"],
                ", ".join(item["called"]),
                item["context_window"],
                *((item["price"] or {}).get(side) for side in ("input", "output")),
                item["deprecated"],
                ", ".join(item["capabilities"]),
            )
            for item in items
        ),
        right=("context", "USD in / M", "USD out / M"),
    )
    if search is None:
        warn("'hub models SEARCH' looks among all models that the hub knows.")


@app.command
def refresh(
    file: Path,
    *,
    data: Annotated[Path, Parameter(help="The hub's data folder.")] = Path(".hub"),
    yes: Annotated[bool, Parameter(help="Take the changes without asking.", negative="")] = False,
    json: Annotated[bool, Parameter(help="Print JSON, for programs.", negative="")] = False,
) -> int:
    """Compare a new catalogue file with the one in use, show every difference, and take it when you agree.

    Nothing is fetched: the file comes from `tools/build_catalog.py`, or from a newer release of the hub. It
    holds from the next start of the hub.
    """
    kept = data / "catalog.json"
    old, new = _read(kept if kept.exists() else DATA), _read(file)
    found = list(changes(old, new))
    if json:
        show_json([msgspec.to_builtins(change) for change in found])
    else:
        for line in _lines(found, old, new):
            say(line)
    if not found:
        return 0
    if not yes and not _agreed():
        warn("Nothing was changed.")
        return 1
    _write(kept, file.read_bytes())
    warn(f"Taken. It holds when the hub on {data} starts again.")
    return 0


def _read(file: Path) -> ModelCatalog:
    try:
        return load_catalogue(file)
    except OSError as error:
        raise Malformed("malformed", f"The catalogue {file} cannot be read: {error.strerror}.") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise Malformed("malformed", f"{file} is not a catalogue of the hub: {error}.") from None


def _lines(found: list[Change], old: ModelCatalog, new: ModelCatalog) -> Iterator[str]:
    yield f"{old.version} ({len(old)} models) -> {new.version} ({len(new)} models)"
    signs = {"add": "+", "remove": "-", "change": "~"}
    for change in found:
        told = f": {change.old} -> {change.new}" if change.field else ""
        yield f"  {signs[change.op]} {change.model}{' ' + change.field if change.field else ''}{told}"
    if not found:
        yield "  no difference"


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    return input("Take these? [y/N] ").strip().lower() in ("y", "yes")


def _write(file: Path, content: bytes) -> None:
    """Replace the file as a whole, readable by its owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = file.with_suffix(".new")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    made.replace(file)
