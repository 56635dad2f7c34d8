"""What a call wishes that a provider does not take: it is left out and named, or said in another way."""

import json

import pytest

from hub.dialect.given import Notes
from hub.dialect.responses_to_neutral import read_request
from tests.support.translating import BEDROCK, CHAT, GEMINI, MESSAGES, PLAIN, RESPONSES, lane_of


@pytest.mark.parametrize(
    ("said", "dropped"),
    [
        ({"store": True, "truncation": "auto", "background": True}, {"store", "truncation", "background"}),
        ({"store": False, "truncation": "disabled", "background": False}, set()),
        ({"store": None, "truncation": None}, set()),
        ({}, set()),
    ],
)
def test_a_wish_that_nobody_fulfils_is_named(said, dropped):
    notes = Notes()
    read_request({"model": "m", "input": "hello", **said}, notes)
    assert set(notes.names) == dropped


HISTORY = [
    {"role": "user", "content": "Hi"},
    {
        "role": "assistant",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": "x"},
    {"role": "user", "content": "Sum it up."},
]
OFFERED = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def sent(caller, upstream, body, **more):
    lane = lane_of(caller, upstream, {**PLAIN[caller], **body}, **more)
    return json.loads(lane.body), lane.dropped


def test_tools_that_were_called_are_offered_where_a_provider_insists_and_called_no_more():
    body, dropped = sent(CHAT, MESSAGES, {"messages": HISTORY})
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (["f"], {"type": "none"})
    assert dropped == ()
    body, dropped = sent(CHAT, BEDROCK, {"messages": HISTORY})
    assert [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]] == ["f"]
    assert dropped == ()
    assert "tools" not in sent(CHAT, MESSAGES, {})[0]
    assert "toolConfig" not in sent(CHAT, BEDROCK, {})[0]


def test_a_tool_that_must_not_be_called_is_not_offered_where_nothing_can_forbid_it():
    body, dropped = sent(CHAT, BEDROCK, {"tools": OFFERED, "tool_choice": "none"})
    assert ("toolConfig" in body, dropped) == (False, ())
    body, dropped = sent(CHAT, BEDROCK, {"messages": HISTORY, "tools": OFFERED, "tool_choice": "none"})
    assert ("toolConfig" in body, dropped) == (True, ("tool_choice",))


def test_documents_of_one_name_have_names_of_their_own():
    held = {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}
    documents = [{"type": "document", "title": name, "source": held} for name in ("a.pdf", "a.pdf", "", "")]
    body, _ = sent(MESSAGES, BEDROCK, {"messages": [{"role": "user", "content": documents}]})
    names = [part["document"]["name"] for part in body["messages"][0]["content"] if "document" in part]
    assert names == ["a", "a 2", "document", "document 2"]


@pytest.mark.parametrize("upstream", [MESSAGES, BEDROCK])
def test_what_is_changed_on_the_way_is_named(upstream):
    body, dropped = sent(CHAT, upstream, {"temperature": 1.7, "stop": ["\n", "END"]})
    settings = body.get("inferenceConfig", body)
    assert (settings["temperature"], settings.get("stop_sequences", settings.get("stopSequences"))) == (1.0, ["END"])
    assert set(dropped) == {"temperature", "stop"}
    assert sent(CHAT, upstream, {"temperature": 0.7, "stop": ["END"]})[1] == ()


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES])
@pytest.mark.parametrize(
    ("model", "said", "kept", "dropped"),
    [
        ("gpt-5-mini", {"temperature": 0.2, "top_p": 0.9}, False, {"temperature", "top_p"}),
        ("o3", {"temperature": 1}, False, set()),
        ("gpt-5.4", {"temperature": 0.2}, True, set()),
        ("gpt-5.4", {"temperature": 0.2, "output_config": {"effort": "high"}}, False, {"temperature"}),
        ("gpt-5-chat-latest", {"temperature": 0.2}, True, set()),
        ("gpt-4.1", {"temperature": 0.2, "top_p": 0.9}, True, set()),
    ],
)
def test_models_that_think_are_not_told_how_to_draw_tokens(upstream, model, said, kept, dropped):
    body, names = sent(MESSAGES, upstream, said, model=model, kind="openai")
    assert ("temperature" in body) is kept
    assert set(names) == dropped


