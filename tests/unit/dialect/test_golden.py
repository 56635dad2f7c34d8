"""Golden files: one call with everything in it, and one answer, for each caller and each upstream.

`GOLDEN=write python -m pytest tests/unit/dialect/test_golden.py` writes them anew; read the difference before you keep it.
"""

import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.dialect.neutral import Text, Thinking, ToolUse
from tests.support.translating import (
    BEDROCK,
    CALLERS,
    CHAT,
    GEMINI,
    KINDS,
    MESSAGES,
    RESPONSES,
    UPSTREAMS,
    carried,
    lane_of,
    upstream_stream,
)

FOLDER = Path(__file__).parents[2] / "golden"
MODELS = {MESSAGES: "claude-sonnet-4-6", RESPONSES: "gpt-5", GEMINI: "gemini-3-pro", CHAT: "some-model"}
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

FULL = {
    CHAT: {
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            ]},
            {"role": "assistant", "content": "I look.", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}},
                {"id": "call_2", "type": "function", "function": {"name": "get_time", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "call_1", "content": "21 C"},
            {"role": "tool", "tool_call_id": "call_2", "content": "noon"},
            {"role": "developer", "content": "Answer in French now."},
            {"role": "user", "content": "And?"},
        ],
        "tools": [
            {"type": "function", "function": {"name": "get_weather", "description": "Weather", "parameters": SCHEMA, "strict": True}},
            {"type": "function", "function": {"name": "get_time"}},
        ],
        "tool_choice": "auto", "parallel_tool_calls": False, "max_completion_tokens": 4000, "temperature": 0.5, "top_p": 0.9,
        "stop": ["END"], "seed": 7, "reasoning_effort": "high", "user": "u-1", "logit_bias": {"1": 1},
        "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": SCHEMA, "strict": True}},
    },
    MESSAGES: {
        "model": "m", "max_tokens": 4000,
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}, "title": "a.pdf"},
                {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
            ]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "Look first.", "signature": "c2lnbmVk"},
                {"type": "tool_use", "id": "toolu_0", "name": "ToolSearch", "input": {"query": "weather"}},
            ]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_0", "content": [
                {"type": "tool_reference", "tool_name": "get_weather"}]}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": True, "content": "no such place"}]},
            {"role": "system", "content": "Answer in French now."},
            {"role": "user", "content": "And?"},
        ],
        "tools": [
            {"name": "ToolSearch", "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}}},
            {"name": "get_weather", "description": "Weather", "input_schema": SCHEMA, "defer_loading": True},
            {"name": "never_found", "input_schema": SCHEMA, "defer_loading": True},
            {"type": "web_search_20250305", "name": "web_search"},
        ],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}, "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}},
        "context_management": {"edits": []}, "metadata": {"user_id": "u-1"}, "top_k": 5, "stop_sequences": ["END"],
    },
    RESPONSES: {
        "model": "m", "instructions": "Be brief.", "store": False, "include": ["reasoning.encrypted_content"],
        "input": [
            {"role": "developer", "content": [{"type": "input_text", "text": "You are in a terminal."}]},
            {"role": "user", "content": [
                {"type": "input_text", "text": "What is this?"},
                {"type": "input_image", "image_url": f"data:image/png;base64,{PNG}", "detail": "low"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
            ]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Look."}], "encrypted_content": "b3BhcXVl"},
            {"type": "function_call", "call_id": "call_1", "namespace": "mcp__hub", "name": "get_weather", "arguments": '{"city":"Paris"}'},
            {"type": "custom_tool_call", "call_id": "call_2", "name": "apply_patch", "input": "*** Begin"},
            {"type": "function_call_output", "call_id": "call_1", "output": "21 C"},
            {"type": "custom_tool_call_output", "call_id": "call_2", "output": "done"},
            {"role": "user", "content": "And?"},
        ],
        "tools": [
            {"type": "namespace", "name": "mcp__hub", "description": "Tools", "tools": [
                {"type": "function", "name": "get_weather", "description": "Weather", "parameters": SCHEMA, "strict": False}]},
            {"type": "custom", "name": "apply_patch", "description": "Patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}},
            {"type": "web_search"},
        ],
        "tool_choice": "auto", "parallel_tool_calls": True, "max_output_tokens": 4000, "prompt_cache_key": "k",
        "reasoning": {"effort": "high", "summary": "auto"}, "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "place", "schema": SCHEMA}},
    },
    GEMINI: {
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]},
            {"role": "model", "parts": [
                {"text": "Look.", "thought": True},
                {"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2lnbmVk"}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "get_weather", "response": {"output": "21 C"}}}]},
            {"role": "user", "parts": [{"text": "And?"}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "get_weather", "description": "Weather", "parameters": {
            "type": "OBJECT", "properties": {"city": {"type": "STRING", "nullable": True}}, "required": ["city"]}}]}, {"googleSearch": {}}],
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "generationConfig": {"maxOutputTokens": 4000, "temperature": 0.5, "topK": 5, "stopSequences": ["END"], "seed": 7,
            "thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}, "responseMimeType": "application/json", "responseJsonSchema": SCHEMA},
        "safetySettings": [],
    },
    BEDROCK: {
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [
                {"text": "What is this?"}, {"image": {"format": "png", "source": {"bytes": PNG}}},
                {"document": {"format": "pdf", "name": "a", "source": {"bytes": "JVBERg=="}}},
                {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/k"}}}}, {"cachePoint": {"type": "default"}}]},
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": "Look.", "signature": "c2lnbmVk"}}},
                {"toolUse": {"toolUseId": "tooluse_1", "name": "get_weather", "input": {"city": "Paris"}}},
                {"toolUse": {"toolUseId": "tooluse_2", "name": "get_time", "input": {}}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "tooluse_1", "content": [{"json": {"degrees": 21}}]}},
                {"toolResult": {"toolUseId": "tooluse_2", "content": [{"text": "no clock"}], "status": "error"}}]},
            {"role": "assistant", "content": [{"citationsContent": {"content": [{"text": "21 C"}], "citations": []}}]},
            {"role": "user", "content": [{"guardContent": {"text": {"text": "And?"}}}]},
        ],
        "toolConfig": {
            "tools": [
                {"toolSpec": {"name": "get_weather", "description": "Weather", "inputSchema": {"json": SCHEMA}, "strict": True}},
                {"toolSpec": {"name": "get_time", "inputSchema": {"json": {"type": "object"}}}}, {"cachePoint": {"type": "default"}},
            ],
            "toolChoice": {"any": {}},
        },
        "inferenceConfig": {"maxTokens": 4000, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
        "additionalModelRequestFields": {"top_k": 5, "reasoning_effort": "high"},
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": json.dumps(SCHEMA), "name": "place"}}}},
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}, "requestMetadata": {"team": "a"},
    },
}  # fmt: skip
ANSWER = [
    Thinking("Hm, grüße.", "c2ln", "anthropic"),
    Text("Hello 👋"),
    ToolUse("call_9", "get_weather", '{"city": "Paris"}'),
    ToolUse("call_10", "get_time", ""),
]
PAIRS = [(caller, upstream) for caller in CALLERS for upstream in UPSTREAMS if caller is not upstream]


