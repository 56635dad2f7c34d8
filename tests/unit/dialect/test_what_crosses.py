"""Beside words and calls: likelihoods, sources and pictures cross wherever the caller's dialect has a place for them."""

import json

import pytest

from hub.dialect import framed
from tests.support.dialect_answers import frame
from tests.support.translating import BEDROCK, CHAT, GEMINI, MESSAGES, PLAIN, RESPONSES, carried, lane_of

PICTURE = "iVBORw0KGgo="
SAID = "Grüße, weather."
CANDIDATE = {
    "content": {"parts": [{"text": SAID}]},
    "finishReason": "STOP",
    "logprobsResult": {
        "chosenCandidates": [{"token": "Grüße", "tokenId": 7, "logProbability": -0.25}],
        "topCandidates": [
            {"candidates": [{"token": "Grüße", "logProbability": -0.25}, {"token": "Hi", "logProbability": -2}]}
        ],
    },
    "groundingMetadata": {
        "groundingChunks": [
            {"web": {"uri": "https://a.example", "title": "A"}},
            {"web": {"uri": "https://b.example", "title": "B"}},
        ],
        # bytes: "Grüße" has five letters in seven of them
        "groundingSupports": [{"segment": {"startIndex": 0, "endIndex": 7}, "groundingChunkIndices": [0]}],
    },
}
WEIGHTS = [
    {"token": "Grüße", "logprob": -0.25, "bytes": list("Grüße".encode()), "top_logprobs": [
        {"token": "Grüße", "logprob": -0.25, "bytes": list("Grüße".encode())},
        {"token": "Hi", "logprob": -2, "bytes": [72, 105]},
    ]},
]  # fmt: skip


def whole(caller, upstream, answer, body=None):
    lane = lane_of(caller, upstream, body)
    return json.loads(lane.whole(json.dumps(answer).encode()).body), lane.dropped


def streamed(caller, upstream, *values):
    chunks = [b"data: %b\n\n" % json.dumps(value).encode() for value in values]
    out, _ = carried(
        lane_of(caller, upstream, stream=True), [*chunks, *([b"data: [DONE]\n\n"] if upstream is CHAT else [])]
    )
    return [json.loads(line[6:]) for line in out.decode().split("\n") if line.startswith("data: {")]


def test_geminis_likelihoods_and_sources_reach_openais_callers():
    choice = whole(CHAT, GEMINI, {"candidates": [CANDIDATE]})[0]["choices"][0]
    assert choice["logprobs"]["content"] == WEIGHTS
    first, second = [one["url_citation"] for one in choice["message"]["annotations"]]
    assert (first["url"], first["title"], first["start_index"], first["end_index"]) == ("https://a.example", "A", 0, 5)
    assert second["url"] == "https://b.example"
    (item,) = whole(RESPONSES, GEMINI, {"candidates": [CANDIDATE]})[0]["output"]
    (part,) = item["content"]
    assert part["logprobs"] == WEIGHTS
    assert [(one["url"], one["end_index"]) for one in part["annotations"]] == [
        ("https://a.example", 5), ("https://b.example", 0)
    ]  # fmt: skip


def test_they_do_in_a_stream():
    first = {"content": {"parts": [{"text": SAID[:3]}]}}
    rest = {**CANDIDATE, "content": {"parts": [{"text": SAID[3:]}]}}
    chunks = streamed(CHAT, GEMINI, {"candidates": [first]}, {"candidates": [rest]})
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [one for c in choices for one in (c.get("logprobs") or {}).get("content") or []] == WEIGHTS
    notes = [one["url_citation"] for c in choices for one in c["delta"].get("annotations", [])]
    assert [(one["url"], one["end_index"]) for one in notes] == [("https://a.example", 5), ("https://b.example", 0)]


def test_openais_likelihoods_reach_geminis_callers():
    message = {"role": "assistant", "content": "Grüße"}
    answer = {"choices": [{"message": message, "logprobs": {"content": WEIGHTS}, "finish_reason": "stop"}]}
    told = whole(GEMINI, CHAT, answer)[0]["candidates"][0]["logprobsResult"]
    assert told["chosenCandidates"] == [{"token": "Grüße", "logProbability": -0.25}]
    assert [one["token"] for one in told["topCandidates"][0]["candidates"]] == ["Grüße", "Hi"]
    delta = {"index": 0, "delta": {"content": "Grüße"}, "logprobs": {"content": WEIGHTS}, "finish_reason": "stop"}
    events = streamed(GEMINI, CHAT, {"id": "c", "choices": [delta]})
    found = [c["logprobsResult"] for event in events for c in event["candidates"] if "logprobsResult" in c]
    assert found == [told]


