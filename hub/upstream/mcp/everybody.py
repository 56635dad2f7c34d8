"""What everybody sees of a server that shows each account what is its own: what all accounts have in common."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TypeVar

from hub.upstream.mcp.values import PromptDefinition, ResourceDefinition, ServerDefinitions, ToolDefinition

_SEVERAL = 2
DefinitionT = TypeVar("DefinitionT", ToolDefinition, PromptDefinition, ResourceDefinition)


class Common:
    """Keeps what is shown to all, and that several accounts were seen, though not at once. `due` asks for it anew."""

    def __init__(self, revisions: Iterator[int]) -> None:
        self._revisions = revisions
        self._owners: set[str] = set()  # whose lists were seen, as far as it is more than one person's
        self._of: ServerDefinitions | None = None
        self.shown = ServerDefinitions()
        self.due = False

    def is_due(self, known: ServerDefinitions) -> bool:
        """Whether it has to be made anew: `known` is what the server said last, to any account."""
        return self.due or self._of is not known

    def narrow(self, known: ServerDefinitions, lists: Mapping[str, ServerDefinitions]) -> bool:
        """Make it of `known` and of what the accounts in `lists` see now, by owner; whether it holds something else.

        Where fewer than two see something now, what was common before still bounds it.
        """
        before, self._of, self.due = self.shown, known, False
        if len(self._owners) < _SEVERAL:
            self._owners |= lists.keys()
        differ = any(not _is_same(known, one) for one in lists.values())  # `known` is what some other account sees
        several = known.common or before.common or differ or len(self._owners) >= _SEVERAL
        bounded = several and before.revision > 0 and len(lists) < _SEVERAL
        made = _common(known, [*lists.values(), *([before] if bounded else [])])
        same = _is_same(made, before) and (before.revision > 0) is (known.revision > 0)
        revision = 0 if not known.revision else before.revision if same else next(self._revisions)
        self.shown = replace(made, common=several, revision=revision)
        return not same or self.shown.common is not before.common


def _common(first: ServerDefinitions, others: Iterable[ServerDefinitions]) -> ServerDefinitions:
    """Of `first` what all `others` hold too, word for word, and no resources: those are somebody's."""
    rest = list(others)
    same = all(one.instructions == first.instructions for one in rest)
    return replace(
        first,
        tools=_shared(first.tools, [one.tools for one in rest]),
        prompts=_shared(first.prompts, [one.prompts for one in rest]),
        templates=_shared(first.templates, [one.templates for one in rest]),
        resources=(),
        instructions=first.instructions if same else "",
        rejected=first.rejected if not rest else (),
    )


def _is_same(one: ServerDefinitions, other: ServerDefinitions) -> bool:
    """Whether both hold the same for clients."""
    return _held(one) == _held(other)


def _held(known: ServerDefinitions) -> tuple[object, ...]:
    return known.tools, known.prompts, known.templates, known.instructions


def _shared(first: tuple[DefinitionT, ...], others: list[tuple[DefinitionT, ...]]) -> tuple[DefinitionT, ...]:
    kept = [set(other) for other in others]
    return tuple(one for one in first if all(one in other for other in kept))
