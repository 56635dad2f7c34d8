"""Which calls a command is about: the filters of logs and usage, as options."""

from dataclasses import dataclass, fields
from typing import Annotated, Any

from cyclopts import Parameter

_API_NAMES = {"of_key": "key", "of_user": "user", "min_ms": "min_duration_ms", "max_ms": "max_duration_ms"}


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Calls:
    """Only calls for which all of this holds; what is left out does not matter."""

    since: Annotated[str | None, Parameter(help="ISO 8601.")] = None
    until: Annotated[str | None, Parameter(help="ISO 8601.")] = None
    call: Annotated[str | None, Parameter(help="model or tool.")] = None
    model: str | None = None
    provider: str | None = None
    target: Annotated[str | None, Parameter(help="What answered: provider/model, or a server.")] = None
    route: str | None = None
    profile: str | None = None
    server: str | None = None
    tool: str | None = None
    of_key: Annotated[str | None, Parameter(help="Only calls of this key.")] = None
    of_user: Annotated[str | None, Parameter(help="Only calls of this user.")] = None
    team: str | None = None
    application: str | None = None
    tag: Annotated[str | None, Parameter(help="NAME=VALUE.")] = None
    session: str | None = None
    trace: str | None = None
    lane: Annotated[str | None, Parameter(help="passthrough, translate, estimate or raw.")] = None
    request_id: str | None = None
    outcome: Annotated[str | None, Parameter(help="ok, refused, error, cancelled or interrupted.")] = None
    code: Annotated[str | None, Parameter(help="Only calls that ended with this code.")] = None
    status: Annotated[int | None, Parameter(help="Only calls that were answered with this HTTP status.")] = None
    min_ms: Annotated[float | None, Parameter(help="Only calls that took at least so long.")] = None
    max_ms: Annotated[float | None, Parameter(help="Only calls that took at most so long.")] = None

    @property
    def query(self) -> dict[str, Any]:
        """The filters as the API names them."""
        return {_API_NAMES.get(field.name, field.name): getattr(self, field.name) for field in fields(self)}