def test_vertex_names_its_sources_otherwise():
    candidate = {
        "content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP",
        "citationMetadata": {"citations": [{"uri": "https://v.example", "title": "V", "endIndex": 2}]},
    }  # fmt: skip
    (note,) = whole(CHAT, GEMINI, {"candidates": [candidate]})[0]["choices"][0]["message"]["annotations"]
    assert (note["url_citation"]["url"], note["url_citation"]["end_index"]) == ("https://v.example", 2)


DRAWN = {
    CHAT: {"choices": [{"message": {"role": "assistant", "content": "Look:", "images": [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}]}, "finish_reason": "stop"}]},
    RESPONSES: {"status": "completed", "output": [
        {"type": "message", "content": [{"type": "output_text", "text": "Look:"}]},
        {"type": "image_generation_call", "id": "ig", "status": "completed", "output_format": "png", "result": PICTURE}]},
    GEMINI: {"candidates": [{"content": {"parts": [
        {"text": "Look:"}, {"inlineData": {"mimeType": "image/png", "data": PICTURE}}]}, "finishReason": "STOP"}]},
    BEDROCK: {"output": {"message": {"role": "assistant", "content": [
        {"text": "Look:"}, {"image": {"format": "png", "source": {"bytes": PICTURE}}}]}}, "stopReason": "end_turn"},
}  # fmt: skip
DRAWERS = pytest.mark.parametrize("upstream", DRAWN)


def picture_in(caller, body):
    """What a caller of each dialect finds as the picture, and whether the words stand before it."""
    if caller is CHAT:
        message = body["choices"][0]["message"]
        return message["content"], message["images"][0]["image_url"]["url"].partition(",")[2]
    if caller is RESPONSES:
        text, picture = body["output"]
        return text["content"][0]["text"], picture["result"]
    if caller is GEMINI:
        text, picture = body["candidates"][0]["content"]["parts"]
        return text["text"], picture["inlineData"]["data"]
    text, picture = body["output"]["message"]["content"]
    return text["text"], picture["image"]["source"]["bytes"]


@DRAWERS
@pytest.mark.parametrize("caller", DRAWN)
def test_a_picture_reaches_the_caller(caller, upstream):
    if caller is not upstream:
        assert picture_in(caller, whole(caller, upstream, DRAWN[upstream])[0]) == ("Look:", PICTURE)


@DRAWERS
def test_a_picture_without_a_place_is_named(upstream):
    body, dropped = whole(MESSAGES, upstream, DRAWN[upstream])
    assert [block["text"] for block in body["content"]] == ["Look:"]
    assert dropped == ("content.image",)


def test_ratings_without_a_place_are_named():
    rated = {"candidates": [{**CANDIDATE, "safetyRatings": [{"category": "C", "probability": "LOW"}]}]}
    assert whole(MESSAGES, GEMINI, rated)[1] == ("safety_ratings",)
    renamed = {"type": "function", "function": {"name": "a.b", "parameters": {"type": "object"}}}
    body, dropped = whole(CHAT, GEMINI, rated, {**PLAIN[CHAT], "tools": [renamed]})
    assert dropped == ()
    assert body["choices"][0]["extra_content"]["google"]["safety_ratings"] == [{"category": "C", "probability": "LOW"}]


