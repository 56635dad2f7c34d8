"""Edits of each format: what is not touched keeps every byte, and what was added can be taken away again."""

import json
import tomllib

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.install.documents import Uneditable, put, read
from hub.install.paths import ABSENT, find, with_value

PATH = ["mcpServers", "hub"]
VALUE = {"type": "http", "url": "http://127.0.0.1:8484/mcp/demo", "headers": {"Authorization": "Bearer k"}}

JSON_TEXTS = [
    "",
    "{}",
    "{}\n",
    "{\n}\n",
    '{"a":1}',
    '{"a": 1, "mcpServers": {}}',
    '{\n  "a": 1\n}\n',
    '{\n  "a": 1,\n}\n',
    '{\r\n\t"a": [1, 2]\r\n}\r\n',
    '// first\n{\n    // about a\n    "a": 1, // behind a\n    /* b */ "b": {} // behind b\n    // last\n}\n// end\n',
    '{\n  "mcpServers": {\n    "other": {"command": "x"} // mine\n  },\n  "z": "//not a comment"\n}',
    '{\n  "mcpServers": {\n    "other": {\n      "command": "x"\n    },\n  }\n}',
    '{ "mcpServers": { /* none yet */ } }',
    '{\n  "mcpServers": {\n    // none yet\n  }\n}',
    '\ufeff{\n  "a": "\\u00e9\U0001f600"\n}\n',
    '{"mcpServers": {"a": {"url": "u"}}}',
    '{"mcpServers": null, "x": [\n1,\n2]}',
]
YAML_TEXTS = [
    "",
    "# only a comment\n",
    "name: mine # my name\nversion: 1.0.0\n",
    "name: mine\nmcpServers: []\nz: 1\n",
    "name: mine\nmcpServers: # servers\n  - name: other\n    command: x # why\n\n# about z\nz: 1\n",
    "mcpServers:\n- name: other\n  args: [a, 'b']\nz: |\n  text\n  more\n",
    "mcpServers: [{name: other}]\nz: 1",
    "name: mine\nmcpServers:\nz: 1\n",
    "---\nname: 'quoted'\nlist:\n    - 1\n    - 2\n",
]
TOML_TEXTS = [
    "",
    "# mine\nmodel = 'gpt' # why\n",
    'model = "x"\n\n[mcp_servers.other]\ncommand = "npx" # c\nargs = [\n  "a", # one\n]\n\n[tools]\nweb = true\n',
    "[a]\nb = 1\n[[list]]\nc = 2\n",
]


@pytest.mark.parametrize("text", JSON_TEXTS)
def test_json_keeps_what_is_not_touched(text):
    new = put("json", text, PATH, VALUE)
    assert read("json", new)["mcpServers"]["hub"] == VALUE
    assert survives(text, new)
    if "null" not in text:
        back = put("json", new, PATH, ABSENT)
        assert survives(text.replace("{", "").replace("}", ""), back) or not text.strip()
        assert put("json", new, PATH, VALUE) == new


def survives(old, new):
    """Whether all of `old`'s words stand in `new` in their order."""
    rest = iter(new)
    return all(letter in rest for letter in old if not letter.isspace() and letter not in ",n") or "null" in old


@pytest.mark.parametrize("text", [t for t in JSON_TEXTS if "\n" in t and "null" not in t and '"a": 1,\n}' not in t])
def test_json_taken_away_is_as_before(text):
    made = "mcpServers" not in text
    back = put("json", put("json", text, PATH, VALUE), PATH[:1] if made else PATH, ABSENT)
    assert "".join(back.split()) == "".join(text.split())


def test_json_looks_as_if_written_by_hand():
    text = '{\n    "mcpServers": {\n        "other": {"command": "x"} // mine\n    }\n}\n'
    assert put("json", text, PATH, {"url": "u"}) == (
        '{\n    "mcpServers": {\n        "other": {"command": "x"}, // mine\n        "hub": {\n'
        '            "url": "u"\n        }\n    }\n}\n'
    )
    assert put("json", '{"a":1}', PATH, {"url": "u"}) == '{"a":1, "mcpServers": {"hub": {"url": "u"}}}'


