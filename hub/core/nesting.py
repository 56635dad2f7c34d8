"""How deep JSON is nested, without decoding it."""

import re
from array import array
from itertools import accumulate

_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # as signed bytes: one level down, one level up
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def is_deeper(data: bytes, levels: int) -> bool:
    """Whether lists and objects in `data`, which is valid JSON, are nested more than `levels` deep."""
    if data.count(b"[") + data.count(b"{") <= levels:
        return False
    brackets = _TEXTS.sub(b"", data).translate(None, _NO_BRACKETS)
    return max(accumulate(array("b", brackets.translate(_STEPS))), default=0) > levels
