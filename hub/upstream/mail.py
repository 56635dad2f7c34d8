"""Letters to people, over one mail server that the operator names."""

import asyncio

from hub.core.rarely import Part, load


class Mail:
    """Sends letters by `url`: `smtps://user:password@host`, or `smtp://host:587`, which goes over to TLS where it can.

    A password is never said in the clear, but to this machine. Without a `url` nothing is sent.
    """

    def __init__(self, url: str, sender: str) -> None:
        self._url = url
        self._sender = sender

    async def send(self, to: list[str], subject: str, text: str, identifier: str) -> None:
        """Send a letter; one that is sent twice has the same id. Raises OSError, also where the server refuses it."""
        if not self._url:
            raise OSError("there is no mail server: set HUB_SMTP_URL")
        deliver = load(Part.LETTERS).deliver
        await asyncio.to_thread(deliver, self._url, self._sender, to, subject, text, identifier)
