"""What the tests with real clients share."""

import pytest

from tests.support.homes import home_of


@pytest.fixture
def home(hub, tmp_path):
    """A person's home."""
    with home_of(tmp_path, hub) as made:
        yield made
