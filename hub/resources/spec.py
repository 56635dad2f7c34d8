"""What every resource's spec has in common: strict fields, and errors that name the field and the remedy."""

import difflib
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from hub.core.refusal import Fault

NAME_PATTERN = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$"
_SECRET_PATTERN = re.compile(
    r"^(env:[A-Za-z_][A-Za-z0-9_]{0,127}|file:[^\x00]{1,1024}|vault:[a-z0-9][a-z0-9._-]{0,63})$"
)

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Text = Annotated[str, StringConstraints(max_length=4096)]
Title = Annotated[str, StringConstraints(max_length=200)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Header = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}$")]
HeaderValue = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[\x20-\x7e\t]*$")]


def _secret_reference(value: str) -> str:
    if not _SECRET_PATTERN.fullmatch(value):
        raise ValueError("a secret never stands in a resource: write env:NAME, file:PATH or vault:NAME")
    return value


SecretRef = Annotated[str, AfterValidator(_secret_reference)]


class Spec(BaseModel):
    """A resource's spec. Unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_max_length=65_536)


def _spec_at(model: type[Spec], loc: tuple[int | str, ...]) -> type[Spec] | None:
    """The nested spec class in which the field at `loc` stands, as far as annotations tell."""
    current: Any = model
    for part in loc[:-1]:
        field = current.model_fields.get(part) if isinstance(part, str) and hasattr(current, "model_fields") else None
        if field is not None:
            current = _inner_spec(field.annotation)
        if current is None:
            return None
    return current if isinstance(current, type) and issubclass(current, Spec) else None


def _inner_spec(annotation: Any) -> type[Spec] | None:
    """The first Spec class mentioned in an annotation such as `dict[str, X]`, `list[X]` or `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_spec(argument)
        if found is not None:
            return found
    return None


def _message(model: type[Spec], error: Any) -> str:
    if error["type"] != "extra_forbidden":
        message = str(error["msg"]).removeprefix("Value error, ")
        return message[0].lower() + message[1:]
    field = str(error["loc"][-1])
    owner = _spec_at(model, error["loc"])
    if owner is None:
        return f"unsupported_field: there is no field '{field}' here"
    close = difflib.get_close_matches(field, owner.model_fields, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else f"; fields here: {', '.join(sorted(owner.model_fields))}"
    return f"unsupported_field: there is no field '{field}' here{hint}"


def faults_of(model: type[Spec], where: str, error: ValidationError) -> list[Fault]:
    """Each fault of a failed validation, with the path `where.field.sub-field`."""
    return [
        Fault(".".join([where, *(str(part) for part in item["loc"])]), _message(model, item)) for item in error.errors()
    ]