@pytest.mark.parametrize("text", YAML_TEXTS)
def test_yaml_lists_keep_what_is_not_touched(text):
    path = ["mcpServers", {"name": "hub"}]
    item = {"name": "hub", "type": "streamable-http", "url": "u"}
    new = put("yaml", text, path, item)
    assert find(yaml.safe_load(new), path) == item
    if "[{" not in text:
        lines = [line for line in text.splitlines() if "mcpServers: []" not in line]
        assert [line for line in new.splitlines() if line in lines] == lines
    changed = put("yaml", new, path, {**item, "url": "v"})
    assert find(yaml.safe_load(changed), path)["url"] == "v"
    back = put("yaml", new, path, ABSENT)
    assert find(yaml.safe_load(back), path) is ABSENT


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_yaml_keeps_the_comment_of_a_list_that_is_filled_and_emptied(end):
    text = f"name: x{end}mcpServers: []  # none yet{end}z: 1{end}"
    path = ["mcpServers", {"name": "hub"}]
    new = put("yaml", text, path, {"name": "hub", "url": "u"})
    assert "mcpServers:  # none yet" in new
    assert put("yaml", new, path, ABSENT) == text


@pytest.mark.parametrize(
    ("format_", "text"),
    [
        ("json", '{\r\n  "a": 1 // mine\r\n}\r\n'),
        ("toml", "# mine\r\na = 1\r\n"),
        ("yaml", "# mine\r\na: 1\r\n"),
        ("env", "# mine\r\nA=1\r\n"),
    ],
)
def test_lines_end_as_the_file_ends_them(format_, text):
    value = "x" if format_ == "env" else {"url": "u"}
    new = put(format_, text, ["hub"], value)
    assert new.count("\n") == new.count("\r\n") > text.count("\n")
    assert find(read(format_, new), ["hub"]) == value
    assert "mine\r\n" in new


def test_yaml_mappings_are_extended():
    text = "extensions:\n  developer:\n    enabled: true\n    # keep\n    type: builtin\nGOOSE: x\n"
    new = put("yaml", text, ["extensions", "demo"], {"uri": "u", "enabled": True})
    assert new == text.replace("GOOSE", "  demo:\n    uri: u\n    enabled: true\nGOOSE")
    assert put("yaml", new, ["extensions", "demo"], ABSENT) == text


@pytest.mark.parametrize("text", TOML_TEXTS)
def test_toml_keeps_what_is_not_touched(text):
    path = ["mcp_servers", "hub"]
    value = {"url": "u", "http_headers": {"Authorization": "Bearer k"}}
    new = put("toml", text, path, value)
    assert tomllib.loads(new)["mcp_servers"]["hub"] == value
    assert [line for line in new.splitlines() if line in text.splitlines() and line] == [
        line for line in text.splitlines() if line
    ]
    back = put("toml", new, path, ABSENT)
    assert tomllib.loads(back).get("mcp_servers", {}) == tomllib.loads(text).get("mcp_servers", {})


def test_variables_are_lines():
    text = "# mine\nexport A=1\nB='two'\n"
    new = put("env", put("env", text, ["B"], "3"), ["GEMINI_API_KEY"], "k")
    assert new == "# mine\nexport A=1\nB=3\nGEMINI_API_KEY=k\n"
    assert put("env", new, ["GEMINI_API_KEY"], ABSENT) == "# mine\nexport A=1\nB=3\n"


@pytest.mark.parametrize(
    ("format_", "text"),
    [("json", "{"), ("json", '{"a" 1}'), ("json", "{} {}"), ("json", "/* open"), ("json", "[" * 100 + "]" * 100),
     ("json", "{'a': 1}"), ("yaml", "a: [1"), ("yaml", "a: b: c"), ("toml", "a = "), ("toml", "[a")],
)  # fmt: skip
def test_what_cannot_be_read_is_left_alone(format_, text):
    with pytest.raises(Uneditable):
        put(format_, text, ["a", "b"], 1)


LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=6)
TREES = st.recursive(
    st.dictionaries(st.text(max_size=4), LEAVES, max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=4), inner | st.lists(LEAVES, max_size=3), max_size=3),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    tree=TREES, indent=st.sampled_from([None, 2, 4, "\t"]), path=st.lists(st.text(max_size=3), min_size=1, max_size=3)
)
def test_any_json_can_be_edited_and_cleared(tree, indent, path):
    text = json.dumps(tree, indent=indent, ensure_ascii=False)
    wanted = with_value(tree, path, {"x": [1, {"y": None}]})
    new = put("json", text, path, {"x": [1, {"y": None}]})
    assert json.loads(new) == wanted
    assert json.loads(put("json", new, path, ABSENT)) == with_value(wanted, path, ABSENT)
