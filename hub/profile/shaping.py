"""How a profile shows a definition: other words, other annotations, arguments hidden or filled in."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw

from hub.profile.choosing import annotated
from hub.profile.offers import Object, Offered, object_of
from hub.profile.view import Prompt, Tool
from hub.resources.shaping import ProfileServerSpec

_raws = msgspec.json.Decoder(list[Raw])
_encode = msgspec.json.encode


def shaped_tool(public: str, server: str, offered: Offered, selection: ProfileServerSpec) -> Tool:
    """A server's tool as a profile shows it."""
    own = offered.name
    pinned = _encoded(selection.arguments.get(own, {}))
    defaults = {name: raw for name, raw in _encoded(selection.defaults.get(own, {})).items() if name not in pinned}
    definition = object_of(offered.raw)
    definition["name"] = Raw(_encode(public))
    if own in selection.describe:
        definition["description"] = Raw(_encode(selection.describe[own]))
    if own in selection.annotate:
        override = selection.annotate[own]
        definition["annotations"] = Raw(annotated(bytes(definition.get("annotations", b"{}")), override))
        if override.title is not None and "title" in definition:
            definition["title"] = Raw(_encode(override.title))
    if (pinned or defaults) and "inputSchema" in definition:
        definition["inputSchema"] = Raw(_schema(bytes(definition["inputSchema"]), pinned, defaults))
    mirrored = tuple((path, header) for path, header in offered.mirrored if path[0] not in pinned)
    made = _encode(definition)
    return Tool(public, server, own, made, pinned=pinned, defaults=defaults, mirrored=mirrored, offered=offered.raw)


def shaped_prompt(public: str, server: str, own: str, raw: bytes, selection: ProfileServerSpec) -> Prompt:
    """A server's prompt as a profile shows it."""
    rule = selection.prompt_rules.get(own)
    definition = object_of(raw)
    definition["name"] = Raw(_encode(public))
    pinned: Mapping[str, bytes] = {}
    if rule is not None:
        if rule.describe is not None:
            definition["description"] = Raw(_encode(rule.describe))
        pinned = _encoded(rule.arguments)
        if pinned and "arguments" in definition:
            kept = [one for one in _list(definition["arguments"]) if _name(one) not in pinned]
            definition["arguments"] = Raw(_encode(kept))
    return Prompt(public, server, own, _encode(definition), pinned=pinned)


def shaped_resource(public: str, member: str, own: str, raw: bytes, selection: ProfileServerSpec) -> bytes:
    """The definition of a server's resource or template as a profile shows it; `member` is where its URI stands."""
    rule = selection.resource_rules.get(own)
    definition = object_of(raw)
    definition[member] = Raw(_encode(public))
    if rule is not None and rule.describe is not None:
        definition["description"] = Raw(_encode(rule.describe))
    if rule is not None and rule.rename is not None:
        definition["title" if "title" in definition else "name"] = Raw(_encode(rule.rename))
    return _encode(definition)


def _encoded(values: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: _encode(value) for name, value in values.items()}


def _schema(schema: bytes, pinned: Mapping[str, bytes], defaults: Mapping[str, bytes]) -> bytes:
    """An input schema that does not mention the pinned arguments and asks for none that has a default."""
    members = object_of(schema)
    properties = members.get("properties")
    if properties is not None and bytes(properties).startswith(b"{"):
        kept = {name: value for name, value in object_of(bytes(properties)).items() if name not in pinned}
        for name in kept.keys() & defaults.keys():
            kept[name] = _with_default(kept[name], defaults[name])
        members["properties"] = Raw(_encode(kept))
    required = members.get("required")
    if required is not None and bytes(required).startswith(b"["):
        free = {_encode(name) for name in (*pinned, *defaults)}
        members["required"] = Raw(_encode([one for one in _list(required) if bytes(one) not in free]))
    return _encode(members)


def _with_default(schema: Raw, default: bytes) -> Raw:
    if not bytes(schema).startswith(b"{"):
        return schema
    members: Object = {**object_of(bytes(schema)), "default": Raw(default)}
    return Raw(_encode(members))


def _list(raw: Raw) -> list[Raw]:
    try:
        return _raws.decode(bytes(raw))
    except msgspec.DecodeError:
        return []


def _name(argument: Raw) -> str:
    try:
        return str(msgspec.json.decode(object_of(bytes(argument)).get("name", b'""')))
    except msgspec.DecodeError:
        return ""
