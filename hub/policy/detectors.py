"""What personal data and secrets look like: RE2 patterns, and a check where a pattern alone would find too much."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address

Check = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of thing: a pattern, and what a match must also be."""

    kind: str
    pattern: str
    holds: Check | None = None


def _digits(text: str) -> list[int]:
    return [int(char) for char in text if char.isdigit()]


def is_card(text: str) -> bool:
    """Whether digits are those of a payment card: 13 to 19, a known first digit, the right Luhn check."""
    digits = _digits(text)
    if not 13 <= len(digits) <= 19 or digits[0] not in (2, 3, 4, 5, 6) or len(set(digits)) < 2:
        return False
    doubled = [digit * 2 - 9 * (digit > 4) if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


_IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AT": 20, "BE": 16, "BG": 22, "CH": 21, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "EE": 20, "ES": 24,
    "FI": 18, "FR": 27, "GB": 22, "GR": 27, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "LI": 21, "LT": 20,
    "LU": 20, "LV": 21, "MC": 27, "MT": 31, "NL": 18, "NO": 15, "PL": 28, "PT": 25, "RO": 24, "RS": 22, "SA": 24, "SE": 24,
    "SI": 19, "SK": 24, "SM": 27, "TR": 26, "UA": 29,
}  # fmt: skip


def is_iban(text: str) -> bool:
    """Whether this is a bank account number: the length of its country, and the right remainder."""
    compact = text.replace(" ", "").upper()
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
        address = IPv4Address(text)
    except AddressValueError:
        return False
    return not (address.is_unspecified or address.is_loopback)


def _is_varied(text: str) -> bool:
    """Whether a value looks made by chance, and not like `xxxxxxxx`, `your-key-here` or a word."""
    value = text.rpartition("=")[2].rpartition(":")[2].strip(" '\"")
    return len(set(value)) >= 8 and any(char.isdigit() for char in value) and any(char.isalpha() for char in value)


PII: tuple[Detector, ...] = (
    Detector("email", r"\b[A-Za-z0-9][A-Za-z0-9._%+'-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,24}\b"),
    Detector(
        "phone", r"(?:\+|\b00)[1-9]\d{0,2}[ .\-/]?(?:\(0?\d{1,4}\)[ .\-/]?)?\d{1,5}(?:[ .\-/]?\d{2,5}){1,4}\b", is_phone
    ),
    Detector("phone", r"(?:\(\d{3}\) ?|\b\d{3}[.\- ])\d{3}[.\- ]\d{4}\b", is_phone),
    Detector("phone", r"\b0\d{1,4}[ /\-]\d{3,8}(?:[ \-]\d{2,8}){0,3}\b", is_phone),
    Detector("ssn", r"\b\d{3}-\d{2}-\d{4}\b", is_ssn),
    Detector(
        "ssn", r"(?i)\b(?:ssn|social security(?: number)?)\W{1,5}(?:is\W{1,3})?\d{3}[- ]?\d{2}[- ]?\d{4}\b", is_ssn
    ),
    Detector("card", r"\b\d(?:[ \-]?\d){12,18}\b", is_card),
    Detector("iban", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}\b", is_iban),
    Detector("ip", r"\b(?:\d{1,3}\.){3}\d{1,3}\b", _is_address),
)

# Begins recognisably and has no bounded length: in a stream it cannot be taken out, only stopped.
OPEN_ENDED = frozenset({"private-key"})

SECRETS: tuple[Detector, ...] = tuple(
    Detector(kind, pattern, holds)
    for kind, pattern, holds in (
        ("aws-key", r"\b(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}\b", None),
        ("aws-secret", r"(?i)\baws.{0,24}(?:secret|key).{0,12}[=:]\s{0,3}['\"]?[A-Za-z0-9/+]{40}\b", _is_varied),
        ("github-token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36,251}|github_pat_[A-Za-z0-9_]{40,255})\b", None),
        ("gitlab-token", r"\bgl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_-]{20,64}", None),
        ("slack-token", r"\bxox[abeoprs]-(?:[A-Za-z0-9]{1,64}-){1,5}[A-Za-z0-9]{10,64}", None),
        ("slack-webhook", r"https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{40,120}", None),
        ("stripe-key", r"\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,247}\b", None),
        ("anthropic-key", r"\bsk-ant-[A-Za-z0-9_-]{24,200}", None),
        ("openai-key", r"\bsk-(?:proj-|svcacct-|admin-|None-)?[A-Za-z0-9_-]{20,200}", _is_varied),
        ("google-key", r"\bAIza[0-9A-Za-z_-]{35}", None),
        ("google-token", r"\bya29\.[0-9A-Za-z_-]{20,500}", None),
        ("hugging-face-token", r"\bhf_[A-Za-z]{34}\b", None),
        ("npm-token", r"\bnpm_[A-Za-z0-9]{36}\b", None),
        ("python-index-token", r"\bpypi-AgE[A-Za-z0-9_-]{50,500}", None),
        ("sendgrid-key", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}", None),
        ("twilio-key", r"\b(?:SK|AC)[0-9a-f]{32}\b", None),
        ("digitalocean-token", r"\bdo[opr]_v1_[a-f0-9]{64}\b", None),
        ("shopify-token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b", None),
        ("databricks-token", r"\bdapi[a-f0-9]{32}(?:-\d)?\b", None),
        ("telegram-token", r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}", None),
        ("azure-key", r"(?i)\baccountkey=[A-Za-z0-9+/]{86}==", None),
        ("hub-key", r"\bhub_[0-9a-hjkmnp-tv-z]{12}_[0-9A-Za-z]{49}\b", None),
        ("age-key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b", None),
        ("jwt", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", None),
        (
            "private-key",
            r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"  # noqa: ISC004 - one pattern, two lines
            r"(?:[A-Za-z0-9+/=\\s,:-]*-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----)?",
            None,
        ),
        ("url-password", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{1,128}:[^\s/:@'\"]{3,128}@[^\s/'\"]{1,128}", None),
        (
            "assigned-secret",
            r"(?i)\b(?:api[_-]?key|secret[_-]?key|client[_-]?secret|access[_-]?token|auth[_-]?token|passwd|password)"  # noqa: ISC004 - one pattern, two lines
            r"['\"]?\s{0,3}(?:=|:|:=)\s{0,3}['\"]?[A-Za-z0-9_/+!@#$%^&*.~-]{12,200}",
            _is_varied,
        ),
    )
)  # fmt: skip
