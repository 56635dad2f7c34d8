"""Markdown of people as safe HTML: paragraphs, emphasis, lists, quotes, code and links; no markup, pictures or headings."""

import re

from markdown_it import MarkdownIt
from markupsafe import Markup

_RULES = (
    "emphasis",
    "strikethrough",
    "list",
    "blockquote",
    "backticks",
    "code",
    "fence",
    "link",
    "autolink",
    "newline",
    "escape",
)
_LINK = re.compile(r"(?:https?://|mailto:|/(?![/\\])|#)", re.IGNORECASE)
_DEEPEST = 10


def _reader() -> MarkdownIt:
    made = MarkdownIt("zero", {"html": False, "breaks": True, "maxNesting": _DEEPEST}).enable([*_RULES])
    # Where a link may lead: the web, mail, or this hub.
    made.validateLink = lambda url: _LINK.match(url.strip()) is not None
    return made


_READER = _reader()


def markdown(text: str) -> Markup:
    """The HTML of a Markdown text; what is not among the rules stands there as it was typed."""
    return Markup(_READER.render(text))  # noqa: S704 - the reader escapes all that is not its own