def drawn_stream(upstream):
    if upstream is CHAT:
        picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
        deltas = [{"content": "Look:"}, {"images": [picture]}, {"content": "There."}]
        chunks = [{"id": "c", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        chunks[-1]["choices"][0]["finish_reason"] = "stop"
    elif upstream is GEMINI:
        parts = [{"text": "Look:"}, {"inlineData": {"mimeType": "image/png", "data": PICTURE}}, {"text": "There."}]
        chunks = [{"candidates": [{"content": {"parts": [part]}}]} for part in parts]
        chunks[-1]["candidates"][0]["finishReason"] = "STOP"
    elif upstream is RESPONSES:
        place = {"output_index": 1}
        text = {"type": "response.output_text.delta", "content_index": 0}
        item = {"type": "image_generation_call", "id": "ig", "status": "completed", "result": PICTURE}
        chunks = [
            {"type": "response.created", "response": {"id": "r"}},
            {"type": "response.content_part.added", "output_index": 0, "part": {"type": "output_text"}},
            {**text, "output_index": 0, "delta": "Look:"},
            {"type": "response.content_part.done", "output_index": 0},
            {"type": "response.output_item.added", **place, "item": {**item, "status": "in_progress", "result": None}},
            {"type": "response.output_item.done", **place, "item": item},
            {**text, "output_index": 2, "delta": "There."},
            {"type": "response.completed", "response": {"id": "r", "status": "completed"}},
        ]
    else:
        middle = [("contentBlockStart", {"start": {"image": {"format": "png"}}}),
                  ("contentBlockDelta", {"delta": {"image": {"source": {"bytes": PICTURE[:8]}}}}),
                  ("contentBlockDelta", {"delta": {"image": {"source": {"bytes": PICTURE[8:]}}}})]  # fmt: skip
        texts = [("contentBlockDelta", {"delta": {"text": text}}) for text in ("Look:", "There.")]
        blocks = [[texts[0]], middle, [texts[1]]]
        frames = [frame("messageStart", {"role": "assistant"})]
        for index, block in enumerate(blocks):
            steps = [*block, ("contentBlockStop", {})]
            frames += [frame(kind, {"contentBlockIndex": index, **body}) for kind, body in steps]
        return [*frames, frame("messageStop", {"stopReason": "end_turn"}), frame("metadata", {"usage": {}})]
    data = [b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks]
    return [*data, b"data: [DONE]\n\n"] if upstream is CHAT else data


def seen_in(caller, out):
    """The words and pictures of an emitted stream, in their order."""
    seen = []
    for line in out.decode().split("\n"):
        event = json.loads(line[6:]) if line.startswith("data: {") else {}
        delta = (event.get("choices") or [{}])[0].get("delta", {})
        seen += [delta["content"]] if delta.get("content") else []
        seen += [one["image_url"]["url"].partition(",")[2] for one in delta.get("images", [])]
        for part in (event.get("candidates") or [{}])[0].get("content", {}).get("parts", []):
            seen.append(part.get("text") or part["inlineData"]["data"])
        if event.get("type") == "response.output_text.delta":
            seen.append(event["delta"])
        if event.get("type") == "response.output_item.done" and "result" in event["item"]:
            seen.append(event["item"]["result"])
        held = event.get("delta", {}) if caller in (BEDROCK, MESSAGES) else {}
        seen += [held["text"]] if "text" in held else []
        seen += [held["image"]["source"]["bytes"]] if "image" in held else []
    return seen


@DRAWERS
@pytest.mark.parametrize("caller", [*DRAWN, MESSAGES])
def test_a_picture_reaches_the_caller_in_a_stream(caller, upstream):
    if caller is upstream:
        return
    out, _ = carried(lane_of(caller, upstream, stream=True), drawn_stream(upstream))
    assert seen_in(caller, out) == ["Look:", *([] if caller is MESSAGES else [PICTURE]), "There."]
    if caller is MESSAGES:
        events = [json.loads(line[6:]) for line in out.decode().split("\n") if line.startswith("data: {")]
        assert [e["index"] for e in events if e["type"] == "content_block_start"] == [0, 1], "no block is skipped"
    if caller is BEDROCK:
        assert framed(out)


def test_a_picture_is_shown_again_to_who_takes_it_back():
    drawn = {"role": "assistant", "content": "Look:", "images": [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}]}  # fmt: skip
    body = {**PLAIN[CHAT], "messages": [*PLAIN[CHAT]["messages"], drawn, {"role": "user", "content": "Bluer."}]}
    parts = json.loads(lane_of(CHAT, GEMINI, body).body)["contents"][1]["parts"]
    assert parts == [{"text": "Look:"}, {"inlineData": {"mimeType": "image/png", "data": PICTURE}}]
    for upstream in (MESSAGES, RESPONSES, BEDROCK):
        lane = lane_of(CHAT, upstream, body)
        assert lane.dropped == ("messages.content.image",)
        assert PICTURE.encode() not in lane.body
    back = {"contents": [PLAIN[GEMINI]["contents"][0], {"role": "model", "parts": parts}]}
    said = json.loads(lane_of(GEMINI, CHAT, back).body)["messages"][1]
    assert said["images"][0]["image_url"]["url"].endswith(PICTURE)
    assert lane_of(GEMINI, CHAT, back, kind="openai").dropped == ("messages.content.image",)


@pytest.mark.parametrize("caller", [MESSAGES, RESPONSES, GEMINI, BEDROCK])
def test_what_nobody_counted_is_told_as_estimated(caller):
    """Agents cut their conversation by what they are told that it has: nothing would mean that it never grows."""
    words = "word " * 400
    message = {"role": "assistant", "content": words}
    lane = lane_of(caller, CHAT)
    told = lane.whole(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode())
    assert told.usage.estimated
    counted = json.loads(told.body)
    held = counted.get("usageMetadata") or counted["usage"]
    output = next(held[name] for name in ("output_tokens", "candidatesTokenCount", "outputTokens") if name in held)
    assert output == told.usage.completion > 400
    chunk = {"id": "c", "choices": [{"index": 0, "delta": {"content": words}, "finish_reason": "stop"}]}
    chunks = [b"data: %b\n\n" % json.dumps(chunk).encode(), b"data: [DONE]\n\n"]
    out, reader = carried(lane_of(caller, CHAT, stream=True), chunks)
    assert reader.usage.estimated
    assert f":{reader.usage.completion}".encode() in out
    assert reader.usage.completion >= 400
