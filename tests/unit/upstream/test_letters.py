"""Letters: handed to the mail server that the operator names, and a password only to one that is meant to hear it."""

import pytest

from hub.upstream import letters
from hub.upstream.mail import Mail
from tests.support.letters import MailServer

pytestmark = pytest.mark.anyio
TO = ["ann@example.com", "bob@example.com"]


async def test_a_letter_arrives_as_it_was_written():
    with MailServer() as server:
        await Mail(f"smtp://127.0.0.1:{server.port}", "hub@example.com").send(TO, "Budget b", "Grüße: 50 %.\n", "id-1")
    (letter,) = server.letters
    assert (letter["Subject"], letter["From"], letter["To"]) == ("Budget b", "hub@example.com", ", ".join(TO))
    assert letter["Message-ID"] == "<id-1@example.com>"
    assert letter.get_content().strip() == "Grüße: 50 %."
    assert server.passwords == []


@pytest.mark.parametrize("here", [True, False])
async def test_a_password_is_not_said_in_the_clear(monkeypatch, here):
    monkeypatch.setattr(letters, "_is_here", lambda _: here)
    with MailServer() as server:
        mail = Mail(f"smtp://ann:p%40ss@127.0.0.1:{server.port}", "hub@example.com")
        if here:
            await mail.send(TO, "s", "t", "i")
        else:
            with pytest.raises(OSError, match="no TLS"):
                await mail.send(TO, "s", "t", "i")
    assert server.passwords == (["p@ss"] if here else [])
    assert len(server.letters) == here


async def test_a_refusal_and_a_missing_server_are_failures():
    with MailServer(refuses=1) as server, pytest.raises(OSError, match="not now"):
        await Mail(f"smtp://127.0.0.1:{server.port}", "hub@example.com").send(TO, "s", "t", "i")
    with pytest.raises(OSError, match="HUB_SMTP_URL"):
        await Mail("", "hub@example.com").send(TO, "s", "t", "i")


async def test_a_subject_cannot_begin_another_header():
    with MailServer() as server, pytest.raises(ValueError, match="linefeed"):
        await Mail(f"smtp://127.0.0.1:{server.port}", "hub@example.com").send(TO, "a\nBcc: eve@x", "t", "i")
    assert not server.letters
