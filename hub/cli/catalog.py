"""The catalogue of a profile, in every form that clients and repositories take."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from hub.cli.client import Connection
from hub.cli.output import clean, say, show_json, warn
from hub.core.refusal import Conflict, Refusal
from hub.install.bundle import FORMATS, Generated, files
from hub.install.disk import read_text, replace
from hub.install.documents import Uneditable
from hub.install.listing import Listing, from_json, warnings


def catalog(
    profile: str,
    *,
    form: Annotated[
        str,
        Parameter(name="format", help=f"One of {', '.join(FORMATS)}; without it, everything for a repository."),
    ] = "",
    out: Annotated[Path | None, Parameter(help="Write the files into this folder; else they are printed.")] = None,
    connection: Connection = Connection(),
) -> None:
    """Make the files that a repository takes from a profile: configuration without keys, skills, rules, context."""
    with connection.api() as api:
        listing = from_json(api.call("GET", f"/catalog/{profile}.json"))
    made = files(listing, form or ("md" if out is None else ""))
    if out is not None:
        written = [_write(out, one, listing) for one in made]
        show_json({"files": written}) if connection.json else [say(path) for path in written]
    elif connection.json:
        show_json({one.path: one.merge("") for one in made})
    else:
        for one in made:
            print(clean(one.merge("")), end="")
    for caution in warnings(listing):
        warn(f"note: {caution.client}{f', {caution.tool}' if caution.tool else ''}: {caution.message}")


def _write(folder: Path, made: Generated, listing: Listing) -> str:
    path = folder / made.path
    old = read_text(path)
    try:
        new = made.merge(old or "")
    except Uneditable as error:
        raise Refusal("uneditable_file", f"{path} was left as it is: {error}.", status=409) from None
    if old is not None and not made.joins and old != new and f"profile '{listing.profile}'" not in old:
        raise Conflict(
            "already_exists", f"{path} is there and was not made from this profile. Move it away and try again."
        )
    if old != new:
        replace(path, new, 0o644)
    return str(path)
