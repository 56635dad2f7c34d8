"""What is kept of bodies: as much as the strictest word allows, encrypted, within a bound, and never the entry's business."""

import asyncio

import pytest
from sqlalchemy import text

from hub.core.capture import Capture, effective
from hub.core.principal import Principal
from hub.core.refusal import Refusal
from hub.ledger import Keeping, Ledger, Payloads, Spool, Writer
from hub.ledger.bodies import Payload
from hub.ledger.payloads import parameters_of
from hub.ledger.redaction import without_private
from hub.store import Vault
from hub.store.audit import AuditTrail
from tests.support.ledger import CI, count, model_call, tool_call

pytestmark = pytest.mark.anyio

SECRET = "the colour of the canary is 4929 and sk-canary0123456789abcdef"
BODY = f'{{"model":"fast","temperature":0.2,"messages":[{{"role":"user","content":"{SECRET}"}}]}}'.encode()


@pytest.fixture
async def payloads(engine, tmp_path):
    vault = Vault(engine, tmp_path / "vault.key", AuditTrail(engine))
    async with Payloads(engine, vault) as one:
        yield one


@pytest.fixture
async def ledger(engine, tmp_path, payloads):
    spool = Spool(tmp_path / "spool")
    keeping = Keeping(usual=Capture.FULL, keeper=payloads, most_bytes=2000)
    async with Ledger(spool, Writer(spool, engine, interval=0.01), keeping=keeping) as one:
        yield one


async def chunks(*given):
    for chunk in given:
        yield chunk


async def called(ledger, call=None, principal=CI, reply=b'{"ok":true}'):
    async with ledger.record(principal, call or model_call(body=BODY)) as record:
        record.bodies.replied(reply)
    await ledger.flush()
    return record.id


def test_the_strictest_wins_and_a_caller_cannot_vanish():
    assert effective(Capture.FULL, Capture.FULL, None) is Capture.FULL
    assert effective(Capture.METADATA, Capture.FULL, None) is Capture.METADATA
    assert effective(Capture.FULL, Capture.REDACTED, Capture.FULL) is Capture.REDACTED
    assert effective(Capture.FULL, Capture.FULL, Capture.METADATA) is Capture.METADATA
    assert effective(Capture.FULL, Capture.FULL, Capture.NONE) is Capture.OFF
    assert effective(Capture.NONE, Capture.FULL, Capture.FULL) is Capture.NONE


async def test_full_keeps_both_bodies_encrypted(ledger, payloads, engine):
    entry = await called(ledger)
    await payloads.flush()
    kept = await payloads.read(entry)
    assert (kept.mode, kept.request, kept.reply, kept.truncated) == ("full", BODY.decode(), '{"ok":true}', False)
    assert kept.parameters["temperature"] == 0.2
    async with engine.connect() as connection:
        (ciphertext,) = (await connection.execute(text("SELECT ciphertext FROM payload"))).one()
    assert b"canary" not in bytes(ciphertext)


async def test_redacted_keeps_no_credential_and_no_person(ledger, payloads):
    call = model_call(body=BODY.replace(b"4929", b"ann@example.com, 4929 1111 1111 1113"), capture=Capture.REDACTED)
    entry = await called(ledger, call, reply=b'{"text":"call +49 170 1234567"}')
    await payloads.flush()
    kept = await payloads.read(entry)
    assert "canary0123" not in kept.request
    assert "[EMAIL]" in kept.request
    assert "4929" not in kept.request
    assert kept.reply == '{"text":"call [PHONE]"}'


async def test_metadata_keeps_how_and_not_what(ledger, payloads):
    entry = await called(ledger, model_call(body=BODY, capture=Capture.METADATA))
    await payloads.flush()
    kept = await payloads.read(entry)
    assert (kept.request, kept.reply) == (None, None)
    assert kept.parameters == {"model": "fast", "temperature": 0.2, "messages": "1 items"}
    assert (kept.request_bytes, kept.reply_bytes) == (len(BODY), 11)


async def test_off_keeps_the_entry_alone(ledger, payloads, engine):
    entry = await called(ledger, model_call(body=BODY, capture=Capture.OFF))
    await payloads.flush()
    assert await payloads.read(entry) is None
    assert await count(engine) == 1


async def test_none_keeps_nothing_at_all(ledger, payloads, engine, tmp_path):
    nobody = Principal(id="key:ghost", kind="key", key="ghost", capture=Capture.NONE)
    entry = await called(ledger, principal=nobody)
    await payloads.flush()
    assert await payloads.read(entry) is None
    assert await count(engine) == 0
    assert not any(b"ghost" in path.read_bytes() for path in (tmp_path / "spool").iterdir())