def document(**source):
    about = {"title": "T", "context": "From the archive.", "citations": {"enabled": True}}
    return {"messages": [{"role": "user", "content": [{"type": "document", "source": source, **about}]}]}


def said(caller, upstream, body):
    """All that the upstream is told, and what it is not told."""
    written, dropped = sent(caller, upstream, body)
    return json.dumps(written, ensure_ascii=False), dropped


@pytest.mark.parametrize("upstream", [CHAT, RESPONSES, GEMINI, BEDROCK])
def test_a_document_keeps_its_words_pictures_and_context(upstream):
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    held = [{"type": "text", "text": "Words."}, picture]
    told, dropped = said(MESSAGES, upstream, document(type="content", content=held))
    assert all(word in told for word in ("Words.", "iVBORw0KGgo=", "From the archive.", "T\\nWords."))
    assert dropped == ("messages.content.citations",)
    told, dropped = said(MESSAGES, upstream, document(type="base64", media_type="application/pdf", data="JVBERg=="))
    assert "JVBERg==" in told
    assert dropped == (() if upstream is BEDROCK else ("messages.content.citations",))


def test_what_was_found_is_told():
    found = {"searchResult": {"source": "https://s.example", "title": "S", "content": [{"text": "Found."}]}}
    body = {"messages": [{"role": "user", "content": [found, {"text": "And?"}]}]}
    for upstream in (CHAT, MESSAGES, RESPONSES, GEMINI):
        told, dropped = said(BEDROCK, upstream, body)
        assert "S (https://s.example)\\nFound." in told
        assert dropped == ()


def test_a_tool_that_failed_with_a_picture_has_failed():
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    result = {"type": "tool_result", "tool_use_id": "c", "is_error": True, "content": [picture]}
    call = {"type": "tool_use", "id": "c", "name": "f", "input": {}}
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result]},
    ]
    body, _ = sent(
        MESSAGES, RESPONSES, {"messages": turns, "tools": [{"name": "f", "input_schema": {"type": "object"}}]}
    )
    assert [part["type"] for part in body["input"][-1]["output"]] == ["input_text", "input_image"]
    assert body["input"][-1]["output"][0]["text"] == "Error:"


def test_the_kind_of_a_linked_picture_is_what_its_address_says():
    content = [{"type": "image_url", "image_url": {"url": "https://a.example/b.jpg?size=1"}}]
    body, _ = sent(CHAT, GEMINI, {"messages": [{"role": "user", "content": content}]})
    assert body["contents"][0]["parts"][0]["fileData"]["mimeType"] == "image/jpeg"


@pytest.mark.parametrize(
    ("model", "said", "kept", "dropped"),
    [
        ("claude-sonnet-4-6", {"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2}, ("top_p",)),
        ("claude-haiku-4-5", {"temperature": 0.2, "top_p": 1}, {"temperature": 0.2}, ()),
        ("claude-sonnet-4-6", {"top_p": 0.9}, {"top_p": 0.9}, ()),
        ("claude-3-5-haiku", {"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2, "top_p": 0.9}, ()),
    ],
)
def test_a_model_that_takes_one_setting_alone_gets_one(model, said, kept, dropped):
    body, names = sent(CHAT, MESSAGES, said, model=model)
    assert ({name: body[name] for name in ("temperature", "top_p") if name in body}, names) == (kept, dropped)
    body, names = sent(CHAT, BEDROCK, said, model=f"eu.anthropic.{model}-v1:0")
    assert (body["inferenceConfig"].get("topP"), names) == (kept.get("top_p"), dropped)