def translated(caller, upstream):
    lane = lane_of(caller, upstream, FULL[caller], model=MODELS.get(upstream, "anthropic.claude-sonnet-4-6"))
    stream = lane_of(caller, upstream, stream=True)
    stream._ask = replace(stream._ask, created=1_700_000_000)
    out, _ = carried(stream, [upstream_stream(upstream, ANSWER, lambda text: text.split(" "))])
    return {
        "upstream": KINDS[upstream],
        "dropped": list(lane.dropped),
        "body": json.loads(lane.body),
        "stream": out.decode().split("\n"),
    }


@pytest.mark.parametrize(("caller", "upstream"), PAIRS)
def test_a_pair_translates_as_its_file_says(caller, upstream):
    file = FOLDER / f"{caller}-to-{upstream}.json"
    made = translated(caller, upstream)
    if os.environ.get("GOLDEN") == "write":
        file.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert made == json.loads(file.read_text(encoding="utf-8"))


def turn_of(caller, role, text):
    if caller is GEMINI:
        return {"role": {"assistant": "model"}.get(role, role), "parts": [{"text": text}]}
    return {"role": role, "content": [{"text": text}] if caller is BEDROCK else text}


@pytest.mark.parametrize(("caller", "upstream"), PAIRS)
def test_the_prefix_of_a_growing_conversation_never_changes(caller, upstream):
    """What a provider has cached must be found again: ten turns, each body begins as the one before."""
    field = {GEMINI: "contents", RESPONSES: "input"}.get(caller, "messages")
    body = {**FULL[caller]}
    kept = {GEMINI: "contents", RESPONSES: "input"}.get(upstream, "messages")
    before = None
    for turn in range(10):
        more, answer = turn_of(caller, "user", f"turn {turn}"), turn_of(caller, "assistant", "ok")
        body = {**body, field: [*body[field], answer, more]}
        made = json.loads(
            lane_of(caller, upstream, body, model=MODELS.get(upstream, "anthropic.claude-sonnet-4-6")).body
        )
        if before is not None:
            assert json.dumps(made[kept][: len(before[kept])]) == json.dumps(before[kept])
            assert list(made) == list(before)
        before = made
