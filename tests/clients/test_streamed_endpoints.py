"""Pictures, speech and transcripts as streams, by OpenAI's SDK against a running hub: as they come, to their end, charged."""

import asyncio
import json

import openai
import pytest

from tests.support import upstream as up
from tests.support.hubs import wait_for

pytestmark = pytest.mark.anyio
PICTURE = {
    "b64_json": "aGk=", "created_at": 1, "size": "1024x1024", "quality": "high", "background": "opaque", "output_format": "png",
}  # fmt: skip
DRAWN = {
    "input_tokens": 6,
    "input_tokens_details": {"text_tokens": 6, "image_tokens": 0},
    "output_tokens": 272,
    "total_tokens": 278,
}
HEARD = {
    "type": "tokens", "input_tokens": 14, "output_tokens": 3, "total_tokens": 17,
    "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
}  # fmt: skip
SPOKEN = {"input_tokens": 5, "output_tokens": 101, "total_tokens": 106}
PRICE = {"input": "1", "output": "2", "image": "3", "audio_in": "4", "audio_out": "5"}


def event(kind, **fields):
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), json.dumps({"type": kind, **fields}).encode())


STREAMS = {
    "/v1/images/generations": [
        event("image_generation.partial_image", partial_image_index=0, **PICTURE),
        event("image_generation.partial_image", partial_image_index=1, **PICTURE),
        event("image_generation.completed", usage=DRAWN, **PICTURE),
    ],
    "/v1/audio/speech": [
        event("speech.audio.delta", audio="aGk="), event("speech.audio.delta", audio="aG8="),
        event("speech.audio.done", usage=SPOKEN),
    ],
    "/v1/audio/transcriptions": [
        event("transcript.text.delta", delta="good "), event("transcript.text.delta", delta="day"),
        event("transcript.text.done", text="good day", usage=HEARD),
    ],
}  # fmt: skip
COSTS = {
    "/v1/images/generations": 6 + 3 * 272, "/v1/audio/speech": 5 + 5 * 101, "/v1/audio/transcriptions": 4 * 14 + 2 * 3,
}  # fmt: skip


@pytest.fixture
async def upstream():
    async with up.Upstream() as opened:
        opened.default = lambda received: up.sse(STREAMS[received.path])
        yield opened


@pytest.fixture
async def client(hub, upstream):
    provider = {"kind": "openai-compatible", "base_url": f"{upstream.url}/v1", "allow_private": True}
    hub.put("providers", "streams", provider)
    hub.put("models", "streamed", {"targets": [{"model": "streams/its-own-name"}], "price": PRICE})
    async with openai.AsyncOpenAI(base_url=f"{hub.url}/v1", api_key=hub.admin_key, max_retries=0) as opened:
        yield opened


def entry(hub, name):
    def found():
        with hub.client() as plain:
            return plain.get("/api/v1/logs", params={"request_id": name}).json()["items"]

    return wait_for(found)[0]


def asked(name):
    return {"model": "streamed", "extra_headers": {"x-request-id": name}}


def drawn(client, name, **more):
    return client.images.generate(prompt="a hub", stream=True, partial_images=2, **asked(name), **more)


async def test_a_picture_comes_by_its_previews(hub, client, upstream):
    told = [one async for one in await drawn(client, "pictures")]
    assert [one.type.rpartition(".")[2] for one in told] == ["partial_image", "partial_image", "completed"]
    assert told[-1].usage.output_tokens == 272
    written = await asyncio.to_thread(entry, hub, "pictures")
    assert (written["usage"]["image"], written["cost_micro_usd"]) == (272, COSTS["/v1/images/generations"])
    assert (written["stream"], written["outcome"]) == (True, "ok")
    assert json.loads(upstream.requests[-1].body)["model"] == "its-own-name"


async def test_what_was_heard_comes_word_by_word(hub, client):
    made = await client.audio.transcriptions.create(file=("a.mp3", b"ID3\x04"), stream=True, **asked("heard"))
    told = [one async for one in made]
    assert "".join(one.delta for one in told[:-1]) == told[-1].text == "good day"
    written = await asyncio.to_thread(entry, hub, "heard")
    assert (written["usage"]["audio_in"], written["cost_micro_usd"]) == (14, COSTS["/v1/audio/transcriptions"])


