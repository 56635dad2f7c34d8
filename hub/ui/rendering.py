"""Templates, with what all of them know. Loaded for the first page: see `hub.core.rarely`."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from hub.ui.forms import is_plain_lines
from hub.ui.markdown import markdown
from hub.ui.words import FILTERS

_KITS = {"kit": "kit.html", "phrases": "phrases.html", "widgets": "fields.html", "cells": "cell.html"}


def templates(known: Mapping[str, Any]) -> Environment:
    """All templates, the kits and `known` among their globals, and the filters."""
    made = Environment(
        loader=PackageLoader("hub.ui"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    filters = cast("dict[str, Callable[..., Any]]", made.filters)
    filters.update(FILTERS, markdown=markdown)
    made.tests["plain_lines"] = is_plain_lines
    shared = cast("dict[str, Any]", made.globals)
    shared.update(known)
    # The kits are globals, so that a block of a page that is rendered alone has them too.
    for name, file in _KITS.items():
        shared[name] = made.get_template(file).module
    return made
