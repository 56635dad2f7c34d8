"""Markdown of people: what it may say, and that nothing of it can act."""

import pytest

from hub.ui.markdown import markdown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**now** and *soon*", "<p><strong>now</strong> and <em>soon</em></p>\n"),
        ("- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>\n"),
        ("one\ntwo", "<p>one<br>\ntwo</p>\n"),
        ("`a < b`", "<p><code>a &lt; b</code></p>\n"),
        ("[docs](https://example.org/?a=1&b=2)", '<p><a href="https://example.org/?a=1&amp;b=2">docs</a></p>\n'),
        ("[logs](/console/logs)", '<p><a href="/console/logs">logs</a></p>\n'),
        ("<https://example.org>", '<p><a href="https://example.org">https://example.org</a></p>\n'),
    ],
)
def test_what_people_write_is_set(text, shown):
    assert markdown(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](data:text/html,x)", "[x](//evil.example)", "[x](/\\evil.example)",
        "[x](vbscript:x)", "![x](https://evil.example/x.png)", "<img src=x onerror=alert(1)>", '[x](https://e.org "a\\" onclick=alert(1)")',
        "<javascript:alert(1)>", "# heading", "a | b\n--|--\n1 | 2", "[x]: javascript:alert(1)\n[x]", "&#x6a;avascript:alert(1)",
    ],
)  # fmt: skip
def test_nothing_of_it_acts(text):
    html = markdown(text)
    for bad in (
        "<script",
        "<img",
        "<h1",
        "<table",
        'href="java',
        'href="data',
        'href="//',
        'href="/\\',
        'href="vb',
        '" onclick=',
    ):
        assert bad not in html, html


def test_hostile_nesting_is_bounded():
    for text in ("> " * 9000 + "x", "[" * 19_000, "*" * 19_000, "`" * 19_000, "- " * 9000, "[a](" * 4500, "<" * 19_000):
        assert len(markdown(text)) < 400_000
