"""What a profile weighs while it is composed: the tools that are chosen, under the names that clients see."""

from hub.ui.weighing import weight_of


def tool(name, description="Does it.", tokens=40, schema=None):
    return {"name": name, "description": description, "input_schema": schema or {}, "annotations": {}, "tokens": tokens}


OFFERS = {"one": [tool("read"), tool("write", tokens=60)], "two": [tool("read", tokens=8)]}


def test_only_the_chosen_tools_weigh():
    weight = weight_of("p", {"servers": {"one": {"tools": ["read"]}, "two": {}}, "prefix": "never"}, OFFERS)
    assert weight.tools == 2
    chosen = weight_of("p", {"servers": {"one": {"tools": ["!read", "*"]}}, "prefix": "never"}, OFFERS)
    assert chosen.tools == 1
    assert chosen.tokens == 60
    assert weight_of("p", {"servers": {}}, OFFERS) == weight_of("p", {}, {})


def test_a_name_and_a_description_weigh_as_clients_see_them():
    plain = weight_of("p", {"servers": {"two": {}}, "prefix": "never"}, OFFERS)
    prefixed = weight_of("p", {"servers": {"two": {}}}, OFFERS)
    described = weight_of("p", {"servers": {"two": {"describe": {"read": "é" * 200}}}, "prefix": "never"}, OFFERS)
    assert plain.tokens == 8
    assert prefixed.tokens == 9
    assert described.tokens == 8 + (400 - 8) // 4


def test_what_clients_cut_is_told_once():
    name = "n" * 61
    weight = weight_of("p", {"servers": {"two": {"rename": {"read": name}}}}, OFFERS)
    tools = {of for of, _ in weight.cautions}
    assert tools == {name}
    assert any("Cursor takes 60" in text for _, text in weight.cautions)
    assert len(set(weight.cautions)) == len(weight.cautions)
    many = weight_of("p", {"servers": {"many": {}}}, {"many": [tool(f"t{n}") for n in range(50)]})
    assert [of for of, text in many.cautions if "Cursor takes 40 tools" in text] == [""]


def test_what_a_server_does_not_offer_right_now_weighs_nothing():
    assert weight_of("p", {"servers": {"away": {"tools": ["a"]}}}, {"away": []}).tools == 0
