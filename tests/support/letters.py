"""A mail server that keeps what it is given, in a thread of its own."""

import socketserver
import threading
from base64 import b64decode
from email import message_from_bytes
from email.policy import default


class MailServer(socketserver.ThreadingTCPServer):
    """Takes letters on a free port. `letters` are those that came, `passwords` those that were said."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, *, refuses=0):
        super().__init__(("127.0.0.1", 0), _Talk)
        self.letters, self.passwords, self.refuses = [], [], refuses
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def port(self):
        return self.server_address[1]

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Talk(socketserver.StreamRequestHandler):
    def handle(self):
        self._say("220 mail.test")
        for line in iter(lambda: self.rfile.readline().strip(), b""):
            if not self._answer(line.decode("ascii", "replace")):
                return

    def _answer(self, line):
        command = line.upper()
        if command.startswith("EHLO"):
            self._say("250-mail.test\r\n250 AUTH PLAIN")
        elif command.startswith("AUTH PLAIN"):
            self.server.passwords.append(b64decode(line.split()[2]).split(b"\0")[2].decode())
            self._say("235 welcome")
        elif command == "DATA" and self.server.refuses:
            self.server.refuses -= 1
            self._say("451 not now")
        elif command == "DATA":
            self._say("354 go on")
            lines = list(iter(self.rfile.readline, b".\r\n"))
            self.server.letters.append(message_from_bytes(b"".join(lines), policy=default))
            self._say("250 taken")
        elif command == "QUIT":
            self._say("221 bye")
            return False
        else:
            self._say("250 well")
        return True

    def _say(self, text):
        self.wfile.write(text.encode() + b"\r\n")
