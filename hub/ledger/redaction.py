"""Personal data and credentials out of a body before it is kept: patterns that match in linear time."""

from collections.abc import Callable

import re2

from hub.core.logs import redact

_EMAIL = re2.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*\.[A-Za-z]{2,24}")
_CARD = re2.compile(r"\b\d(?:[ -]?\d){12,18}\b")
_IBAN = re2.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_SSN = re2.compile(r"\b\d{3}-\d{2}-\d{4}\b")
_PHONE = re2.compile(r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}\d")
_REMAINDER = 97


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_card(text: str) -> bool:
    return _luhn("".join(char for char in text if char.isdigit()))


def _is_iban(text: str) -> bool:
    plain = text.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % _REMAINDER == 1


def _always(text: str) -> bool:
    return True


_RULES: tuple[tuple[object, str, Callable[[str], bool]], ...] = (
    (_EMAIL, "[EMAIL]", _always),
    (_IBAN, "[IBAN]", _is_iban),
    (_CARD, "[CARD]", _is_card),
    (_SSN, "[SSN]", _always),
    (_PHONE, "[PHONE]", _always),
)


def without_private(text: str) -> str:
    """`text` with what is private replaced by what it was.

    That is: credentials, e-mail addresses, card and account numbers, US social security and phone numbers.
    """
    text = redact(text)
    for pattern, label, holds in _RULES:
        text = _replaced(text, pattern, label, holds)
    return text


def _replaced(text: str, pattern: object, label: str, holds: Callable[[str], bool]) -> str:
    pieces: list[str] = []
    end = 0
    for match in pattern.finditer(text):  # type: ignore[attr-defined]  # re2 has no types
        if holds(match.group()):
            pieces += (text[end : match.start()], label)
            end = match.end()
    return "".join([*pieces, text[end:]]) if pieces else text
