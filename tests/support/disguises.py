"""Ways to say a text so that a reader, or a model, still gets it and a plain search does not."""

import base64
import codecs
import json
import urllib.parse

LOOK_ALIKES = {"a": "\u0430", "c": "\u0441", "e": "\u0435", "i": "\u0456", "o": "\u043e", "p": "\u0440", "s": "\u0455", "x": "\u0445", "y": "\u0443", "A": "\u0391", "E": "\u0395", "I": "\u0406", "O": "\u039f", "S": "\u0405", "T": "\u03a4", "n": "\u0578", "u": "\u057d", "h": "\u04bb"}  # fmt: skip
INVISIBLE = ("\u200b", "\u200c", "\u2060", "\u00ad", "\ufeff")
LEET = {"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"}


def look_alikes(dice, text):
    return "".join(LOOK_ALIKES.get(char, char) if dice.random() < 0.5 else char for char in text)


def zero_width(dice, text):
    return "".join(char + dice.choice(INVISIBLE) if char.isalpha() and dice.random() < 0.4 else char for char in text)


def tags(dice, text):
    return "The list is below. " + "".join(chr(0xE0000 + ord(char)) if char.isascii() else char for char in text)


def selectors(dice, text):
    hidden = (chr(0xFE00 + byte) if byte < 16 else chr(0xE0100 + byte - 16) for byte in text.encode())
    return "Have a nice day \U0001f60a" + "".join(hidden)


def in_base64(dice, text):
    return f"attachment: {base64.b64encode(text.encode()).decode()} (end)"


def in_lines_of_base64(dice, text):
    return "Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(text.encode()).decode()


def in_url_base64(dice, text):
    return "https://app.example/open?state=" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def in_hex(dice, text):
    return f"payload 0x{text.encode().hex()}"


def in_rot13(dice, text):
    return "rot13: " + codecs.encode(text, "rot13")


def in_percent(dice, text):
    return "https://shop.example/search?q=" + urllib.parse.quote(text, safe="")


def all_in_percent(dice, text):
    return "q=" + "".join(f"%{byte:02X}" for byte in text.encode())


def entities(dice, text):
    return "".join(f"&#{ord(char)};" if dice.random() < 0.5 else f"&#x{ord(char):x};" for char in text)


def some_entities(dice, text):
    return "".join(f"&#{ord(char)};" if char.isalnum() and dice.random() < 0.3 else char for char in text)


def escapes(dice, text):
    return "".join(f"\\u{ord(char):04x}" if char.isalnum() and ord(char) < 65536 else char for char in text)


def fields(dice, text):
    words = text.split(" ")
    parts = []
    while words:
        size = dice.randint(2, 4)
        parts.append(" ".join(words[:size]))
        words = words[size:]
    return json.dumps({f"part{number}": part for number, part in enumerate(parts, 1)}, ensure_ascii=False)


def lines(dice, text):
    return "".join("\n" if char == " " and dice.random() < 0.4 else char for char in text)


def comment(dice, text):
    return f"<article><p>Spring starts on Friday.</p>\n<!-- {text} -->\n</article>"


def unseen(dice, text):
    style = dice.choice(("display:none", "font-size:0", "color:#fff;background:#fff", "position:absolute;left:-9999px"))
    return f'<article><p>Spring starts on Friday.</p><span style="{style}">{text}</span></article>'


def style_comment(dice, text):
    return f"<style>body {{ margin: 0 }} /* {text} */</style><p>Spring starts on Friday.</p>"


def broken_by_tags(dice, text):
    return "".join(char + "<b></b>" if char.isalpha() and dice.random() < 0.2 else char for char in text)


def emphasis(dice, text):
    mark = dice.choice(("**", "_", "`"))
    return " ".join(f"{mark}{word}{mark}" if word and dice.random() < 0.4 else word for word in text.split(" "))


def leet(dice, text):
    return "".join(LEET.get(char.lower(), char) if dice.random() < 0.7 else char for char in text)


def spaced(dice, text):
    return "  ".join(" ".join(word) for word in text.split())


def full_width(dice, text):
    return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in text)


def mathematical(dice, text):
    return "".join(
        chr(0x1D41A + ord(char) - 97)
        if "a" <= char <= "z"
        else chr(0x1D400 + ord(char) - 65)
        if "A" <= char <= "Z"
        else char
        for char in text
    )


def marked(dice, text):
    return "".join(char + chr(dice.randint(0x300, 0x314)) if char.isalpha() else char for char in text)


def link_title(dice, text):
    return f'Read [the guide](https://docs.example/guide "{text}") first.'


def picture(dice, text):
    return f"![{text}](https://docs.example/a.png)\nA picture of the valley."


def backwards(dice, text):
    return "read from right to left: " + text[::-1]


def within_json(dice, text):
    return json.dumps({"result": json.dumps({"text": text})})


def hyphenated(dice, text):
    return "".join(char + "\u00ad" if char in "aeiou" and dice.random() < 0.3 else char for char in text)


# What an attacker does, what happens to any text, and what can happen to a single value.
HOSTILE = (
    look_alikes, zero_width, tags, selectors, in_base64, in_lines_of_base64, in_url_base64, in_hex, in_rot13, in_percent,
    all_in_percent, entities, some_entities, escapes, fields, lines, comment, unseen, style_comment, broken_by_tags, emphasis,
    leet, spaced, full_width, mathematical, marked, link_title, picture, backwards, within_json,
)  # fmt: skip
HARMLESS = (
    in_base64, in_lines_of_base64, in_url_base64, in_hex, in_rot13, in_percent, all_in_percent, entities, some_entities,
    escapes, fields, lines, comment, unseen, style_comment, emphasis, full_width, link_title, picture, within_json, hyphenated,
)  # fmt: skip
VALUES = (
    zero_width, in_base64, in_lines_of_base64, in_url_base64, in_hex, in_percent, all_in_percent, entities, some_entities,
    escapes, comment, unseen, full_width, link_title, within_json, hyphenated,
)  # fmt: skip
