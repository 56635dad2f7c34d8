"""At which price a call is answered: the tier, the speed and the place that a request wishes for and an answer names.

They make one name, that of a price in `hub.resources.model_catalog.Price.tiers`: `priority`, `fast`, `geo-us`, `fast geo-us`.
`hosted` says that the provider ran tools of its own which it charges for beside tokens and searches, and does not count.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hub.core.calls import ModelCall
from hub.core.values import a_dict, a_list, a_text
from hub.dialect.members import UNREADABLE

# OpenAI renamed its priority processing; both names are taken and told.
_RENAMED = {"fast": "priority"}
# Where Anthropic computes at its usual price, and what older models say of it.
_ANYWHERE = ("", "global", "not_available")
# What one file search or one session of a container costs is in no set of prices that the catalogue is built from.
HOSTED = "hosted"
_HOSTED = frozenset({"file_search_call", "code_interpreter_call"})
_HOSTED_MARKS = tuple(f'"{name}"'.encode() for name in sorted(_HOSTED))
_WISHES = frozenset({"service_tier", "speed", "inference_geo"})


class _Tiered(Struct):
    service_tier: Any = None


class _Message(Struct):
    usage: Any = None


_TIERED = msgspec.json.Decoder(_Tiered)
_MESSAGE = msgspec.json.Decoder(_Message)


def tier_in(data: bytes) -> str:
    """The service tier that a reply or an event of OpenAI's names; "" when it names none."""
    if data.find(b'"service_tier"') < 0:
        return ""
    try:
        return renamed(a_text(_TIERED.decode(data).service_tier))
    except UNREADABLE:
        return ""


def response_tier_in(data: bytes) -> str:
    """The same of a whole response: `hosted` where it holds calls of such tools."""
    return HOSTED if has_hosted(data) else tier_in(data)


def has_hosted(data: bytes) -> bool:
    """Whether an answer of OpenAI's holds calls of tools that it ran and charges for. Within a text the quotes differ."""
    return any(mark in data for mark in _HOSTED_MARKS)


def response_tier(response: Mapping[str, Any]) -> str:
    """The same of one that was read."""
    if any(a_text(a_dict(item).get("type")) in _HOSTED for item in a_list(response.get("output"))):
        return HOSTED
    return renamed(a_text(response.get("service_tier")))


def renamed(tier: str) -> str:
    """A service tier of OpenAI's by the name that its prices stand under."""
    return _RENAMED.get(tier, tier)


def mode_in(data: bytes) -> str:
    """How fast and where Anthropic answered, by a whole message; "" where it does not say."""
    if b'"inference_geo"' not in data and b'"speed"' not in data:
        return ""
    try:
        return answered(a_dict(_MESSAGE.decode(data).usage))
    except UNREADABLE:
        return ""


def answered(usage: Mapping[str, Any]) -> str:
    """The same by its `usage`: `standard` where it says that nothing was special, whatever was wished for."""
    told = usage.get("speed") or usage.get("inference_geo")
    return _mode(usage) or ("standard" if told else "")


def tier_of(usage: Any) -> str:
    """The same of an answer that is told in another dialect, else its service tier."""
    told = a_dict(usage)
    return _mode(told) or a_text(told.get("service_tier")) or answered(told)


def _mode(told: Mapping[str, Any]) -> str:
    geo = a_text(told.get("inference_geo"))
    words = ("fast" if told.get("speed") == "fast" else "", "" if geo in _ANYWHERE else f"geo-{geo[:32]}")
    return " ".join(word for word in words if word)


def wished(call: ModelCall) -> str:
    """What the caller asks for, or "". It is a wish: the answer says what became of it."""
    if _WISHES.isdisjoint(call.places):
        return ""
    told = {
        name: call.body[slice(*call.places[name])].strip(b'"').decode("latin-1")
        for name in _WISHES & call.places.keys()
    }
    return _mode(told) or renamed(told.get("service_tier", ""))
