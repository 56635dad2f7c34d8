"""Limits that hold for each end user, or each value of a tag, by itself."""

from collections import OrderedDict
from hashlib import blake2b

import msgspec

from hub.core.calls import ModelCall, ToolCall
from hub.core.meters import Meters
from hub.core.values import a_dict, a_text
from hub.policy.limits import LimitRule, LimitStatus
from hub.resources.spending import LimitSpec

MOST_VALUES = 10_000
_OTHERS = "others"  # those that come while so many are busy
_SAID_IN = ("safety_identifier", "user")  # OpenAI's names for an end user, the new one first


class EachLimit:
    """One such limit: a rule for each value, made when it is first met and forgotten once nothing of it is used."""

    def __init__(self, name: str, spec: LimitSpec, old: "EachLimit | None" = None) -> None:
        self.name = name
        self.spec = spec
        kept = old is not None and (old.spec.each, old.spec.scope) == (spec.each, spec.scope)
        values = old._rules if old is not None and kept else ()
        self._rules = OrderedDict((value, LimitRule(name, spec, value=value)) for value in values)

    def of(self, call: ModelCall | ToolCall, meters: Meters) -> LimitRule:
        """The rule for a call. Calls that do not say the value are one together."""
        said = _said(call, self.spec.each or "")
        value = blake2b(said.encode("utf-8", "replace"), digest_size=12).hexdigest() if said else "nobody"
        rule = self._rules.get(value)
        if rule is None:
            if len(self._rules) >= MOST_VALUES and not self._forgets(meters):
                value = _OTHERS
            rule = self._rules.get(value) or LimitRule(self.name, self.spec, value=value)
            self._rules[value] = rule
        self._rules.move_to_end(value)
        return rule

    def _forgets(self, meters: Meters) -> bool:
        """Whether the one that was met longest ago could be forgotten, since nothing of it is used."""
        value, oldest = next(iter(self._rules.items()))
        if not oldest.rests(meters):
            return False
        del self._rules[value]
        return True

    def status(self, meters: Meters) -> LimitStatus:
        """What is used now by whoever uses most of each."""
        found = [rule.status(meters) for rule in self._rules.values()]
        fields = ("requests", "tokens", "tool_calls", "parallel", "waiting", "rest")
        most = {field: max((getattr(one, field) for one in found), default=0) for field in fields}
        return LimitStatus(**most)


def _said(call: ModelCall | ToolCall, each: str) -> str:
    """What a call says of itself: the value of a tag, or the end user whom its body names."""
    if each != "end_user":
        return dict(call.origin.tags).get(each.removeprefix("tag:"), "")
    return _end_user(call) if isinstance(call, ModelCall) else ""


def _end_user(call: ModelCall) -> str:
    """The end user that an application names in the body of a call: in OpenAI's way or in Anthropic's."""
    for name in _SAID_IN:
        if said := a_text(_member(call, name)):
            return said
    return a_text(a_dict(_member(call, "metadata")).get("user_id"))


def _member(call: ModelCall, name: str) -> object:
    start, end = call.places.get(name, (0, 0))
    try:
        return msgspec.json.decode(call.body[start:end]) if end else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
