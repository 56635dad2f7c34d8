"""The benchmark runs and reports; what it reports is not judged here."""

import shutil

import pytest

from bench.__main__ import main
from bench.measure import Figures
from bench.report import BEGIN, END, table, write_page

SHORT = ["--rounds", "1", "--seconds", "0.05", "--concurrency", "2"]


@pytest.mark.skipif(
    not shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin"), reason="nginx is not installed"
)
def test_measures_nginx(tmp_path, capsys):
    folder = tmp_path / "figures.json"
    assert main(["calls", "--targets", "nginx", *SHORT, "--json", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "call of 2 kB, CPU" in shown
    assert "failed" not in shown
    assert '"call"' in folder.read_text()


def test_a_target_that_does_not_start_is_named(capsys):
    assert main(["calls", "--targets", "hub", "--hub", "false", *SHORT]) == 1
    assert "ended with status 1" in capsys.readouterr().err


def test_unknown_words_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["cals"])
    assert "there are" in capsys.readouterr().err


def test_the_table_goes_between_the_markers(tmp_path):
    figures = Figures()
    figures.keep_least("call", "nginx", 20.0)
    figures.keep_least("call", "hub", 101.0)
    figures.keep_least("call", "hub", 100.0)
    figures.fail("large", "hub", "502")
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_page(table(figures, ["nginx", "hub"]), "python -m bench", page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\nMade by `python -m bench`")
    assert text.endswith(f"{END}\nafter\n")
    assert "| call of 2 kB, CPU | 20.0 µs | 100 µs (5.0 x) | ≤ 12 x |" in text
    assert "| call of 400 kB, CPU | - | failed |" in text
    assert "old" not in text
