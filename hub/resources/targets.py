"""The spec of one place that can answer a call."""

import re
from typing import Annotated

from pydantic import Field, field_validator

from hub.resources.spec import Spec

_TARGET = re.compile(r"^[a-z0-9][a-z0-9._-]{0,63}/[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,199}$")


class TargetSpec(Spec):
    """One place that can answer: `provider/upstream-model`. The lowest priority is tried first."""

    model: str
    priority: Annotated[int, Field(ge=0, le=100)] = 0
    weight: Annotated[int, Field(ge=0, le=1_000_000)] = 1

    @field_validator("model")
    @classmethod
    def _names_a_provider(cls, model: str) -> str:
        if not _TARGET.fullmatch(model):
            raise ValueError("a target is written provider/upstream-model")
        return model
