"""What a server offers: checked definition by definition, kept byte for byte."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from msgspec import Raw, Struct, json

from hub.core.nesting import is_deeper
from hub.upstream.mcp.headers import mirrored_of
from hub.upstream.mcp.values import PromptDefinition, ResourceDefinition, ToolDefinition

MOST = 500  # of a kind
MOST_NAME = 256  # characters of a prompt's name
MOST_URI = 4096  # characters
MOST_DESCRIPTION = 8 << 10  # bytes
MOST_SCHEMA = 64 << 10  # bytes
MOST_DEFINITION = 256 << 10  # bytes, with icons and all
MOST_DEPTH = 64
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s\x00-\x1f\x7f]*\Z")
_NOTHING = Raw(b"")
# Characters that no one sees but a model; the flags of England, Scotland and Wales are written with them, too.
_TAG = re.compile("[\U000e0000-\U000e007f]")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f")

DefinitionT = TypeVar("DefinitionT")


class _Tool(Struct, frozen=True, rename="camel"):
    name: str
    input_schema: dict[str, object]
    description: str | None = None
    output_schema: Raw = _NOTHING
    annotations: object = None


class _Prompt(Struct, frozen=True):
    name: str
    description: str | None = None


class _Resource(Struct, frozen=True):
    uri: str
    description: str | None = None


class _Template(Struct, frozen=True, rename="camel"):
    uri_template: str
    description: str | None = None


class _Named(Struct, frozen=True, rename="camel"):
    name: str = ""
    uri: str = ""
    uri_template: str = ""


_tools = json.Decoder(_Tool)
_prompts = json.Decoder(_Prompt)
_resources = json.Decoder(_Resource)
_templates = json.Decoder(_Template)
_names = json.Decoder(_Named)


@dataclass(frozen=True, slots=True)
class Listing:
    """The definitions that are good, and the name and fault of those that are not. They hold for `ttl` seconds."""

    tools: tuple[ToolDefinition, ...] = ()
    prompts: tuple[PromptDefinition, ...] = ()
    resources: tuple[ResourceDefinition, ...] = ()
    templates: tuple[ResourceDefinition, ...] = ()
    rejected: tuple[tuple[str, str], ...] = ()
    plain: bool = False
    ttl: float = math.inf

    def with_more(self, other: "Listing") -> "Listing":
        """This, and what another client was shown besides; plain when that was nothing."""
        own = {tool.name for tool in self.tools}, {prompt.name for prompt in self.prompts}
        uris = {one.uri for one in self.resources}, {one.uri for one in self.templates}
        tools = tuple(tool for tool in other.tools if tool.name not in own[0])
        prompts = tuple(prompt for prompt in other.prompts if prompt.name not in own[1])
        resources = tuple(one for one in other.resources if one.uri not in uris[0])
        templates = tuple(one for one in other.templates if one.uri not in uris[1])
        if not (tools or prompts or resources or templates):
            return replace(self, plain=True)
        return Listing(
            self.tools + tools,
            self.prompts + prompts,
            self.resources + resources,
            self.templates + templates,
            self.rejected,
        )


def checked(
    tools: Sequence[Raw],
    prompts: Sequence[Raw] = (),
    resources: Sequence[Raw] = (),
    templates: Sequence[Raw] = (),
) -> Listing:
    """The good definitions, in order; a bad one hides no other."""
    faults: list[tuple[str, str]] = []
    return Listing(
        tuple(_good(tools, _tool, "tool", faults)),
        tuple(_good(prompts, _prompt, "prompt", faults)),
        tuple(_good(resources, _resource, "resource", faults)),
        tuple(_good(templates, _template, "template", faults)),
        tuple(faults),
    )


def _good(
    raws: Sequence[Raw], read: Callable[[bytes], tuple[str, DefinitionT]], kind: str, faults: list[tuple[str, str]]
) -> Iterable[DefinitionT]:
    """The definitions that `read` takes, each key once and at most so many; the others go to `faults`."""
    found: dict[str, DefinitionT] = {}
    for raw in raws:
        key, fault = "", ""
        try:
            key, definition = read(bytes(raw))
            fault = _surplus(key, found, kind)
            if not fault:
                found[key] = definition
        except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
            key, fault = _name_of(bytes(raw)), str(error)
        if fault:
            faults.append((key, fault))
    return found.values()


def _surplus(key: str, found: Mapping[str, object], kind: str) -> str:
    if key in found:
        return f"another {kind} has the same {'name' if kind in ('tool', 'prompt') else 'URI'}"
    return f"the server has more than {MOST} {kind}s" if len(found) >= MOST else ""


def _check_whole(raw: bytes, description: str | None) -> None:
    """Whoever shows a definition, compares or scans it decodes all of it: that has to go well once and for all."""
    if len(raw) > MOST_DEFINITION:
        raise ValueError(f"its definition has more than {MOST_DEFINITION >> 10} KiB")
    if is_deeper(raw, MOST_DEPTH):
        raise ValueError(f"its definition is nested more than {MOST_DEPTH} deep")
    whole = json.decode(raw)
    if (b"\xf3\xa0" in raw or b"\\udb40" in raw.lower()) and _TAG.search(_FLAG.sub("", json.encode(whole).decode())):
        raise ValueError("it holds characters that only a model sees (tags, U+E0000 to U+E007F)")
    if len((description or "").encode()) > MOST_DESCRIPTION:
        raise ValueError(f"its description has more than {MOST_DESCRIPTION >> 10} KiB")


def _prompt(raw: bytes) -> tuple[str, PromptDefinition]:
    """The prompt in `raw`. Raises ValueError with what is wrong with it."""
    prompt = _prompts.decode(raw)
    _check_whole(raw, prompt.description)
    if not 1 <= len(prompt.name) <= MOST_NAME or not prompt.name.isprintable():
        raise ValueError(f"its name may have 1 to {MOST_NAME} printable characters")
    return prompt.name, PromptDefinition(prompt.name, raw)


def _resource(raw: bytes) -> tuple[str, ResourceDefinition]:
    """The resource in `raw`. Raises ValueError with what is wrong with it."""
    resource = _resources.decode(raw)
    _check_whole(raw, resource.description)
    return resource.uri, ResourceDefinition(_uri(resource.uri), raw)


def _template(raw: bytes) -> tuple[str, ResourceDefinition]:
    """The template in `raw`. Raises ValueError with what is wrong with it."""
    template = _templates.decode(raw)
    _check_whole(raw, template.description)
    return template.uri_template, ResourceDefinition(_uri(template.uri_template), raw)


def _uri(text: str) -> str:
    if len(text) > MOST_URI or not _URI.match(text):
        raise ValueError(f"its URI has a scheme and at most {MOST_URI} characters")
    return text


def _tool(raw: bytes) -> tuple[str, ToolDefinition]:
    """The tool in `raw`. Raises ValueError with what is wrong with it."""
    tool = _tools.decode(raw)
    _check_whole(raw, tool.description)
    if not _NAME.fullmatch(tool.name):
        raise ValueError("its name may have 1 to 128 letters, digits, '_', '.' and '-'")
    if len(json.encode(tool.input_schema)) > MOST_SCHEMA or len(bytes(tool.output_schema)) > MOST_SCHEMA:
        raise ValueError(f"a schema has more than {MOST_SCHEMA >> 10} KiB")
    if tool.input_schema.get("type", "object") != "object":
        raise ValueError("its inputSchema is not of type object")
    return tool.name, ToolDefinition(tool.name, raw, mirrored_of(tool.input_schema), _is_idempotent(tool.annotations))


def _is_idempotent(annotations: object) -> bool:
    return isinstance(annotations, dict) and annotations.get("idempotentHint") is True  # pyright: ignore[reportUnknownMemberType]


def _name_of(raw: bytes) -> str:
    try:
        named = _names.decode(raw)
    except (ValueError, RecursionError):
        return ""
    return (named.uri or named.uri_template or named.name)[:128]
