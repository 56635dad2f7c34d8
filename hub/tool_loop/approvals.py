"""Approvals of calls: what is asked is sealed into the id of the question, so that a yes is good for that call alone."""

import msgspec
from msgspec import Struct

from hub.core.refusal import Malformed
from hub.core.seals import Broken, Seals

PREFIX = "mcpr_"
_SECONDS = 86_400.0
_MOST_ARGUMENTS = 16_384


class Asked(Struct, frozen=True):
    """One call that somebody has to approve. `call` is the model's id for it."""

    call: str
    label: str
    tool: str
    arguments: str


class Approvals:
    """Makes the questions of one caller (`principal`) and reads their answers."""

    def __init__(self, seals: Seals, principal: str) -> None:
        self._seals = seals
        self.principal = principal
        self._bound = b"tool approval|" + principal.encode()

    def question(self, asked: Asked) -> str:
        """The id of the question. Raises Malformed when there is more to approve than an id can hold."""
        if len(asked.arguments) > _MOST_ARGUMENTS:
            raise Malformed(
                "malformed",
                f"The model calls '{asked.tool}' with more than {_MOST_ARGUMENTS >> 10} KiB, which cannot be put up for "
                "approval. Let 'require_approval' spare this tool, or ask for less.",
            )
        return PREFIX + self._seals.seal(self._bound, msgspec.json.encode(asked).decode(), _SECONDS)

    def asked(self, identifier: str) -> Asked:
        """What was asked under this id. Raises Malformed for an id that this caller was never given, or too long ago."""
        try:
            return msgspec.json.decode(self._seals.open(self._bound, identifier.removeprefix(PREFIX)), type=Asked)
        except (Broken, msgspec.MsgspecError):
            raise Malformed(
                "malformed",
                "The field 'approval_request_id' is not one that was asked here within the last day. Send the "
                "conversation without it, and the model asks again.",
            ) from None
