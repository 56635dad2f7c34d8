"""Where calls come from: known sessions, bounded tags, harmless text."""

import pytest

from hub.core.refusal import Malformed
from hub.edge import origin_of
from hub.edge.origins import kept_request_id, tags_of

SCOPE = {"client": ("10.0.0.1", 1)}


def origin(**headers):
    fields = {name.replace("_", "-").encode(): value.encode("latin-1") for name, value in headers.items()}
    return origin_of(SCOPE, fields, "r1")


def test_everything_that_is_known():
    found = origin(x_hub_session="run-7", x_hub_tags="team=a, run = 7,", user_agent="claude-cli/2.1")
    assert (found.request_id, found.session, found.client, found.agent) == ("r1", "run-7", "10.0.0.1", "claude-cli/2.1")


def test_sessions_of_known_agents():
    assert origin(x_claude_code_session_id="c").session == "c"
    assert origin(session_id="s", thread_id="t").session == "s"
    assert origin(x_hub_session="own", session_id="s").session == "own"
    assert origin(x_hub_session="x" * 201).session == ""
    assert origin(x_hub_session="a b").session == ""


def test_tags():
    assert tags_of(b"a=1,b.c=x y=z,a=2") == (("a", "2"), ("b.c", "x y=z"))
    assert tags_of(b" , ") == ()
    assert tags_of(b"empty=") == (("empty", ""),)


@pytest.mark.parametrize(
    "value", [b"novalue", b"=x", b"a b=c", b"a=" + b"x" * 257, b"k" * 65 + b"=1", b"a=\xff", b"a=1," * 16 + b"z=2,y=3"]
)
def test_tags_that_cannot_be_read_are_an_error(value):
    with pytest.raises(Malformed, match="x-hub-tags"):
        tags_of(value)


def test_agents_are_text_of_one_line():
    assert origin(user_agent="a\x1b[31mb\n" + "x" * 999).agent == "a[31mb" + "x" * 248
    assert origin_of({"client": None}, {}, "r").client == ""


def test_request_ids_are_kept_when_they_can_stand_in_a_log():
    assert kept_request_id(b"req-1/A") == "req-1/A"
    for bad in (b"", b"a b", b"x" * 129, b"\xff", b"a\n"):
        assert kept_request_id(bad) == ""
