"""Which language a text is written in, by its script and its commonest words. Short texts have none."""

import re
from collections import Counter

_FEWEST_WORDS = 8
_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0370, 0x03FF, "el"), (0x0400, 0x052F, "ru"), (0x0590, 0x05FF, "he"), (0x0600, 0x06FF, "ar"), (0x0900, 0x097F, "hi"),
    (0x0E00, 0x0E7F, "th"), (0x3040, 0x30FF, "ja"), (0xAC00, 0xD7AF, "ko"), (0x4E00, 0x9FFF, "zh"),
)  # fmt: skip
_COMMON: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "en": "the of and to in is that it was for on are with as be at this have from or by not but what we you they which",
        "de": "der die und das ist nicht ein eine zu mit sich auf für den dem von werden auch wie es ich sie wir bei nach",
        "fr": "le la les des et est une dans que qui pour pas sur avec ce il elle nous vous au du en sont mais plus cette",
        "es": "el la los las que y en un una por con para es se no del al lo como más pero sus le ha este sí porque",
        "it": "il lo la gli di che e è un una per non con del della sono si da come nel alla più anche ma questo ho",
        "pt": "o os as que e um uma para com não do da em no na por mais se como mas foi ao ele das tem seu sua são",
        "nl": "de het een en van ik te dat die in is niet op zijn met voor er maar om hij aan ook als bij naar wij",
        "sv": "och att det som en på är av för med till den har de inte om ett jag var men sig så från vi när",
        "pl": "i w nie na się z to że do jest jak o ale po co tak za od czy przez już tylko jego są dla",
    }.items()
}
_DISTINCT_SCRIPT = 0.3


def language_of(text: str) -> str | None:
    """The likeliest language (ISO 639-1), or None when the text is too short or like none that is known."""
    script = _script(text)
    if script is not None:
        return script
    words = [word.lower() for word in _WORD.findall(text[:20_000])]
    if len(words) < _FEWEST_WORDS:
        return None
    counts = {language: sum(word in common for word in words) for language, common in _COMMON.items()}
    language, best = max(counts.items(), key=lambda item: item[1])
    return language if best * 10 >= len(words) else None


def _script(text: str) -> str | None:
    letters = [char for char in text[:5000] if char.isalpha()]
    found = Counter(language for char in letters if (language := _script_of(ord(char))))
    if "ja" in found:  # Japanese is written with Chinese characters too
        found["ja"] += found.pop("zh", 0)
    if not found:
        return None
    language, count = found.most_common(1)[0]
    return language if count >= 4 and count > len(letters) * _DISTINCT_SCRIPT else None


def _script_of(code: int) -> str | None:
    if code < 0x0370:
        return None
    return next((language for first, last, language in _SCRIPTS if first <= code <= last), None)
