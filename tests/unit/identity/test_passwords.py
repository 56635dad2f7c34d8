"""Passwords: a few at a time, the same answer for nobody, and no more attempts than are allowed."""

import asyncio

import pytest

from hub.core.refusal import InvalidSpec, Throttled
from hub.identity import Passwords, check_strength

pytestmark = pytest.mark.anyio
GOOD = "correct horse battery"


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Alone:
    """No other replica counts anything."""

    async def take(self, most):
        return 0

    async def forgive(self, names):
        pass


async def passwords(clock, **users):
    kept = {}

    async def find(user):
        return kept.get(user)

    made = Passwords(find, Alone(), clock)
    for user, password in users.items():
        kept[user] = await made.hash(password)
    return made


async def test_the_right_password_and_no_other():
    subject = await passwords(Clock(), ann=GOOD)
    assert await subject.check("ann", GOOD, "a")
    assert not await subject.check("ann", GOOD + "x", "a")
    assert not await subject.check("nobody", GOOD, "a")
    assert not await subject.check("nobody", "nobody has this password", "a")


async def test_an_account_is_closed_after_five_attempts_and_opens_again():
    clock = Clock()
    subject = await passwords(clock, ann=GOOD)
    for _ in range(5):
        assert not await subject.check("ann", "wrong", "a")
        clock.now += 1
    with pytest.raises(Throttled) as caught:
        await subject.check("ann", GOOD, "b")
    assert (caught.value.status, caught.value.retry_after) == (429, 55)
    clock.now += 55
    assert await subject.check("ann", GOOD, "b")


async def test_parallel_attempts_count_before_they_are_judged():
    subject = await passwords(Clock(), ann=GOOD)
    ends = await asyncio.gather(*(subject.check("ann", "wrong", "a") for _ in range(12)), return_exceptions=True)
    assert sum(end is False for end in ends) == 5
    assert sum(isinstance(end, Throttled) for end in ends) == 7


async def test_an_address_is_closed_after_twenty_and_unknown_users_answer_alike():
    subject = await passwords(Clock(), ann=GOOD)
    for number in range(20):
        assert not await subject.check(f"user{number}", "wrong", "a")
    with pytest.raises(Throttled) as known:
        await subject.check("ann", GOOD, "a")
    with pytest.raises(Throttled) as unknown:
        await subject.check("nobody", GOOD, "a")
    assert known.value.message == unknown.value.message
    assert await subject.check("ann", GOOD, "b")


async def test_good_attempts_do_not_count():
    subject = await passwords(Clock(), ann=GOOD)
    for _ in range(7):
        assert await subject.check("ann", GOOD, "a")


async def test_hashes_are_argon2id_with_19_mib():
    subject = await passwords(Clock())
    assert (await subject.hash(GOOD)).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("password", ["short", "a" * 20, "abababababab", 7, "x" * 257])
def test_weak_passwords_are_refused(password):
    with pytest.raises(InvalidSpec):
        check_strength(password)