async def test_a_stream_is_kept_as_it_passes_and_cut_at_the_bound(ledger, payloads):
    async with ledger.record(CI, model_call(body=BODY)) as record:
        passed = [chunk async for chunk in record.bodies.following(chunks(b"a" * 1500, b"b" * 1500))]
    assert passed == [b"a" * 1500, b"b" * 1500]
    await payloads.flush()
    kept = await payloads.read(record.id)
    assert kept.reply == "a" * 1500 + "b" * 500
    assert (kept.reply_bytes, kept.truncated) == (3000, True)


async def test_a_tool_call_keeps_arguments_and_result(ledger, payloads):
    entry = await called(ledger, tool_call(), reply=b'{"content":[]}')
    await payloads.flush()
    kept = await payloads.read(entry)
    assert (kept.request, kept.reply) == ("{}", '{"content":[]}')


async def test_a_row_cannot_take_anothers_place(ledger, payloads, engine):
    first, second = await called(ledger), await called(ledger)
    await payloads.flush()
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE payload SET entry = 'x' WHERE entry = :one"), {"one": first})
        await connection.execute(
            text("UPDATE payload SET entry = :one WHERE entry = :two"), {"one": first, "two": second}
        )
    with pytest.raises(Refusal, match="changed"):
        await payloads.read(first)


async def test_keys_stay_in_the_ring_while_bodies_need_them(engine, tmp_path):
    vault = Vault(engine, tmp_path / "vault.key", AuditTrail(engine))
    payload = Payload("e1", 1, Capture.FULL, b"question", b"answer", 8, 6)
    async with Payloads(engine, vault) as payloads:
        payloads.put(payload)
        await payloads.flush()
        await vault.rotate()
        again = Vault(engine, tmp_path / "vault.key", AuditTrail(engine))
        assert (await Payloads(engine, again).read("e1")).request == "question"


async def test_too_much_waiting_is_dropped_and_counted(engine, tmp_path):
    vault = Vault(engine, tmp_path / "vault.key", AuditTrail(engine))
    payloads = Payloads(engine, vault, most_waiting=20)
    for number in range(3):
        payloads.put(Payload(f"e{number}", 1, Capture.FULL, b"12345", b"12345", 5, 5))
    assert payloads.dropped == 1
    await payloads.flush()
    payloads.put(Payload("e9", 1, Capture.FULL, b"12345", b"12345", 5, 5))
    assert payloads.dropped == 1


async def test_a_database_that_is_away_does_not_lose_what_waits(engine, tmp_path, monkeypatch):
    vault = Vault(engine, tmp_path / "vault.key", AuditTrail(engine))
    payloads = Payloads(engine, vault)
    payloads.put(Payload("e1", 1, Capture.FULL, b"q", b"a", 1, 1))
    monkeypatch.setattr(vault, "seal", None)
    with pytest.raises(TypeError):
        await payloads.flush()
    monkeypatch.undo()
    await asyncio.gather(payloads.flush(), payloads.flush())
    assert (await payloads.read("e1")).reply == "a"


async def test_what_waits_to_be_written_can_be_read(engine, tmp_path):
    payloads = Payloads(engine, Vault(engine, tmp_path / "vault.key", AuditTrail(engine)))
    payloads.put(Payload("e1", 1, Capture.FULL, b"question", b"answer", 8, 6))
    waiting = await payloads.read("e1")
    assert (waiting.request, waiting.reply) == ("question", "answer")
    await payloads.flush()
    assert await payloads.read("e1") == waiting


def test_parameters_are_never_text():
    assert parameters_of(b"not json") == {}
    assert parameters_of(b'{"system":"be kind","stop":["x"],"note":"' + b"y" * 300 + b'"}') == {"system": "9 bytes"}


@pytest.mark.parametrize(
    "text",
    ["order 1234567890123456", "12-34-5678", "version 1.2.3", "GB00 AAAA BBBB 0000 0000 0001", "ann at example.com"],
)
def test_what_only_looks_private_stays(text):
    assert without_private(text) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("4111 1111 1111 1111", "[CARD]"),
        ("pay DE89 3704 0044 0532 0130 00 now", "pay [IBAN] now"),
        ("ssn 078-05-1120", "ssn [SSN]"),
        ("a.b@c.example", "[EMAIL]"),
        ("Authorization: Bearer abcdefgh12345678", "Authorization: Bearer ***"),
    ],
)
def test_what_is_private_goes(text, clean):
    assert without_private(text) == clean
