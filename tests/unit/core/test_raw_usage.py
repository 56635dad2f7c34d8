"""Usage as it was told, out of replies and ends of streams of every dialect."""

import pytest

from hub.core.raw_usage import usage_in


@pytest.mark.parametrize(
    ("data", "usage"),
    [
        (b'{"id":"x","usage":{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":2}},"z":1}',
         b'{"prompt_tokens":5,"prompt_tokens_details":{"cached_tokens":2}}'),
        (b'data: {"usage":null}\n\ndata: {"usage": {"a":1}}\n\ndata: [DONE]\n\n', b'{"a":1}'),
        (b'{"usage":{"a":1}} {"usage":{"a":2}}', b'{"a":2}'),
        (b'{"usageMetadata" : {"promptTokenCount":3}}', b'{"promptTokenCount":3}'),
        (b'{"usage":{"note":"a } and a { and \\" too"}}', b'{"note":"a } and a { and \\" too"}'),
        (b'{"usage":{"cut":1', b""),
        (b'{"usage":null}', b""),
        (b'{"usage":{"a":1},"kind":"usage","usage":null,"usageMetadata":7}', b'{"a":1}'),
        (b"", b""),
        (b'{"usage":{"long":"' + b"x" * 5000 + b'"}}', b""),
    ],
)  # fmt: skip
def test_the_last_usage_is_found(data, usage):
    assert usage_in(data) == usage
