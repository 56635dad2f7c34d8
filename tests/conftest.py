"""What every test shares: one event loop backend, and no network but loopback."""

import socket

import pytest
from hypothesis import HealthCheck, settings

from tests.support.hubs import RESOURCES, running_hub

# How fast a machine is says nothing about the code: no example has a deadline. The same examples each time: a change is
# judged by what it changes.
settings.register_profile("hub", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hub")

_connect = socket.socket.connect
_LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True, scope="session")
def _only_loopback():
    """A connection to anywhere else is a bug in a test or in the hub."""

    def connect(self, address):
        host = address[0] if isinstance(address, tuple) else ""
        if isinstance(address, tuple) and not str(host).startswith(_LOOPBACK):
            raise AssertionError(f"a test tried to reach {host}")
        return _connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", connect)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    """One hub for all tests that only add to it. A test that needs its own starts it with `running_hub`."""
    with running_hub(tmp_path_factory.mktemp("hub"), RESOURCES) as started:
        yield started
