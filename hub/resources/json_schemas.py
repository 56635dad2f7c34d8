"""JSON schemas that guardrails hold answers to. Loaded for the first such rule: see `hub.core.rarely`."""

from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import extend


def fault_of(schema: dict[str, Any]) -> str:
    """What is wrong with a schema, "" when it is one."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return error.message[:300]
    return ""


def fits(schema: dict[str, Any], search: Callable[[str, str], object]) -> Callable[[Any], bool]:
    """Whether a value fits a schema, whose patterns `search(pattern, text)` looks for."""

    def pattern(_: Any, pattern: Any, instance: Any, __: Any) -> Iterator[ValidationError]:
        if isinstance(instance, str) and not search(pattern, instance):
            yield ValidationError("it does not match the pattern")

    validator: Any = extend(Draft202012Validator, {"pattern": pattern})
    return validator(schema).is_valid
