"""What a server offers, as far as a profile has to know: raw definitions, and how much they can be trusted."""

from collections.abc import Iterable
from typing import Protocol

import msgspec
from msgspec import Raw

Object = dict[str, Raw]
_object = msgspec.json.Decoder(Object)
_text = msgspec.json.Decoder(str)


class Named(Protocol):
    """One prompt of a server: its own name, and its definition byte for byte."""

    @property
    def name(self) -> str: ...  # noqa: D102 - said above
    @property
    def raw(self) -> bytes: ...  # noqa: D102 - said above


class Offered(Named, Protocol):
    """One tool of a server: as a prompt, and with the arguments that headers repeat."""

    @property
    def mirrored(self) -> tuple[tuple[tuple[str, ...], str], ...]: ...  # noqa: D102 - said above


class Located(Protocol):
    """One resource, or one template, of a server: its own URI (or template), and its definition byte for byte."""

    @property
    def uri(self) -> str: ...  # noqa: D102 - said above
    @property
    def raw(self) -> bytes: ...  # noqa: D102 - said above


class Offer(Protocol):
    """What a server offers, as last seen, and how much that can be trusted."""

    @property
    def tools(self) -> Iterable[Offered]: ...  # noqa: D102 - said above
    @property
    def prompts(self) -> Iterable[Named]: ...  # noqa: D102 - said above
    @property
    def resources(self) -> Iterable[Located]: ...  # noqa: D102 - said above
    @property
    def templates(self) -> Iterable[Located]: ...  # noqa: D102 - said above
    @property
    def instructions(self) -> str: ...  # noqa: D102 - said above
    @property
    def state(self) -> str: ...  # noqa: D102 - said above
    @property
    def since(self) -> float: ...  # noqa: D102 - said above
    @property
    def error(self) -> str: ...  # noqa: D102 - said above


def object_of(data: bytes) -> Object:
    """The members of a JSON object, raw; none when it is something else."""
    try:
        return _object.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def text_of(definition: bytes, member: str) -> str:
    """A member of a definition that is a text, or ''."""
    try:
        return _text.decode(object_of(definition).get(member, b'""'))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
