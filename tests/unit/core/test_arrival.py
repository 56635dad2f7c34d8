"""Headers of a request, looked up by name: the same with and without the table that makes it quick."""

import pytest

from hub.core.calls import Arrival
from hub.edge.credentials import credentials

HEADERS = [(b"host", b"h"), (b"x-one", b" 1 "), (b"x-api-key", b"hub_a_b")]
TWICE = [*HEADERS, (b"x-one", b"2"), (b"x-same", b"s"), (b"x-same", b"s"), (b"x-api-key", b"other")]


@pytest.mark.parametrize("headers", [HEADERS, TWICE, []])
def test_the_table_changes_nothing(headers):
    plain, quick = Arrival(headers=headers), Arrival(headers=headers, fields=dict(headers))
    for name in ("host", "X-One", "x-same", "x-api-key", "missing"):
        assert plain.header(name) == quick.header(name)
    assert credentials(headers, plain).secret == credentials(headers, quick).secret
    assert quick.header("x-one") == ("" if headers in (TWICE, []) else "1")
