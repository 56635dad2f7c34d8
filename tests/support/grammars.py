"""The order of events in a stream of each dialect, as automata: each takes a whole stream and fails where it strays."""

import json
from typing import Any

from hub.core.calls import Dialect


def _events(data: bytes) -> list[tuple[str, Any]]:
    """(name, data) of each event; comments are left out."""
    found: list[tuple[str, Any]] = []
    for block in data.decode().split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        name = next((line[7:] for line in lines if line.startswith("event: ")), "")
        text = "\n".join(line[6:] for line in lines if line.startswith("data: "))
        found.append((name, text if text == "[DONE]" else json.loads(text)))
    return found


def check_messages(data: bytes) -> None:
    """message_start, blocks one after the other, message_delta, message_stop; pings anywhere."""
    state, index = "start", -1
    for name, event in _events(data):
        kind = event["type"]
        assert name == kind, "the name of an event is its type"
        if kind == "ping":
            continue
        match state, kind:
            case "start", "message_start":
                assert event["message"]["content"] == []
                state = "between"
            case "between", "content_block_start":
                index += 1
                assert event["index"] == index
                state = "block"
            case "block", "content_block_delta":
                assert event["index"] == index
            case "block", "content_block_stop":
                assert event["index"] == index
                state = "between"
            case "between", "message_delta":
                assert event["delta"]["stop_reason"]
                assert "output_tokens" in event["usage"]
                state = "ending"
            case "ending", "message_stop":
                state = "done"
            case _:
                raise AssertionError(f"{kind} in state {state}")
    assert state == "done", state


def check_chat(data: bytes) -> None:
    """Deltas of one answer, its reason to finish, the counts if asked for, [DONE]."""
    ids: set[str] = set()
    finished = done = counted = False
    calls = 0
    for number, (_, chunk) in enumerate(_events(data)):
        assert not done, "something after [DONE]"
        if chunk == "[DONE]":
            assert finished
            done = True
            continue
        ids.add(chunk["id"])
        if not chunk["choices"]:
            assert finished
            assert chunk["usage"]["total_tokens"] >= 0
            counted = True
            continue
        assert not counted
        assert not finished, "something after the reason to finish"
        (choice,) = chunk["choices"]
        assert ("role" in choice["delta"]) == (number == 0)
        for call in choice["delta"].get("tool_calls", ()):
            if "id" in call:
                assert call["index"] == calls
                calls += 1
            else:
                assert call["index"] == calls - 1, "fragments of the call that is open only"
        finished = choice["finish_reason"] is not None
    assert done
    assert len(ids) == 1


def check_responses(data: bytes) -> None:
    """created, in_progress, items with their parts, completed; numbered without a gap; done texts are their deltas."""
    events = _events(data)
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))
    kinds = [event["type"].removeprefix("response.") for _, event in events]
    assert kinds[:2] == ["created", "in_progress"]
    assert kinds[-1] in ("completed", "incomplete")
    items: list[Any] = []
    held: Any = None
    text = ""
    for (name, event), kind in zip(events[2:-1], kinds[2:-1], strict=True):
        assert name == event["type"]
        if kind == "output_item.added":
            assert held is None, "two items at once"
            assert event["output_index"] == len(items)
            held, text = event["item"], ""
        elif kind == "output_item.done":
            assert event["item"]["id"] == held["id"]
            assert event["output_index"] == len(items)
            items.append(event["item"])
            held = None
        else:
            assert event["item_id"] == held["id"]
            assert event["output_index"] == len(items)
            if kind.endswith(".delta"):
                text += event["delta"]
            elif kind in ("output_text.done", "reasoning_summary_text.done"):
                assert event["text"] == text
            elif kind == "function_call_arguments.done":
                assert event["arguments"] == (text or "{}")
    assert held is None
    assert events[-1][1]["response"]["output"] == items


def check_gemini(data: bytes) -> None:
    """Chunks with parts; the reason to finish and the counts stand in the last one only."""
    events = _events(data)
    reasons = [event["candidates"][0].get("finishReason") for _, event in events]
    assert reasons[-1]
    assert not any(reasons[:-1])
    assert events[-1][1]["usageMetadata"]["totalTokenCount"] >= 0
    assert len({event["responseId"] for _, event in events}) == 1


def check_bedrock(data: bytes) -> None:
    """messageStart, blocks one after the other (those of tools are announced), messageStop, metadata."""
    events = _events(data)
    kinds = [name for name, _ in events]
    assert kinds[0] == "messageStart"
    assert kinds[-2:] == ["messageStop", "metadata"]
    assert events[-1][1]["usage"]["totalTokens"] >= 0
    index, opened = 0, ""
    for name, event in events[1:-2]:
        assert event["contentBlockIndex"] == index
        if name == "contentBlockStart":
            assert not opened
            opened = "toolUse"
            assert event["start"]["toolUse"].keys() == {"toolUseId", "name"}
        elif name == "contentBlockDelta":
            (kind,) = event["delta"]
            assert opened == kind or (not opened and kind != "toolUse")
            opened = kind
        else:
            assert name == "contentBlockStop"
            index, opened = index + 1, ""
    assert not opened


GRAMMARS = {
    Dialect.ANTHROPIC_MESSAGES: check_messages,
    Dialect.OPENAI_CHAT: check_chat,
    Dialect.OPENAI_RESPONSES: check_responses,
    Dialect.GEMINI: check_gemini,
    Dialect.BEDROCK: check_bedrock,
}
