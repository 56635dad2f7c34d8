"""Whether a call may go on: nothing it belongs to is stopped, and whoever makes it may still make it."""

from collections.abc import Iterable, Mapping

from hub.core.calls import ModelCall, ToolCall
from hub.core.principal import Principal
from hub.core.refusal import Forbidden, Refusal, Unauthenticated
from hub.resources.snapshot import Snapshot, Stop

Scope = tuple[str, str]


def stopped(stops: Mapping[Scope, Stop], scopes: Iterable[Scope]) -> Forbidden | None:
    """The refusal of a call that falls under an emergency stop."""
    if not stops:
        return None
    return next((stops[scope].refusal(scope) for scope in scopes if scope in stops), None)


def lost_standing(
    snapshot: Snapshot, keys: Mapping[str, Principal], principal: Principal, call: ModelCall | ToolCall, tool: str
) -> Refusal | None:
    """Why a call in flight would not be let in under this snapshot; None when it still would.

    `keys` are the principals of all good keys by name; `tool` is the called tool as `server/tool`.
    """
    now = principal
    if principal.kind == "key":
        if principal.key not in keys:
            return Unauthenticated("invalid_key", "The key of this call was revoked.")
        now = keys[principal.key]
    elif principal.kind == "user" and principal.user not in snapshot.users:
        return Unauthenticated("invalid_key", "The user of this call may not sign in any more.")
    if isinstance(call, ModelCall):
        if now.access and not now.may_use_model(call.model) and principal.may_use_model(call.model):
            return Forbidden("model_not_allowed", "You may not call this model any more.")
    elif principal.kind == "key" and not (now.may_use_profile(call.profile) and (not tool or now.may_use_tool(tool))):
        return Forbidden("tool_not_allowed", "You may not call this tool any more.")
    return None
