"""Frames survive any cut and any damage: what is read back was written, and only what was hit is missing."""

from hypothesis import given
from hypothesis import strategies as st

from hub.ledger.frames import CLOSE, OPEN, frame, parse, scan

PAYLOADS = st.lists(
    st.tuples(st.sampled_from([OPEN, CLOSE]), st.binary(max_size=60).map(lambda data: data.replace(b"\n", b" "))),
    max_size=8,
)


def written(records):
    return b"".join(frame(kind, payload) for kind, payload in records)


def read(data):
    return [(one.kind, one.payload) for one in scan(data).frames]


@given(PAYLOADS)
def test_what_is_written_is_read(records):
    data = written(records)
    found = scan(data)
    assert read(data) == records
    assert found.taken == len(data)
    assert found.damaged == 0


@given(PAYLOADS, st.data())
def test_a_torn_tail_costs_only_the_torn_frame(records, draw):
    data = written(records)
    cut = draw.draw(st.integers(0, len(data)))
    found = scan(data[:cut])
    assert read(data[:cut]) == records[: len(found.frames)]
    assert found.damaged == 0
    assert cut - found.taken < max([len(written([one])) for one in records], default=1)
    assert read(data[:cut][found.taken :] + data[cut:]) == records[len(found.frames) :]  # and the rest comes later


def test_a_kind_that_is_hit_is_damage():
    assert scan(frame(b"O", b"{}").replace(b"O", b"C", 1)).damaged == 1


@given(PAYLOADS.filter(bool), st.data())
def test_damage_is_seen_and_does_not_spread(records, draw):
    data = bytearray(written(records))
    place = draw.draw(st.integers(0, len(data) - 1))
    data[place] ^= draw.draw(st.integers(1, 255))
    found = scan(bytes(data))
    survivors = [(one.kind, one.payload) for one in found.frames]
    assert len(survivors) >= len(records) - 2  # a newline that is hit joins two lines
    assert found.damaged or found.taken < len(data)
    position = 0
    for one in survivors:  # nothing is invented, and the order stands
        position = records.index(one, position) + 1


@given(st.binary(max_size=200))
def test_garbage_gives_no_frame(garbage):
    assert scan(garbage).taken in (0, garbage.rfind(b"\n") + 1)
    assert parse(garbage.replace(b"\n", b"")) is None or garbage[:1] in (OPEN, CLOSE)


def test_a_length_that_lies_is_damage():
    line = frame(CLOSE, b"{}")[:-1]
    assert parse(line) is not None
    assert parse(line.replace(b"C00000002", b"C00000003")) is None
    assert parse(line[:-1]) is None
