"""The resource kinds: plural name, spec, and how a name may look."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from hub.core.refusal import Fault, InvalidSpec
from hub.resources.access import KeySpec, TeamSpec, UserSpec
from hub.resources.notices import AnnouncementSpec, ExportSpec
from hub.resources.safety import GuardrailSpec
from hub.resources.serving import ModelSpec, ProviderSpec, RouteSpec
from hub.resources.spec import NAME_PATTERN, Spec, faults_of
from hub.resources.spending import BudgetSpec, LimitSpec
from hub.resources.tools import ProfileSpec, ServerSpec

KINDS: Mapping[str, type[Spec]] = {
    "providers": ProviderSpec,
    "models": ModelSpec,
    "routes": RouteSpec,
    "servers": ServerSpec,
    "profiles": ProfileSpec,
    "teams": TeamSpec,
    "users": UserSpec,
    "keys": KeySpec,
    "budgets": BudgetSpec,
    "limits": LimitSpec,
    "guardrails": GuardrailSpec,
    "announcements": AnnouncementSpec,
    "exports": ExportSpec,
}

_NAME = re.compile(NAME_PATTERN)
_NAMES = {
    "models": (re.compile(r"^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,199}$"), "letters, digits and . _ : @ / + -"),
    "servers": (re.compile(r"^[a-z0-9]([a-z0-9_-]{0,30}[a-z0-9])?$"), "at most 32 of a-z 0-9 _ -"),
}
_PLAIN = (_NAME, "at most 64 of a-z 0-9 . _ -, beginning and ending with a letter or digit")

Specs = dict[str, dict[str, Spec]]


def parse(kind: str, name: str, raw: Any) -> Spec:
    """Validate one resource by itself.

    Raises InvalidSpec with the path of each fault: `kind.name.field`.
    """
    if kind not in KINDS:
        raise InvalidSpec([Fault(kind, f"there is no kind '{kind}'; kinds: {', '.join(KINDS)}")])
    pattern, rule = _NAMES.get(kind, _PLAIN)
    if not pattern.fullmatch(name):
        raise InvalidSpec([Fault(f"{kind}.{name[:80]}", f"not a name: {rule}")])
    if not isinstance(raw, dict):
        raise InvalidSpec([Fault(f"{kind}.{name}", "a mapping of fields is needed")])
    model = KINDS[kind]
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InvalidSpec(faults_of(model, f"{kind}.{name}", error)) from None


def dump(spec: Spec) -> dict[str, Any]:
    """A spec as plain JSON data, without what was left at its default, in the order of its fields."""
    return spec.model_dump(mode="json", exclude_unset=True)
