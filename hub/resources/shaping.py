"""Specs of how a profile chooses and presents what its servers offer."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, field_validator

from hub.resources.spec import Glob, Spec, Text, Title

ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
PromptName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
PublicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Bytes = Annotated[int, Field(ge=1024, le=64 << 20)]
Choice = Annotated[list[Glob], Field(max_length=1000)]


class HintsSpec(Spec):
    """What a tool says of itself, or what a profile says of it. What is left out is left as it is.

    The hints are a server's own word until a profile says otherwise; `lock` keeps them from changing unseen.
    """

    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None

    def also(self, other: "HintsSpec | None") -> "HintsSpec":
        """These and the other's. Raises ValueError where they contradict each other."""
        mine, theirs = self.model_dump(exclude_none=True), other.model_dump(exclude_none=True) if other else {}
        for name in mine.keys() & theirs.keys():
            if mine[name] != theirs[name]:
                raise ValueError(f"'only.{name}' is {mine[name]} here and {theirs[name]} there")
        return HintsSpec(**theirs, **{name: value for name, value in mine.items() if name not in theirs})


class AnnotateSpec(HintsSpec):
    """Annotations that a profile puts in place of a tool's own."""

    title: Title | None = None


class PromptRuleSpec(Spec):
    """How one prompt is presented. `arguments` are pinned: hidden from clients and added by the hub."""

    rename: PublicName | None = None
    describe: Text | None = None
    arguments: dict[PromptName, Annotated[str, StringConstraints(max_length=65_536)]] = Field(default_factory=dict)


class ResourceRuleSpec(Spec):
    """How one resource or template is presented. `rename` changes its display name; its URI stays."""

    rename: Title | None = None
    describe: Text | None = None


class ProfileServerSpec(Spec):
    """What a profile takes from one server, and how it presents it.

    `tools`, `prompts` and `resources` are globs over the server's own names (of a resource, its URI or template;
    `!` takes away); `hide` takes tools away whatever else chooses them; `only` keeps the tools whose annotations say
    so (`read_only: true`). Calls of tools in `confirm`, which are globs too, wait until their caller's user has agreed, as
    do those that the server's own `confirm` names, and that of a profile which is included.
    `rename` maps an own name to the public one (used as it is, without prefix); `describe`
    replaces descriptions, `annotate` annotations; `arguments` pins arguments: hidden from clients and added by the
    hub on each call; `defaults` are added where the caller gives none. `prompt_rules` and `resource_rules` do the
    same for prompts (by name) and resources (by URI or template). `max_result` overrides the profile's.
    """

    tools: Choice = Field(default_factory=lambda: ["*"])
    hide: Choice = Field(default_factory=list)
    only: HintsSpec | None = None
    confirm: Choice = Field(default_factory=list)
    rename: dict[ToolName, PublicName] = Field(default_factory=dict)
    describe: dict[ToolName, Text] = Field(default_factory=dict)
    annotate: dict[ToolName, AnnotateSpec] = Field(default_factory=dict)
    arguments: dict[ToolName, dict[str, Any]] = Field(default_factory=dict)
    defaults: dict[ToolName, dict[str, Any]] = Field(default_factory=dict)
    prompts: Choice = Field(default_factory=lambda: ["*"])
    resources: Choice = Field(default_factory=lambda: ["*"])
    prompt_rules: dict[PromptName, PromptRuleSpec] = Field(default_factory=dict)
    resource_rules: dict[Uri, ResourceRuleSpec] = Field(default_factory=dict)
    max_result: Bytes | None = None

    @field_validator("rename")
    @classmethod
    def _distinct(cls, renamed: dict[str, str]) -> dict[str, str]:
        owners: dict[str, str] = {}
        for own, public in renamed.items():
            if public in owners:
                raise ValueError(f"'{owners[public]}' and '{own}' are both renamed to '{public}'")
            owners[public] = own
        return renamed
