"""`hub serve` is read the same way with and without the command line's library."""

import pytest

from hub.cli import serving
from hub.cli.plain import plain_serve
from hub.cli.program import USAGE, run

DEFAULTS = {"host": None, "port": None, "data": None, "apply": None, "demo": False, "workers": 1}


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--port 0",
        "--host 127.0.0.1 --port 8484 --data some/folder --workers 2 --demo",
        "--apply a.yaml --demo --apply b --apply ~/c",
        "--apply a.yaml b ~/c --demo",
        "--apply a b --port 0 --apply c d",
        "--host ::",
        "--data ../x/./y",
    ],
)
def test_plain_options_are_what_the_library_makes_of_them(words, monkeypatch):
    given = []
    monkeypatch.setattr(serving, "serve", lambda **options: given.append(options))
    arguments = ["serve", *words.split()]
    assert run(arguments) == 0
    plain = plain_serve(arguments)
    assert plain is not None
    assert given == [{**DEFAULTS, **plain}]


@pytest.mark.parametrize(
    "words",
    ["--port=1", "--port x", "--port -1", "--port 1 --port 2", "--help", "--dem", "--demo --demo", "--apply", "a.yaml",
     "--port \u0661", "--host", "--apply --demo", "--workers 1_0", "--no-demo"],
)  # fmt: skip
def test_what_is_not_plain_is_left_to_the_library(words):
    assert plain_serve(["serve", *words.split()]) is None


def test_other_commands_are_not_served():
    assert plain_serve([]) is None
    assert plain_serve(["stop", "--port", "1"]) is None


def test_a_wrong_option_is_wrong_usage(capsys):
    assert run(["serve", "--prot", "1"]) == USAGE
    assert "--prot" in capsys.readouterr().err
