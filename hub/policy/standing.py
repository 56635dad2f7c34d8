"""Whether a call may go on: nothing it belongs to is stopped, and whoever makes it may still make it."""

from collections.abc import Iterable, Mapping

from hub.core.calls import ModelCall, ToolCall
from hub.core.principal import Principal
from hub.core.refusal import Forbidden, Refusal, Unauthenticated
from hub.resources.snapshot import Snapshot, Stop

Scope = tuple[str, str]
Credential = tuple[str, str]  # a key, and which of its secrets


def stopped(stops: Mapping[Scope, Stop], scopes: Iterable[Scope]) -> Forbidden | None:
    """The refusal of a call that falls under an emergency stop."""
    if not stops:
        return None
    return next((stops[scope].refusal(scope) for scope in scopes if scope in stops), None)


def lost_standing(
    snapshot: Snapshot,
    keys: Mapping[Credential, Principal],
    principal: Principal,
    call: ModelCall | ToolCall,
    tool: str,
) -> Refusal | None:
    """Why a call in flight would not be let in under this snapshot; None when it still would.

    `keys` are the principals of all good secrets of keys, by key and `via`; `tool` is the called tool as `server/tool`.
    """
    now: Principal | None = principal
    if principal.kind == "key":
        now = keys.get((principal.key, principal.via))
    if now is None:
        return Unauthenticated("invalid_key", "The key of this call was revoked, or has another secret now.")
    if principal.kind == "user" and principal.user not in snapshot.users:
        return Unauthenticated("invalid_key", "The user of this call may not sign in any more.")
    if isinstance(call, ModelCall):
        if now.access and not now.may_use_model(call.model) and principal.may_use_model(call.model):
            return Forbidden("model_not_allowed", "You may not call this model any more.")
    elif principal.kind == "key" and not (now.may_use_profile(call.profile) and (not tool or now.may_use_tool(tool))):
        return Forbidden("tool_not_allowed", "You may not call this tool any more.")
    return None
