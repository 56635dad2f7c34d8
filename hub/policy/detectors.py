"""What personal data and secrets look like: RE2 patterns, and a check where a pattern alone would find too much."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address

from hub.policy.national_ids import SHAPES, is_luhn
from hub.policy.secret_shapes import SECRET_SHAPES

Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of thing: a pattern, and what a match must also be.

    Where a pattern has a group `it`, that is what was looked for, and the rest its surroundings.
    """

    kind: str
    pattern: str
    holds: Check | None = None


def _digits(text: str) -> list[int]:
    return [int(char) for char in text if char.isdigit()]


def is_card(text: str) -> bool:
    """Whether digits are those of a payment card: 13 to 19, a known first digit, the right Luhn check."""
    digits = _digits(text)
    return 13 <= len(digits) <= 19 and digits[0] in (2, 3, 4, 5, 6) and is_luhn(digits)


_IBAN_COUNTRIES = {
    15: "NO", 16: "BE", 18: "DK FI FK FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST",
    26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HN HU LB NI PL SV", 29: "BR EG PS QA UA",
    30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
}  # fmt: skip
_IBAN_LENGTHS = {country: length for length, countries in _IBAN_COUNTRIES.items() for country in countries.split()}
# Each as long as its country has it, so that what follows is none of it.
_IBAN = "|".join(
    rf"(?:{countries.replace(' ', '|')})\d{{2}}(?:[ -]?[A-Z0-9]){{{length - 4}}}"
    for length, countries in _IBAN_COUNTRIES.items()
)


def is_iban(text: str) -> bool:
    """Whether this is a bank account number: the length of its country, and the right remainder."""
    compact = text.replace(" ", "").replace("-", "").upper()
    if _IBAN_LENGTHS.get(compact[:2]) != len(compact):
        return False
    moved = compact[4:] + compact[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def is_ssn(text: str) -> bool:
    """Whether nine digits can be a US social security number."""
    digits = "".join(char for char in text if char.isdigit())
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def is_phone(text: str) -> bool:
    """Whether digits can be a phone number: enough of them, and not all the same."""
    digits = _digits(text)
    return 9 <= len(digits) <= 15 and len(set(digits)) > 2


def _is_address(text: str) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


def _is_new_address(text: str) -> bool:
    """Whether this is an IPv6 address, and not a time or the name of a thing in a module."""
    return text.count(":") > 2 and any(char.isdigit() for char in text) and _is_address(text)


_NOT_MAIL = frozenset({"png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js", "json", "html", "avif"})


def _is_mail(text: str) -> bool:
    """Whether this is somebody's address, and neither a file (`logo@2x.png`) nor the place of a repository (`git@...`)."""
    return text.rpartition(".")[2].lower() not in _NOT_MAIL and not text.startswith("git@")


_MAILS = (
    # Counting the characters here would cost 20 ms a 100 kB.
    r"[\p{L}\p{N}][\p{L}\p{N}._%+'-]*@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,24}",
    (
        r"(?i)\b[a-z0-9][a-z0-9._%+-]{0,63} ?[\[({] ?at ?[\])}] ?"
        r"(?:[a-z0-9-]{1,63}(?:\.| ?[\[({] ?(?:dot|punkt) ?[\])}] ?)){1,4}[a-z]{2,24}\b"
    ),
)
_CARDS = (
    r"\b(?:4\d{3}|5[1-5]\d{2}|2[2-7]\d{2}|6[0245]\d{2}|35\d{2})(?:[ .\-]?\d{4}){3}\b",
    r"\b3[47]\d{2}[ .\-]?\d{6}[ .\-]?\d{5}\b",
    r"\b3[0689]\d{2}[ .\-]?\d{6}[ .\-]?\d{4}\b",
    r"\b\d(?:[ \-]?\d){12,18}\b",
)
_PHONES = (
    r"(?:\+|\b00)[1-9]\d{0,2}[ .\-/]?(?:\(0?\d{1,4}\)[ .\-/]?)?\d{1,5}(?:[ .\-/]?\d{2,5}){1,4}\b",
    r"(?:\(\d{3}\) ?|\b\d{3}[.\- ])\d{3}[.\- ]\d{4}\b",
    r"\b0\d{1,4}[ /\-]\d{3,8}(?:[ \-]\d{2,8}){0,3}\b",
    r"\b0[1-9](?:(?: \d{2}){4}|(?:\.\d{2}){4})\b",
    (
        r"(?i)\b(?:tel|telefon[eo]?|telephone|phone|mobile?|mobil|cell|fax|handy|whatsapp|sms)\b(?: (?:number|no|nr))?"
        r"[.:# ]{1,3}(?P<it>[+(\d][\d ().\-/]{7,20}\d)\b"
    ),
)
_NUMBERED = r"(?i)\b(?:ssn|social security(?: number)?)\W{1,5}(?:is\W{1,3})?\d{3}[- ]?\d{2}[- ]?\d{4}\b"

PII: tuple[Detector, ...] = (
    Detector("email", _MAILS[0], _is_mail),
    Detector("email", _MAILS[1]),
    *(Detector("phone", pattern, is_phone) for pattern in _PHONES),
    Detector("ssn", r"\b\d{3}-\d{2}-\d{4}\b", is_ssn),
    Detector("ssn", _NUMBERED, is_ssn),
    *(Detector("card", pattern, is_card) for pattern in _CARDS),
    Detector("iban", rf"(?i)\b(?:{_IBAN})\b", is_iban),
    Detector("ip", r"\b(?:\d{1,3}\.){3}\d{1,3}\b", _is_address),
    Detector("ip", r"(?i)\b[0-9a-f]{1,4}:(?:[0-9a-f]{0,4}:){1,7}[0-9a-f]{1,4}\b", _is_new_address),
    *(Detector("national-id", pattern, holds) for pattern, holds in SHAPES),
)

SECRETS: tuple[Detector, ...] = tuple(Detector(kind, pattern, holds) for kind, pattern, holds in SECRET_SHAPES)
