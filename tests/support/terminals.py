"""A program in a terminal of its own, and somebody who answers what it asks."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time

import pyte

LINES, COLUMNS = 50, 150


class Terminal:
    """Runs `command`; ends it, and what it started, at the end."""

    def __init__(self, command, cwd, environment):
        self.pid, self._file = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(command[0], command, {**environment, "TERM": "xterm-256color"})
        fcntl.ioctl(self._file, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._file)

    @property
    def text(self):
        """What can be read now."""
        return re.sub(r"\s+", " ", " ".join(self._screen.display))

    def type(self, *keys):
        """Press keys, one after the other: what is drawn does not listen at once."""
        for key in keys:
            time.sleep(0.5)
            os.write(self._file, key)

    def until(self, end, answers, seconds=60):
        """Answer what is asked until `end` is shown: a pattern -> keys, again where they were lost, or what is called once."""
        ends, due = time.monotonic() + seconds, dict.fromkeys(answers, 0.0)
        while not re.search(end, self.text):
            now = time.monotonic()
            assert now < ends, self.text
            if select.select([self._file], [], [], 0.2)[0]:
                self._stream.feed(os.read(self._file, 65536))
            asked = next((one for one in answers if due[one] < now and re.search(one, self.text)), None)
            if asked is None:
                continue
            if callable(answers[asked]):
                answers[asked](re.search(asked, self.text))
                due[asked] = ends
            else:
                self.type(*answers[asked])
                due[asked] = now + 5
