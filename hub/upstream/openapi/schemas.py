"""Schemas of an OpenAPI document as JSON Schema that stands alone: its references go to `$defs` of its own."""

from typing import Any, cast

from hub.upstream.openapi.document import Json, pointed_at

_MOST_DEFINITIONS = 200
_BOUNDS = (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum"))
_DROPPED = ("discriminator", "xml", "externalDocs", "nullable", "example")


class Schemas:
    """Copies schemas out of a document, and keeps what they refer to."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self._names: dict[str, str] = {}
        self.definitions: Json = {}

    def plain(self, schema: object) -> Any:
        """A schema as JSON Schema 2020-12. Raises ValueError when a reference leads out of the document."""
        if isinstance(schema, list):
            return [self.plain(one) for one in cast("list[object]", schema)]
        if not isinstance(schema, dict):
            return schema
        members = cast("Json", schema)
        reference = members.get("$ref")
        if isinstance(reference, str):
            rest = {name: self.plain(value) for name, value in members.items() if name != "$ref"}
            return {"$ref": f"#/$defs/{self._defined(reference)}", **rest}
        made = {name: self._member(name, value) for name, value in members.items() if name not in _DROPPED}
        if members.get("nullable") is True:
            _allow_null(made)
        for exclusive, bound in _BOUNDS:  # what OpenAPI 3.0 says with a boolean
            if isinstance(made.get(exclusive), bool) and made.pop(exclusive) and bound in made:
                made[exclusive] = made.pop(bound)
        return made

    def _member(self, name: str, value: object) -> Any:
        if name in ("enum", "const", "default", "examples", "required"):
            return value
        if name in ("properties", "patternProperties", "dependentSchemas") and isinstance(value, dict):
            return {key: self.plain(one) for key, one in cast("Json", value).items()}
        return self.plain(value)

    def _defined(self, reference: str) -> str:
        if reference not in self._names:
            if len(self._names) >= _MOST_DEFINITIONS:
                raise ValueError(f"it refers to more than {_MOST_DEFINITIONS} schemas")
            name = "".join(char if char.isalnum() or char in "_-." else "_" for char in reference.rpartition("/")[2])
            while name in self.definitions:
                name += "_"
            self._names[reference] = name
            self.definitions[name] = {}  # so that a schema may refer to itself
            self.definitions[name] = self.plain(pointed_at(self._document, reference))
        return self._names[reference]


def _allow_null(schema: Json) -> None:
    kind = schema.get("type")
    if isinstance(kind, str):
        schema["type"] = [kind, "null"]
    elif "$ref" in schema or "allOf" in schema or "oneOf" in schema or "anyOf" in schema:
        inner = dict(schema)
        schema.clear()
        schema["anyOf"] = [inner, {"type": "null"}]
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
