"""The scriptable upstreams do what they say, so that other tests may trust them."""

import asyncio
import gzip
import json

import aiohttp
import anthropic
import openai
import pytest

from tests.support.upstream import (
    CLOSE,
    HANG,
    RESET,
    Upstream,
    anthropic_error,
    bad_chunk_size,
    black_hole,
    chat,
    garbage_status,
    gzip_bomb,
    hang,
    huge_header,
    length_and_chunked,
    messages,
    openai_error,
    refused,
    spawn_upstream,
    until,
)

pytestmark = pytest.mark.anyio
ASK = {"model": "gpt-test", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def upstream():
    async with Upstream() as running:
        yield running


@pytest.fixture
async def http():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
        yield session


async def talk(upstream, body=ASK, seconds=5.0, connection="close"):
    """Every byte that comes back over a connection of its own, and how it ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nconnection: {connection}\r\ncontent-length: {len(data)}\r\n\r\n"
    writer.write(head.encode() + data)
    got, end = b"", "open"
    try:
        async with asyncio.timeout(seconds):
            while piece := await reader.read(65536):
                got += piece
            end = "fin"
    except ConnectionResetError:
        end = "rst"
    except TimeoutError:
        pass
    finally:
        writer.close()
    return got, end


def payload(raw):
    """The de-chunked payload of a whole chunked answer."""
    body, out = raw.split(b"\r\n\r\n", 1)[1], b""
    while body:
        size, _, body = body.partition(b"\r\n")
        count = int(size, 16)
        out, body = out + body[:count], body[count + 2 :]
    return out


async def test_openai_sdk_reads_answers_streams_tools_and_usage(upstream):
    client = openai.AsyncOpenAI(api_key="k", base_url=f"{upstream.url}/v1", max_retries=0)
    upstream.enqueue(chat("Hello grüße 👋"))
    whole = await client.chat.completions.create(**ASK)
    assert (whole.choices[0].message.content, whole.usage.total_tokens, whole.model) == (
        "Hello grüße 👋",
        19,
        "gpt-test",
    )
    assert whole.model_extra["x_vendor"]["kept"] is True
    upstream.enqueue(chat("Hello grüße 👋").rechunked(3))
    stream = await client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hello grüße 👋"
    assert chunks[-1].usage.total_tokens == 19
    stream = await client.chat.completions.create(**ASK, stream=True)
    assert all(chunk.usage is None for chunk in [c async for c in stream])
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    ask = {**ASK, "messages": [{"role": "user", "content": "use the tool"}]}
    call = (await client.chat.completions.create(**ask, tools=tools)).choices[0].message.tool_calls[0]
    assert call.function.name == "look"
    vectors = await client.embeddings.create(model="e", input=["a", "b"], encoding_format="float")
    assert len(vectors.data) == 2
    assert [model.id async for model in client.models.list()] == ["gpt-scripted", "claude-scripted"]
    answer = await client.responses.create(model="gpt-r", input="hi")
    assert answer.output_text
    events = [event.type async for event in await client.responses.create(model="gpt-r", input="hi", stream=True)]
    assert events[-1] == "response.completed"
    await client.close()


async def test_anthropic_sdk_reads_thinking_tools_and_cache_usage(upstream):
    client = anthropic.AsyncAnthropic(api_key="k", base_url=upstream.url, max_retries=0)
    upstream.default = messages("Hi there", tool=("look", {"n": 1}), thinking="hm hm", cache_read=5, cache_write=3)
    ask = {"model": "claude-test", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
    whole = await client.messages.create(**ask)
    async with client.messages.stream(**ask) as stream:
        streamed = await stream.get_final_message()
    for message in (whole, streamed):
        assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
        assert message.content[0].signature.startswith("c2ln")
        assert message.content[2].input == {"n": 1}
        assert (message.usage.cache_read_input_tokens, message.usage.cache_creation_input_tokens) == (5, 3)
        assert message.usage.output_tokens == 7
    await client.close()


async def test_errors_have_each_dialects_shape(upstream):
    upstream.enqueue(openai_error(429, "slow down", retry_after=7), anthropic_error(529), openai_error(503))
    first, second, third = [(await talk(upstream))[0] for _ in range(3)]
    assert b"HTTP/1.1 429" in first
    assert b"retry-after: 7" in first
    assert b"overloaded_error" in second
    assert b"retry-after" not in third


STREAM = {**ASK, "stream": True}


@pytest.mark.parametrize(
    ("script", "end"),
    [
        (chat().cut(100), "rst"),
        (chat().cut(100, CLOSE), "fin"),
        (chat().cut(100, HANG), "open"),
        (chat().cut(0, HANG), "open"),
    ],
)
async def test_a_cut_is_made_at_its_byte(upstream, script, end):
    upstream.enqueue(script)
    raw, ended = await talk(upstream, STREAM, seconds=0.3)
    assert ended == end
    assert len(raw.split(b"\r\n\r\n", 1)[1]) == (0 if script.wire(upstream.requests[0]).body[0] is HANG else 100)


async def test_payload_changes_keep_the_framing_clean(upstream):
    upstream.enqueue(chat(), chat().rechunked(1), chat().truncated(200), chat().without_end())
    whole, bytewise, cut, endless = [payload((await talk(upstream, STREAM))[0]) for _ in range(4)]
    assert bytewise == whole
    assert cut == whole[:200]
    assert whole == endless + b"data: [DONE]\n\n"


async def test_changes_may_come_in_any_order(upstream):
    await talk(upstream, STREAM)
    received = upstream.requests[0]
    one = chat().without_end().rechunked(7).paced(0.5).cut(50)
    other = chat().cut(50).paced(0.5).rechunked(7).without_end()
    assert list(one.wire(received).steps()) == list(other.wire(received).steps())


@pytest.mark.parametrize(
    "script",
    [
        garbage_status(),
        huge_header(),
        length_and_chunked(),
        bad_chunk_size(),
        chat().declaring(10),
        hang(),
        chat().dripped(0.2),
        chat().cut_head(20, RESET),
    ],
)
async def test_a_strict_client_refuses_every_fault(upstream, http, script):
    upstream.default = script
    with pytest.raises((aiohttp.ClientError, TimeoutError, ValueError)):
        async with http.post(
            f"{upstream.url}/v1/chat/completions", json=ASK, timeout=aiohttp.ClientTimeout(0.5)
        ) as reply:
            await reply.read()


async def test_the_peers_leaving_is_noticed(upstream):
    upstream.default = hang()
    _, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    received = await upstream.request(0)
    assert received.body == b"{}"
    with pytest.raises(TimeoutError):
        await received.closed(0.05)
    writer.close()
    await received.closed()
    assert not received.answered
    await until(lambda: upstream.open_connections == 0)


async def test_connections_are_kept_dropped_and_counted(upstream, http):
    for _ in range(2):
        async with http.post(f"{upstream.url}/v1/chat/completions", json=ASK) as reply:
            await reply.read()
    assert upstream.connections == 1
    upstream.drop_idle()
    await until(lambda: upstream.open_connections == 0)
    upstream.enqueue(chat().then_closed())
    _, ended = await talk(upstream, connection="keep-alive")
    assert ended == "fin"


async def test_a_gzip_bomb_is_small_and_expands(upstream):
    body = gzip_bomb(3).wire(None).body[0]
    assert len(body) < 10_000
    assert len(gzip.decompress(body)) == 3 * 1_048_576


async def test_addresses_without_an_answer():
    with refused() as url, pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]))
    with black_hole() as url, pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1])), 0.3)


async def test_a_broken_script_is_not_hidden():
    upstream = Upstream()
    upstream.default = lambda _: 1 / 0
    await upstream.__aenter__()
    await talk(upstream)
    with pytest.raises(ZeroDivisionError):
        await upstream.__aexit__(None)


async def test_as_a_process_scripts_are_chosen_by_name(http):
    async with spawn_upstream() as url:
        async with http.post(f"{url}/v1/chat/completions", json={**ASK, "model": "m@status:429:9"}) as reply:
            assert (reply.status, reply.headers["retry-after"]) == (429, "9")
        async with http.post(f"{url}/@say:path/v1/messages", json=ASK) as reply:
            assert (await reply.json())["content"][0]["text"] == "path"
        async with http.post(f"{url}/_queue", json={"scripts": ["say:queued"]}) as reply:
            assert reply.status == 200
        async with http.post(f"{url}/v1/chat/completions", json=ASK) as reply:
            assert (await reply.json())["choices"][0]["message"]["content"] == "queued"
        with pytest.raises(aiohttp.ClientError):
            async with http.post(
                f"{url}/v1/responses", json={**ASK, "stream": True}, headers={"x-script": "reset:30"}
            ) as reply:
                await reply.read()
        async with http.get(f"{url}/_requests") as reply:
            records = (await reply.json())["requests"]
        assert [record["path"] for record in records][:2] == ["/v1/chat/completions", "/@say:path/v1/messages"]
        assert len(records) == 4
