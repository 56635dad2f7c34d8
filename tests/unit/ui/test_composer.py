from hub.ui.composer import composed

TOOLS = {"a": [{"name": "get_x"}, {"name": "get_y"}, {"name": "delete_x"}], "b": [{"name": "one"}]}
SPEC = {
    "title": "T",
    "servers": {"a": {"tools": ["get_*"], "rename": {"gone": "kept"}, "arguments": {"get_x": {"k": 1}}}},
}


def form(**values):
    return {"server": ["a"], "tool.a": ["get_x", "get_y"], **values}


def test_patterns_stay_while_they_choose_the_same_tools():
    assert composed(SPEC, form(), TOOLS) == SPEC


def test_another_choice_is_written_as_names_and_the_rest_of_the_server_stays():
    own = composed(SPEC, form(**{"tool.a": ["get_x", "delete_x"]}), TOOLS)["servers"]["a"]
    assert own == {"tools": ["get_x", "delete_x"], "rename": {"gone": "kept"}, "arguments": {"get_x": {"k": 1}}}


def test_all_also_means_those_to_come():
    assert composed(SPEC, form(**{"all.a": ["on"]}), TOOLS)["servers"]["a"]["tools"] == ["*"]
    everything = {"servers": {"b": {}}}
    assert composed(everything, {"server": ["b"], "all.b": ["on"], "tool.b": ["one"]}, TOOLS) == everything


def test_nothing_chosen_is_an_empty_list_and_not_everything():
    assert composed(SPEC, {"server": ["a"]}, TOOLS)["servers"]["a"]["tools"] == []


def test_names_and_descriptions_are_given_and_taken_back():
    named = composed(SPEC, form(**{"rename.a.get_x": ["fetch"], "describe.a.get_x": ["Two\r\nlines"]}), TOOLS)
    own = named["servers"]["a"]
    assert own["rename"] == {"gone": "kept", "get_x": "fetch"}
    assert own["describe"] == {"get_x": "Two\nlines"}
    back = composed(named, form(**{"rename.a.get_x": [""], "describe.a.get_x": [" "]}), TOOLS)["servers"]["a"]
    assert "describe" not in back
    assert back["rename"] == {"gone": "kept"}


def test_a_server_that_is_away_keeps_what_was_said_about_it():
    assert composed(SPEC, {"server": ["a"]}, {"a": []})["servers"]["a"]["rename"] == {"gone": "kept"}


def test_servers_are_added_and_taken_out():
    assert composed(SPEC, form(add=["b"]), TOOLS)["servers"]["b"] == {}
    assert composed(SPEC, form(**{"remove.a": ["on"]}), TOOLS)["servers"] == {}
