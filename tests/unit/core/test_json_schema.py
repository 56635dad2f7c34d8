"""JSON Schema: the same verdicts as the library that everybody uses, words that a model can act on, and bounded work."""

import contextlib
import json
import time

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.core.json_schema import JsonSchema, Unsure

# -- the same verdicts -------------------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-4, 4)
    | st.sampled_from([0.5, 1.0, -2.0, 0.1])
    | st.text("abé1", max_size=4)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c", "d1"]), inner, max_size=4)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["a", "b", "c"])
SMALL = st.integers(0, 3)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"])


def schemas(inner, references):
    """Schemas over other schemas: any few keywords together."""
    some = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(NAMES, inner, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
            "enum": st.lists(VALUES, min_size=1, max_size=4), "const": VALUES,
            "minimum": SMALL, "maximum": SMALL, "exclusiveMinimum": SMALL, "exclusiveMaximum": SMALL,
            "multipleOf": st.sampled_from([1, 2, 0.5]), "minLength": SMALL, "maxLength": SMALL,
            "pattern": st.sampled_from(["^a", "b$", "[0-9]", "^$"]),
            "properties": named, "required": st.lists(NAMES, max_size=2, unique=True), "additionalProperties": inner,
            "patternProperties": st.dictionaries(st.sampled_from(["^a", "[0-9]"]), inner, max_size=2),
            "propertyNames": inner, "minProperties": SMALL, "maxProperties": SMALL,
            "items": inner, "prefixItems": some, "minItems": SMALL, "maxItems": SMALL, "uniqueItems": st.booleans(),
            "$ref": st.sampled_from(references), "allOf": some, "anyOf": some, "oneOf": some, "not": inner,
            "if": inner, "then": inner, "else": inner,
        },
    )  # fmt: skip


def any_schemas(*references):
    """Schemas that may refer to others; not in a circle, in which the library would run out of stack."""
    leaves = st.booleans() | schemas(st.booleans(), references)
    return st.recursive(leaves, lambda inner: schemas(inner, references), max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(
    any_schemas("#/$defs/x", "#/%24defs/y"),
    any_schemas("#/$defs/y"),
    any_schemas("#/$defs/z"),
    st.lists(VALUES, min_size=1, max_size=5),
)
def test_any_value_fits_any_schema_as_the_library_says(root, x, y, values):
    schema = {"allOf": [root], "$defs": {"x": x, "y": y, "z": {"type": ["string", "array"]}}}
    mine, theirs = JsonSchema(schema), jsonschema.Draft202012Validator(schema)
    for value in values:
        try:
            fits = not mine.misfits(value)
        except Unsure:
            continue  # `enum` beside `const`, or a circle of references
        assert fits == theirs.is_valid(value), (schema, value)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"items": [{"type": "string"}], "additionalItems": False}, ["a"], ["a", 1]),
        ({"$ref": "#/definitions/a~1b", "definitions": {"a/b": {"type": "integer"}}}, 3, "3"),
        ({"anyOf": [{"const": 1}, {"$ref": "#/anyOf/0"}]}, 1.0, True),
        ({"type": "string", "nullable": True}, None, 1),
        ({"multipleOf": 0.1}, 0.3, 0.35),
        ({"enum": [1, "1", None, [1.0], {"a": 2}]}, {"a": 2.0}, False),
        ({"properties": {"n": {"$ref": "#"}}, "additionalProperties": False}, {"n": {"n": {}}}, {"n": {"n": {"m": 1}}}),
    ],
)
def test_what_older_revisions_and_odd_numbers_say(schema, good, bad):
    made = JsonSchema(schema)
    assert not made.misfits(good)
    assert made.misfits(bad)


# -- words -------------------------------------------------------------------------------------------------------------

WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "minLength": 2},
        "days": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "units": {"enum": ["c", "f"]},
        "at": {
            "type": "array",
            "items": {"type": "object", "properties": {"hour": {"type": "integer", "maximum": 23}}},
        },
    },
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, ["city is missing"]),
        ({"city": "R"}, ["city has to have at least 2 characters"]),
        ({"city": 5, "units": "k"}, ["city has to be a string", 'units has to be one of "c", "f"']),
        ({"city": "Rome", "days": "two"}, ["days has to be an integer or has to be null"]),
        ({"city": "Rome", "zip": 1}, ["zip is not known here"]),
        ({"city": "Rome", "at": [{}, {"hour": 24}]}, ["at[1].hour has to be at most 23"]),
        ([], [" has to be an object"]),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(value, said):
    assert [f"{where} {why}" for where, why in JsonSchema(WEATHER).misfits(value)] == said


def test_a_value_is_never_repeated():
    """It may be a secret, and it may be long."""
    told = str(JsonSchema(WEATHER).misfits({"city": ["hunter2"], "units": "hunter2", "days": "hunter2"}))
    assert "hunter2" not in told


# -- what cannot be understood ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema"}, {"$ref": "#name"}, {"$ref": "#/$defs/gone"}, {"$dynamicRef": "#x"},
        {"pattern": "(?=a)b"}, {"pattern": 5}, {"pattern": "("}, {"type": "date"}, {"type": 5}, {"minimum": "1"},
        {"unevaluatedProperties": False}, {"contains": {"type": "string"}}, {"properties": {"a": 5}}, {"anyOf": {}},
        {"anyOf": []}, {"enum": 5}, {"multipleOf": 0}, {"properties": {"a": {"$id": "https://x", "$ref": "#/b"}}}, 5,
        {"patternProperties": {"(?!a)": False}}, {"$ref": "#"}, {"$ref": "#/a", "a": {"$ref": "#/a"}},
    ],
    ids=str,
)  # fmt: skip
def test_nobody_decides_by_what_they_do_not_understand(schema):
    for value in ({"a": "a"}, "a", 1, ["a"]):
        with contextlib.suppress(Unsure):
            assert not JsonSchema(schema).misfits(value)


def test_what_is_understood_decides_beside_what_is_not():
    made = JsonSchema({"type": "object", "unevaluatedProperties": False})
    assert made.misfits(5)
    with pytest.raises(Unsure):
        made.misfits({})


def nested(keyword, levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {keyword: schema if keyword == "not" else [schema]}
    return schema


doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)} | {"d40": {"type": "string"}}
spelled = {"anyOf": [{"$ref": f"#/$defs/{'%61' * n}{'a' * (12 - n)}"} for n in range(13)] * 40}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"$ref": "#/$defs/d0", "$defs": doubling}, "a"),
        ({"$defs": {"a" * 12: {"allOf": [{"minimum": 1}] * 500}}, **spelled}, 0),
        (nested("not", 60), "a"),
        ({"uniqueItems": True}, [{"a": [n]} for n in range(50_000)]),
        ({"items": {"enum": [[n] for n in range(2000)]}}, [[1]] * 50_000),
        ({"pattern": "(a+)+$"}, "a" * 100_000 + "!"),
        ({"pattern": "(.*)" * 500 + "x"}, "a" * 10_000),
        ({"pattern": "((a{0,1000}){0,1000}){0,1000}"}, "a"),
        ({"allOf": [{"pattern": "a.*b.*c$"}] * 1000}, "abc" * 10_000),
        ({"oneOf": [{"items": {"oneOf": [{"type": "string"}] * 200}}] * 200}, ["a"] * 1000),
        ({"multipleOf": 1e-300}, 1e300),
        (nested("oneOf", 40), "a"),
        ({"pattern": "([a-z]{0,300}){0,3}y"}, "ab" * 100_000),
    ],
    ids=range(13),
)  # fmt: skip
def test_hostile_schemas_and_values_take_bounded_time(schema, value):
    size = len(json.dumps(value))
    began = time.process_time()
    with contextlib.suppress(Unsure):
        JsonSchema(schema).misfits(value, size)
    assert time.process_time() - began < 2.0
