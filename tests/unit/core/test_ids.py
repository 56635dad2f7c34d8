"""Identifiers: of one form, in the order of their time, and never the same."""

import os
import re

import pytest

from hub.core import ids
from hub.core.ids import made_at, new_id

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def test_an_identifier_is_a_ulid_in_lower_case(monkeypatch):
    monkeypatch.setattr(ids.time, "time_ns", lambda: 1_469_918_176_385_000_000)
    made = new_id()
    assert made.startswith("01aryz6s41")  # by the layout: 48 bits of milliseconds, five in each character
    assert re.fullmatch(f"[{ALPHABET}]{{26}}", made)
    assert int("".join(f"{ALPHABET.index(char):05b}" for char in made[:10]), 2) == 1_469_918_176_385
    assert made_at(made) == 1_469_918_176.385


@pytest.mark.parametrize("step", [1, 31, 32, 1023, 1024, 1_000_000])
def test_identifiers_sort_by_time(monkeypatch, step):
    made = []
    for number in range(5):
        monkeypatch.setattr(ids.time, "time_ns", lambda number=number: (1_700_000_000_000 + number * step) * 1_000_000)
        made.append(new_id())
    assert made == sorted(made)


def test_no_two_are_the_same_and_every_character_is_used_evenly():
    made = [new_id() for _ in range(20_000)]
    assert len(set(made)) == len(made)
    counts = [sum(one[10:].count(char) for one in made) for char in ALPHABET]
    assert min(counts) > 9_000  # of 10,000 expected each
    assert max(counts) < 11_000


def test_a_forked_process_makes_others():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, new_id()[10:].encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 16).decode() != new_id()[10:]
    os.close(reader)
    os.close(writer)
