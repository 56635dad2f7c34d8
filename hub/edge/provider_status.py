"""`/v1/status`: how the providers behind a key's models fare, from memory, so that it answers without the database."""

import platform
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hub.core.principal import Principal
from hub.resources import Snapshot
from hub.routing import ProviderState, visible_models


def provider_view(name: str, state: ProviderState) -> dict[str, Any]:
    """One provider: what was seen of it in the last five minutes; `reachable` is null when nothing was."""
    opened = {target: str(circuit) for target, circuit in state.circuits}
    worst = "open" if "open" in opened.values() else "half_open" if opened else "closed"
    at = state.last_failure_at
    return {
        "name": name,
        "reachable": state.reachable,
        "observed_requests": state.observed,
        "failures": state.failures,
        "last_failure_at": datetime.fromtimestamp(at, UTC).isoformat() if at is not None else None,
        "last_failure_code": state.last_failure_code or None,
        "circuit": worst,
        "circuits": opened,
    }


def status_view(snapshot: Snapshot, principal: Principal, state: Callable[[str], ProviderState]) -> dict[str, Any]:
    """The providers that the principal's models can lead to, by name."""
    reached = {target.partition("/")[0] for model in visible_models(snapshot, principal) for target in model.targets}
    return {
        "replica": platform.node(),
        "generation": snapshot.generation,
        "providers": [provider_view(name, state(name)) for name in sorted(reached)],
    }
