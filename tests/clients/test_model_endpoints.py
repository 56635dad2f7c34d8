"""The endpoints beside conversations, by OpenAI's SDK against a running hub: embeddings to transcriptions."""

import asyncio
import json

import openai
import pytest

from tests.support import upstream as up
from tests.support.hubs import wait_for

pytestmark = pytest.mark.anyio
SOUND = b"ID3\x04" + bytes(range(256)) * 20


def script(received):
    """Answers as OpenAI would, for whichever endpoint was called."""
    match received.path:
        case "/v1/embeddings":
            return up.embeddings(4, 5)
        case "/v1/moderations":
            return up.json_reply(
                {"id": "m", "model": "x", "results": [{"flagged": False, "categories": {}, "category_scores": {}}]}
            )
        case "/v1/images/generations":
            usage = {
                "input_tokens": 6,
                "output_tokens": 272,
                "total_tokens": 278,
                "input_tokens_details": {"text_tokens": 6, "image_tokens": 0},
            }
            return up.json_reply({"created": 1, "data": [{"b64_json": "aGk="}], "usage": usage})
        case "/v1/audio/speech":
            return up.raw_reply(SOUND, content_type="audio/mpeg")
        case "/v1/audio/transcriptions":
            usage = {
                "type": "tokens",
                "input_tokens": 14,
                "output_tokens": 3,
                "total_tokens": 17,
                "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
            }
            return up.json_reply({"text": "good day", "usage": usage})
        case "/v1/rerank":
            return up.json_reply({"id": "r", "results": [{"index": 1, "relevance_score": 0.9}]})
        case "/v1/completions":
            return up.json_reply(
                {
                    "id": "c",
                    "object": "text_completion",
                    "created": 1,
                    "model": "x",
                    "choices": [{"index": 0, "text": "yes", "finish_reason": "stop", "logprobs": None}],
                    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
                }
            )
    raise AssertionError(received.path)


@pytest.fixture
async def upstream():
    async with up.Upstream() as opened:
        opened.default = script
        yield opened


@pytest.fixture
async def client(hub, upstream):
    provider = {"kind": "openai-compatible", "base_url": f"{upstream.url}/v1", "allow_private": True}
    hub.put("providers", "others", provider)
    hub.put("models", "other", {"targets": [{"model": "others/its-own-name"}], "price": {"input": "1", "output": "2"}})
    async with openai.AsyncOpenAI(base_url=f"{hub.url}/v1", api_key=hub.admin_key, max_retries=0) as opened:
        yield opened


async def test_embeddings(client, upstream):
    made = await client.embeddings.create(model="other", input=["a", "b"], encoding_format="float")
    assert len(made.data[0].embedding) == 4
    sent = json.loads(upstream.requests[-1].body)
    assert (sent["model"], sent["input"]) == ("its-own-name", ["a", "b"])


async def test_completions_whole(client):
    made = await client.completions.create(model="other", prompt="Say yes")
    assert made.choices[0].text == "yes"


async def test_moderations(client):
    made = await client.moderations.create(model="other", input="kind words")
    assert made.results[0].flagged is False


async def test_images(client):
    made = await client.images.generate(model="other", prompt="a hub")
    assert made.data[0].b64_json == "aGk="
    assert made.usage.output_tokens == 272


async def test_speech_arrives_byte_for_byte(client):
    made = await client.audio.speech.create(model="other", voice="alloy", input="Good day")
    assert made.content == SOUND
    assert made.response.headers["content-type"] == "audio/mpeg"


async def test_transcriptions_send_the_file_as_it_is(client, upstream):
    made = await client.audio.transcriptions.create(model="other", file=("a.mp3", SOUND), language="en")
    assert made.text == "good day"
    received = upstream.requests[-1]
    assert SOUND in received.body
    assert b"\r\n\r\nits-own-name\r\n" in received.body
    boundary = received.headers["content-type"].partition("boundary=")[2].encode()
    assert received.body.startswith(b"--" + boundary + b"\r\n")


async def test_rerank_and_what_it_leaves_in_the_ledger(hub, client, upstream):
    asked = {"model": "other", "query": "q", "documents": ["a", "b"], "top_n": 1}
    with hub.client() as plain:
        answer = await asyncio.to_thread(plain.post, "/v1/rerank", json=asked)
    assert answer.json()["results"][0]["index"] == 1
    assert answer.headers["x-hub-model"] == "others/its-own-name"


async def test_each_call_has_an_entry_with_its_usage_and_cost(hub, client):
    made = await client.with_raw_response.embeddings.create(
        model="other", input="a", encoding_format="float", extra_headers={"x-request-id": "embed-1"}
    )
    assert made.headers["x-hub-cost-usd"] == "0.000005"

    def found():
        with hub.client() as plain:
            return plain.get("/api/v1/logs", params={"request_id": "embed-1"}).json()["items"]

    (written,) = wait_for(found)
    assert (written["dialect"], written["usage"]["input"], written["outcome"]) == ("openai_embeddings", 5, "ok")


async def test_a_provider_without_the_endpoint_is_said_to_be_so(hub, client):
    with pytest.raises(openai.APIStatusError) as caught:
        await client.embeddings.create(model="demo", input="a")
    assert (caught.value.status_code, caught.value.code) == (404, "model_not_routed")
    assert "/v1/embeddings" in str(caught.value)


async def test_a_form_where_json_is_expected_and_the_other_way_round(hub):
    with hub.client() as plain:
        assert plain.post("/v1/embeddings", files={"file": b"x"}, data={"model": "other"}).status_code == 415
        assert plain.post("/v1/audio/transcriptions", json={"model": "other"}).status_code == 415
        assert plain.post("/v1/audio/transcriptions", files={"file": b"x"}).json()["error"]["code"] == "malformed"
