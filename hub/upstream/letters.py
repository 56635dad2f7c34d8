"""Letters, handed to a mail server. Loaded for the first letter: see `hub.core.rarely`."""

import smtplib
import ssl
from email.message import EmailMessage
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

SECONDS = 10.0
_PORTS = {"smtp": 587, "smtps": 465}


def deliver(url: str, sender: str, to: list[str], subject: str, text: str, identifier: str) -> None:
    """Hand a letter to the mail server at `url`, and wait until it has taken it. Raises OSError, also where it refuses."""
    letter = EmailMessage()
    letter["Subject"], letter["From"], letter["To"] = subject, sender, ", ".join(to)
    letter["Message-ID"] = f"<{identifier}@{sender.rpartition('@')[2]}>"
    letter["Auto-Submitted"] = "auto-generated"
    letter.set_content(text)
    parts, context = urlsplit(url), ssl.create_default_context()
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    private = parts.scheme == "smtps" or _is_here(host)
    with (
        smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=context)
        if parts.scheme == "smtps"
        else smtplib.SMTP(host, port, timeout=SECONDS)
    ) as server:
        server.ehlo_or_helo_if_needed()
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=context)
            private = True
        if parts.username:
            if not private:
                raise OSError("the mail server offers no TLS, so it is not told the password")
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(letter)


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
