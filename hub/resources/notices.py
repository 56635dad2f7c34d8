"""Specs of what the hub tells others: announcements for people, exports for machines."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, model_validator

from hub.resources.access import Instant
from hub.resources.spec import Spec, Title


class AnnouncementSpec(Spec):
    """A notice shown to everyone in the Console while it is current."""

    LATER: ClassVar[dict[str, str]] = {"archived": "comes with the announcements screen"}

    title: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    body: Annotated[str, StringConstraints(max_length=20_000)] = ""
    severity: Literal["info", "warning", "critical"] = "info"
    starts_at: Instant | None = None
    ends_at: Instant | None = None

    @model_validator(mode="after")
    def _ends_after_start(self) -> "AnnouncementSpec":
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValueError("ends_at lies after starts_at")
        return self


class ExportSpec(Spec):
    """Where a copy of each ledger entry goes: JSON lines in `exports/NAME.jsonl` of the data folder."""

    LATER: ClassVar[dict[str, str]] = {"endpoint": "comes with telemetry", "protocol": "comes with telemetry"}

    title: Title = ""
    format: Literal["jsonl"] = "jsonl"
    enabled: bool = Field(default=True)
