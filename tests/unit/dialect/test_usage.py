"""Usage as providers report it, whole and streamed, in every lane: disjoint buckets, and what they cost.

Each file of `tests/golden/usage/<provider>-<dialect>` is an answer in the provider's own words: `whole`, its `stream`
(the data of its events), or both, with the buckets they come to, and the cost at the catalogue's price of `model`, or
at the file's own `price`; `tier` is what the answer says of how it was made, where that decides the price.
"""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.core.calls import Dialect, ModelCall, Origin
from hub.core.refusal import UpstreamFailed
from hub.core.usage import Usage
from hub.dialect import WIRES, plain_usage
from hub.dialect.codecs import SPOKEN
from hub.ledger.pricing import cost_micro_usd
from hub.resources.model_catalog import Price, load_catalogue
from tests.support.dialect_answers import frame
from tests.support.translating import CALLERS, MESSAGES, lane_of

FOLDER = Path(__file__).parents[2] / "golden" / "usage"
FILES = sorted(FOLDER.glob("*/*.json"))
CATALOGUE = load_catalogue()
SEPARATORS = ((",", ":"), (", ", ": "))


def read(file):
    return json.loads(file.read_text(encoding="utf-8")), Dialect(file.parent.name.partition("-")[2])


def events_of(case, dialect, separators):
    """The stream, event by event, as bytes."""
    for data in case["stream"]:
        if dialect is Dialect.BEDROCK:
            yield frame(*data)
        elif data == "[DONE]":
            yield b"data: [DONE]\n\n"
        else:
            named = f"event: {data['type']}\n" if "type" in data else ""
            yield f"{named}data: {json.dumps(data, separators=separators, ensure_ascii=False)}\n\n".encode()


def readers(dialect):
    """Readers of a stream of the dialect: untouched, and translated for a caller of another one."""
    if dialect in WIRES:
        yield WIRES[dialect].reader(ModelCall("1", dialect, "m", True, b"x" * 40, Origin("r"), wants_usage=True))
    if dialect in SPOKEN:
        yield from (lane_of(caller, dialect, stream=True).reader() for caller in CALLERS if caller is not dialect)


def told(reader, chunks, *, cut):
    """What the reader says was used, and whether the stream came to its end."""
    for chunk in chunks:
        reader.feed(chunk)
    if cut:
        with pytest.raises(UpstreamFailed):
            reader.finish()
        return replace(reader.usage, output=0, estimated=False)  # what was delivered is an estimate
    reader.finish()
    return reader.usage


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_usage(file):
    case, dialect = read(file)
    used = Usage(**case["usage"])
    if "whole" in case:
        body = json.dumps(case["whole"], ensure_ascii=False).encode()
        if dialect in WIRES:
            assert WIRES[dialect].usage(body) == used
        if dialect in SPOKEN:
            answer = SPOKEN[dialect].read_answer(case["whole"])
            assert answer.usage == used
            assert "tier" not in case or answer.tier == lane_of(dialect, dialect).whole(body).tier == case["tier"]
    for separators in SEPARATORS if "stream" in case else ():
        events = list(events_of(case, dialect, separators))
        for chunks in (events, [b"".join(events)], [bytes([byte]) for byte in b"".join(events)]):
            for reader in readers(dialect):
                assert told(reader, chunks, cut=case.get("cut", False)) == used
                assert "tier" not in case or reader.tier == case["tier"]
    known = CATALOGUE.get(case["model"])
    price = Price.from_usd_per_million(**case["price"]) if "price" in case else known and known.price
    assert cost_micro_usd(used, price and price.at(case.get("tier", ""))) == case["cost_micro_usd"]


def test_every_file_tells_something_and_every_dialect_has_some():
    assert {read(file)[1] for file in FILES} >= {*SPOKEN, Dialect.OPENAI_IMAGES, Dialect.OPENAI_TRANSCRIPTIONS}
    assert all({"whole", "stream"} & read(file)[0].keys() for file in FILES)


@pytest.mark.parametrize("name", ["anthropic-anthropic_messages/cache-5m-1h", "openai-openai_chat/cached-reasoning",
                                  "openai-openai_responses/plain", "gemini-gemini/cached", "openai-openai_images/edited",
                                  "openai-openai_embeddings/plain", "anthropic-anthropic_messages/searches"])  # fmt: skip
def test_a_usage_alone_comes_to_the_same(name):
    case, _ = read(FOLDER / f"{name}.json")
    whole = case["whole"]
    assert plain_usage(whole.get("usage") or whole["usageMetadata"]) == Usage(**case["usage"])


def test_callers_of_messages_are_told_of_the_searches():
    case, dialect = read(FOLDER / "openai-openai_responses" / "searches-by-items.json")
    answer = json.loads(lane_of(MESSAGES, dialect).whole(json.dumps(case["whole"]).encode()).body)
    assert answer["usage"]["server_tool_use"] == {"web_search_requests": 2}