async def test_speech_comes_as_events_byte_for_byte(hub, client):
    create = client.audio.speech.with_streaming_response.create
    async with create(input="Good day", voice="alloy", stream_format="sse", **asked("spoken")) as made:
        assert made.headers["content-type"].startswith("text/event-stream")
        assert await made.read() == b"".join(STREAMS["/v1/audio/speech"])
    written = await asyncio.to_thread(entry, hub, "spoken")
    assert (written["usage"]["audio_out"], written["cost_micro_usd"]) == (101, COSTS["/v1/audio/speech"])
    assert written["raw_usage"] == SPOKEN


async def test_each_event_passes_before_the_next_one_is_there(client, upstream):
    gate = up.Wait()
    first, *rest = STREAMS["/v1/images/generations"]
    upstream.enqueue(up.sse([first, gate, *rest]))
    stream = await drawn(client, "at-once")
    assert (await anext(stream)).type == "image_generation.partial_image"
    gate.event.set()
    assert len([one async for one in stream]) == 2


@pytest.mark.parametrize("path", STREAMS)
async def test_a_cut_is_told_as_an_error_and_charged_as_an_estimate(hub, client, upstream, path):
    first = STREAMS[path][0]
    upstream.enqueue(up.sse([first]))
    name = path.replace("/", "-")
    body = {"data": {"model": "streamed", "stream": "true"}, "files": {"file": b"ID3"}}
    if "transcriptions" not in path:
        body = {"json": {"model": "streamed", "prompt": "x", "input": "x", "stream_format": "sse"}}
        body["json"] |= {"stream": True} if "images" in path else {}
    with hub.client() as plain:
        answer = await asyncio.to_thread(plain.post, path, headers={"x-request-id": name}, **body)
    assert answer.content.startswith(first)
    told = json.loads(answer.content[len(first) :].removeprefix(b"data: "))
    assert told["error"]["code"] == "upstream_protocol"
    written = await asyncio.to_thread(entry, hub, name)
    assert (written["outcome"], written["code"]) == ("error", "upstream_protocol")
    assert written["usage"]["estimated"]
    assert 0 < written["cost_micro_usd"] < COSTS[path] + 100


async def test_the_sdk_raises_what_a_provider_says_in_a_stream(client, upstream):
    first, *_ = STREAMS["/v1/images/generations"]
    error = {
        "message": "It was blocked.",
        "type": "image_generation_user_error",
        "code": "moderation_blocked",
        "param": None,
    }
    upstream.enqueue(up.sse([first, event("error", error=error)]))
    with pytest.raises(openai.APIError, match="It was blocked"):
        _ = [one async for one in await drawn(client, "blocked")]


async def test_errors_before_the_stream_are_openais(client, upstream):
    error = {"message": "no", "type": "invalid_request_error", "code": "unknown_voice", "param": "voice"}
    upstream.enqueue(up.json_reply({"error": error}, 400))
    with pytest.raises(openai.BadRequestError) as caught:
        await drawn(client, "bad")
    assert caught.value.code == "unknown_voice"
    upstream.enqueue(up.raw_reply(b"", content_type="text/event-stream"))
    with pytest.raises(openai.APIStatusError) as caught:
        await drawn(client, "empty")
    assert (caught.value.status_code, caught.value.code) == (502, "upstream_protocol")
    with pytest.raises(openai.NotFoundError) as caught:
        await client.images.generate(prompt="a", stream=True, model="nobody/knows")
    assert caught.value.code == "model_not_found"


async def test_a_model_that_does_not_stream_answers_whole(hub, upstream, client):
    upstream.enqueue(up.json_reply({"text": "good day", "usage": HEARD}))
    body = {"data": {"model": "streamed", "stream": "true"}, "files": {"file": b"ID3"}}
    with hub.client() as plain:
        answer = await asyncio.to_thread(
            plain.post, "/v1/audio/transcriptions", headers={"x-request-id": "whole"}, **body
        )
    assert (answer.json()["text"], answer.headers["content-type"]) == ("good day", "application/json")
    assert (await asyncio.to_thread(entry, hub, "whole"))["cost_micro_usd"] == COSTS["/v1/audio/transcriptions"]


async def test_a_caller_who_leaves_takes_the_upstream_along(hub, client, upstream):
    gate = up.Wait()
    first, *rest = STREAMS["/v1/images/generations"]
    upstream.enqueue(up.sse([first, gate, *rest]))
    stream = await drawn(client, "left")
    await anext(stream)
    await stream.close()
    written = await asyncio.to_thread(entry, hub, "left")
    gate.event.set()
    assert (written["outcome"], written["usage"]["image"], written["usage"]["estimated"]) == ("cancelled", 100, True)
