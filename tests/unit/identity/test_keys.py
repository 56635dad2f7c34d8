"""Keys: their shape, their checksum, and who a credential turns out to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.core.calls import Arrival, Credentials
from hub.core.principal import EVERYTHING, Access, Principal
from hub.core.refusal import Forbidden, Unauthenticated
from hub.identity import Identity, digest, is_mistyped, make_key
from hub.resources.model_catalog import ModelCatalog
from hub.resources.snapshot import KeyGrant, Snapshot


def snapshot(**keys: KeyGrant) -> Snapshot:
    return Snapshot(1, "", ModelCatalog(()), keys={digest(secret): grant for secret, grant in keys.items()})


def grant(ends_at=None):
    return KeyGrant("ci", Principal(id="key:ci", kind="key", key="ci"), ends_at=ends_at)


def test_keys_are_unlike_and_well_formed():
    made = {make_key() for _ in range(200)}
    assert len(made) == 200
    assert all(key.startswith("hub_") and len(key) == 66 and not is_mistyped(key) for key in made)


@given(st.integers(min_value=4, max_value=65), st.sampled_from("0189abzXYZ_-"))
def test_any_changed_character_is_noticed(place, character):
    key = make_key()
    changed = key[:place] + character + key[place + 1 :]
    assert changed == key or is_mistyped(changed)


def test_a_good_key_gives_its_principal():
    assert Identity().resolve(snapshot(secret=grant()), Credentials("secret")).principal.key == "ci"


@pytest.mark.parametrize(
    ("secret", "code"),
    [
        ("", "missing_key"),
        ("wrong", "invalid_key"),
        ("' OR 1=1--", "invalid_key"),
        ("\x00", "invalid_key"),
        ("\udcff", "invalid_key"),
        ("x" * 1_000_000, "invalid_key"),
        ("secret ", "invalid_key"),
        ("secre", "invalid_key"),
    ],
)
def test_anything_else_is_refused_with_its_code(secret, code):
    with pytest.raises(Unauthenticated) as caught:
        Identity().resolve(snapshot(secret=grant()), Credentials(secret))
    assert caught.value.code == code
    assert len(caught.value.message) < 300


def test_a_mistyped_key_is_told_from_an_unknown_one():
    with pytest.raises(Unauthenticated, match="mistyped"):
        Identity().resolve(snapshot(), Credentials(make_key()[:-1]))
    with pytest.raises(Unauthenticated, match="unknown or was revoked"):
        Identity().resolve(snapshot(), Credentials(make_key()))


def test_a_key_ends_to_the_second():
    identity = Identity(now=lambda: 100.0)
    assert identity.resolve(snapshot(secret=grant(ends_at=100.5)), Credentials("secret"))
    with pytest.raises(Unauthenticated, match="has expired"):
        identity.resolve(snapshot(secret=grant(ends_at=100.0)), Credentials("secret"))


def test_a_credential_does_not_show_itself():
    assert "secret" not in repr(Credentials("secret"))


CONDITIONAL = Access(EVERYTHING, EVERYTHING, networks=("10.0.0.0/8",))


def test_a_key_is_good_only_from_its_networks_and_never_from_nowhere():
    limited = KeyGrant(
        "ci", Principal(id="key:ci", kind="key", key="ci", access=(CONDITIONAL,), conditions=(CONDITIONAL,))
    )
    resources = snapshot(secret=limited)
    assert Identity().resolve(resources, Credentials("secret", arrival=Arrival("10.0.0.1"))) is limited
    for arrival in Arrival("192.0.2.1"), Arrival():
        with pytest.raises(Forbidden, match="from this network"):
            Identity().resolve(resources, Credentials("secret", arrival=arrival))


def test_access_that_has_ended_grants_nothing():
    person = Principal(id="user:ann", kind="user", user="ann", ends_at=100.0)
    Identity(lambda: 99.0).check(snapshot(), person, Arrival())
    with pytest.raises(Unauthenticated, match="has ended"):
        Identity(lambda: 100.0).check(snapshot(), person, Arrival())
