"""What somebody may not do, in the audit trail: one row for each attempt, whichever door it was made at."""

from dataclasses import dataclass

from starlette.requests import Request

from hub.core.principal import Principal
from hub.core.refusal import NotFound, Refusal
from hub.store import Actor, Resources


class Hidden(NotFound):
    """What a caller may not reach, and is not told of either: it may belong to others, or not exist."""


@dataclass(frozen=True, slots=True)
class Denials:
    """Writes denied attempts down."""

    resources: Resources

    async def note(self, request: Request, principal: Principal, refusal: Refusal, source: str = "api") -> None:
        """Write down that a request was refused for want of a right. Nothing for other refusals, nor for nobody in particular."""
        if principal.kind != "anonymous" and (refusal.status == 403 or isinstance(refusal, Hidden)):
            actor = Actor(principal.id, source=source, address=request.client.host if request.client else "")
            await self.resources.note(actor, "denied", detail=f"{request.method} {request.url.path}"[:500])
