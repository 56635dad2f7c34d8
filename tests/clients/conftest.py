"""What the tests with real clients share."""

import pytest

from tests.support.homes import Home


@pytest.fixture
def home(hub, tmp_path):
    """A person's home, where programs that a test leaves running end with it."""
    made = Home(tmp_path, hub)
    yield made
    made.end_programs()
