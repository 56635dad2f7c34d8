"""Numbers that states give to people: what they look like, and the check digits that tell them from other numbers."""

from collections.abc import Callable, Iterable
from datetime import date

_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
_ITALIAN_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_FINNISH = "0123456789ABCDEFHJKLMNPRSTUVWXY"
_NEVER_BRITISH = frozenset({"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"})


def _digits(text: str) -> list[int]:
    return [int(char) for char in text if "0" <= char <= "9"]


def _sum(digits: Iterable[int], weights: Iterable[int]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def is_luhn(digits: list[int]) -> bool:
    """Whether the last of these digits is the check of the others, after Luhn."""
    odd, even = digits[-1::-2], digits[-2::-2]
    return (sum(odd) + sum([_DOUBLED[digit] for digit in even])) % 10 == 0 and len(set(digits)) > 1


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _dates(text: str) -> bool:
    """Whether six digits are a day of some century: year, month, day."""
    year, month, day = int(text[:2]), int(text[2:4]), int(text[4:6])
    return _is_day(1900 + year, month, day) or _is_day(2000 + year, month, day)


def _is_spanish(text: str) -> bool:
    number = text.translate({ord("X"): "0", ord("Y"): "1", ord("Z"): "2"})[:8] if text[0] in "XYZ" else text[:8]
    return _LETTERS[int(number) % 23] == text[-1]


def _is_french(text: str) -> bool:
    compact = text.replace(" ", "").replace(".", "")
    body = compact[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(compact[13:])


def _is_italian(text: str) -> bool:
    places = [int(char) if char.isdigit() else ord(char) - 65 for char in text]
    total = sum(_ITALIAN_ODD[value] if place % 2 == 0 else value for place, value in enumerate(places[:15]))
    return total % 26 == places[15]


def _is_british(text: str) -> bool:
    return text[:2] not in _NEVER_BRITISH


def _is_swedish(text: str) -> bool:
    digits = "".join(char for char in text if char.isdigit())[-10:]
    return _dates(digits) and is_luhn(_digits(digits))


def _is_finnish(text: str) -> bool:
    day = text[4:6] + text[2:4] + text[:2]
    return _dates(day) and _FINNISH[int(text[:6] + text[7:10]) % 31] == text[10]


def _is_belgian(text: str) -> bool:
    digits = "".join(char for char in text if char.isdigit())
    return int(digits[9:]) in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


def _is_brazilian(text: str) -> bool:
    digits = _digits(text)
    if len(digits) != 11 or len(set(digits)) == 1:
        return False
    return all(_sum(digits, range(last + 1, 1, -1)) * 10 % 11 % 10 == digits[last] for last in (9, 10))


def _is_chinese(text: str) -> bool:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    is_day = _is_day(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    return is_day and "10X98765432"[_sum(_digits(text[:17]), weights) % 11] == text[17].upper()


def _is_swiss(text: str) -> bool:
    return _sum(_digits(text), (1, 3) * 7) % 10 == 0


def _is_korean(text: str) -> bool:
    digits = _digits(text)
    return _dates(text[:6]) and (11 - _sum(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10 == digits[12]


def _turned(left: int, right: int) -> int:
    """The product in the symmetries of a pentagon, which Verhoeff's check is made of."""
    turn = left + right if left < 5 else left - right
    return turn % 5 + (5 if (left < 5) != (right < 5) else 0)


def _is_indian(text: str) -> bool:
    state = 0
    for place, digit in enumerate(reversed(_digits(text))):
        for _ in range(place % 8):
            digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
        state = _turned(state, digit)
    return state == 0 and len(_digits(text)) == 12 and text[0] not in "01"


# -- what only a label tells from another number --------------------------------------------------------------------------


def _is_polish(digits: list[int]) -> bool:
    return len(digits) == 11 and _sum(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _is_dutch(digits: list[int]) -> bool:
    return len(digits) == 9 and _sum(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _is_german(digits: list[int]) -> bool:
    product = 10
    for digit in digits[:10]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return len(digits) == 11 and (11 - product) % 10 == digits[10]


def _is_turkish(digits: list[int]) -> bool:
    if len(digits) != 11:
        return False
    odd, even = sum(digits[0:9:2]), sum(digits[1:8:2])
    return (odd * 7 - even) % 10 == digits[9] and sum(digits[:10]) % 10 == digits[10]


def _is_portuguese(digits: list[int]) -> bool:
    rest = _sum(digits, range(9, 1, -1)) % 11
    return len(digits) == 9 and digits[8] == (0 if rest < 2 else 11 - rest)


def _is_norwegian(digits: list[int]) -> bool:
    return (
        len(digits) == 11
        and _sum(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
        and _sum(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def _is_danish(digits: list[int]) -> bool:
    return len(digits) == 10 and 1 <= digits[0] * 10 + digits[1] <= 31 and 1 <= digits[2] * 10 + digits[3] <= 12


def _is_australian(digits: list[int]) -> bool:
    return len(digits) == 9 and _sum(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0


def _is_czech(digits: list[int]) -> bool:
    return len(digits) == 10 and int("".join(map(str, digits))) % 11 == 0


_LABELLED: tuple[Callable[[list[int]], bool], ...] = (
    _is_polish, _is_dutch, _is_german, _is_turkish, _is_portuguese, _is_norwegian, _is_danish, _is_australian, _is_czech,
    lambda digits: len(digits) in (9, 10, 12, 13) and is_luhn(digits),
)  # fmt: skip
_COUNTED: tuple[Callable[[str], bool], ...] = (_is_brazilian, _is_indian)


def _is_labelled(text: str) -> bool:
    """Whether the digits at the end of a labelled number pass the check of any state that has one."""
    start = max(text.rfind(mark) for mark in ":=#") + 1
    digits = _digits(text[start:])
    number = "".join(map(str, digits))
    return any(holds(digits) for holds in _LABELLED) or any(holds(number) for holds in _COUNTED)


_LABELS = (
    r"(?:\b(?:BSN|SIN|NIF|TFN|PESEL|CPF|CPR|TCKN|IdNr|TIN)\b|(?i:\b(?:burgerservicenummer|sofinummer"
    r"|steuer-?(?:id|identifikationsnummer|idnr)|tax (?:id|file|payer) ?(?:no|nr|number)?|social insurance(?: number)?"
    r"|t\.?c\.? ?kimlik|f.{1,2}dselsnummer|personnummer|personal number|aadhaar|national id(?:entity)?(?: card)?"
    r"|rodn.{1,2} .{1,2}slo|num[eé]ro fiscal|contribuinte|cpr-nummer|identity number)))"
)

# Pattern, and what a match must also be. Where there is a group `it`, that is the number.
SHAPES: tuple[tuple[str, Callable[[str], bool]], ...] = (
    (r"\b(?:\d{8}|[XYZ]\d{7})-?[A-HJ-NP-TV-Z]\b", _is_spanish),
    (r"\b[12][ .]?\d{2}[ .]?\d{2}[ .]?(?:\d{2}|2[AB])[ .]?\d{3}[ .]?\d{3}[ .]?\d{2}\b", _is_french),
    (r"\b[A-Z]{6}\d{2}[ABCDEHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b", _is_italian),
    (r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b", _is_british),
    (r"\b(?:19|20)?\d{6}[-+]\d{4}\b", _is_swedish),
    (r"\b\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y]\b", _is_finnish),
    (r"\b\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}\b", _is_belgian),
    (r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b", _is_brazilian),
    (r"\b[1-9]\d{5}(?:19|20)\d{2}[01]\d[0-3]\d{4}[\dXx]\b", _is_chinese),
    (r"\b756\.?\d{4}\.?\d{4}\.?\d{2}\b", _is_swiss),
    (r"\b\d{6}-[1-8]\d{6}\b", _is_korean),
    (r"\b\d{4}(?: \d{1,4}){2,7}\b", _is_indian),  # all that follows too: a card's number is none of India
    (_LABELS + r".{0,3}?(?:no|nr|number|n°)?\.?\s{0,2}[:=#]?\s{0,2}(?P<it>\d[\d ./-]{6,16}\d)\b", _is_labelled),
)
