"""What is logged: one line per event, no credential in it, and not too many of the same."""

import io
import json
import logging

import pytest

from hub.core.logs import MASK, Thin, configure, get_logger


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def logged():
    """Logs into a stream; the root's handlers and level are put back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    out = Terminal()

    def begin(form, least="info"):
        configure(least, form, out)
        return out

    yield begin
    root.handlers[:] = before
    root.setLevel(level)


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_object_with_its_fields(logged):
    out = logged("json")
    get_logger("hub.some").warning("it happened", server="s", tools=3, path=logging)
    [line] = lines(out)
    assert list(line) == ["at", "level", "logger", "event", "server", "tools", "path"]
    assert (line["level"], line["logger"], line["event"], line["tools"]) == ("warning", "hub.some", "it happened", 3)
    assert line["at"].endswith("Z")
    assert "module" in line["path"]


def test_nothing_below_the_level_and_a_libraries_record_as_an_event(logged):
    out = logged("json", "warning")
    get_logger("hub.some").info("quiet")
    logging.getLogger("library").warning("%d of %s", 3, "Bearer abcdefghijklmnop")
    [line] = lines(out)
    assert line["event"] == f"3 of Bearer {MASK}"


def test_credentials_are_taken_out_by_name_and_by_form_at_any_depth_and_of_tracebacks(logged):
    out = logged("json")
    secret = "sk-abcdefghijklmnopqrst"
    log = get_logger("hub.some")
    log.error(
        "failed", api_key="plain", told={"authorization": "x", "list": [f"has {secret}", b"sk-abcdefghijklmnopqrst"]}
    )
    try:
        raise ValueError(secret)
    except ValueError as error:
        log.exception("raised")
        log.error("told", exc_info=error)
    assert secret not in out.getvalue()
    first, raised, told = lines(out)
    assert (first["api_key"], first["told"]["authorization"]) == (MASK, MASK)
    for line in (raised, told):
        assert line["exception"].startswith("Traceback")
        assert line["exception"].endswith(f"ValueError: {MASK}")


def test_text_for_people_cannot_drive_the_terminal(logged):
    out = logged("text")
    try:
        raise ValueError("\x1b[2Jgone")
    except ValueError:
        get_logger("hub.some").exception("failed", name="a", said="two words\x1b[31m")
    line, *traceback = out.getvalue().splitlines()
    assert "failed" in line
    assert line.endswith(r"[hub.some] name=a said='two words\x1b[31m'")
    assert "\x1b[2J" not in out.getvalue()
    assert traceback[-1] == "ValueError: ?[2Jgone"


def test_more_of_the_same_in_a_second_are_counted_and_not_written():
    now = 0.0
    thin = Thin(2, lambda: now)

    def told(text):
        record = logging.LogRecord("hub", logging.INFO, "", 0, text, (), None)
        return thin.filter(record) and record.left_out

    assert [told("a"), told("a"), told("a"), told("a"), told("b")] == [0, 0, False, False, 0]
    now = 1.0
    assert [told("a"), told("a"), told("b")] == [2, 0, 0]
