"""The JSON Schema of resource files, so that editors complete and check them."""

from typing import Any

from hub.resources.kinds import KINDS


def json_schema() -> dict[str, Any]:
    """The schema of one YAML file: kinds at the top level, each mapping names to specs (JSON Schema 2020-12)."""
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for kind, model in KINDS.items():
        schema = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(schema.pop("$defs", {}))
        definitions[model.__name__] = schema
        properties[kind] = {
            "type": "object",
            "description": schema.get("description", "").splitlines()[0],
            "additionalProperties": {"anyOf": [{"$ref": f"#/$defs/{model.__name__}"}, {"type": "null"}]},
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Resources of the hub",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "$defs": dict(sorted(definitions.items())),
    }
