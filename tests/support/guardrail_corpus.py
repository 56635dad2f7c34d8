"""The labelled guardrail corpus: `python -m tests.support.guardrail_corpus FOLDER` writes its files, two halves of each kind.

The half `tuning` was looked at while the detectors were improved; `held-out` was not: sentences, formats of values and kinds of
keys were dealt to the halves by chance before, the texts of `samples/orders` by their SHA-256.
"""

import hashlib
import json
import random
import sys
from pathlib import Path

from tests.support import disguises, made_persons, made_secrets

SAMPLES = Path(__file__).parents[1] / "samples"
HALVES = ("tuning", "held-out")
PERSONAL = (
    ("Please write to {} by Friday.", "Kontakt: {}", "{{\"customer\": \"{}\", \"since\": 2019}}", "I can be reached at {} or not at all",
     "<td>{}</td><td>open</td>", "2026-04-01 12:00:01 INFO lookup of {} took 3 ms", "{}", "- {}\n- nothing else", "Merci de noter : {}."),
    ("The form says {} in the second row.", "Datos: {}, gracias", "row;{};ok", "key={}&next=1", "He gave ({}) when asked.", "> {}\nthanks!",
     "{{\"a\": [\"x\", \"{}\"]}}", "customer:\n  value: {}\n  active: true", "Bitte {} eintragen."),
)  # fmt: skip
CODE = (
    ("{}", "# .env\n{}\n", "here it is: {} (do not share)", "{{\"line\": \"{}\"}}", "+ {}", "I ran it and got\n\n    {}\n"),
    ("config:\n  {}\n", "<pre>{}</pre>", "logs> {}", "> {}", "the value {} is from the wiki", "curl -H '{}' https://api.example.com"),
)  # fmt: skip


def varied(dice, texts, ways, count):
    """Each text as it is, then `count` times disguised, the ways in turn."""
    turn = 0
    for text in texts:
        yield text
        made = 0
        while made < count:
            disguised = ways[turn % len(ways)](dice, text)
            turn += 1
            if disguised != text:
                made += 1
                yield disguised


def labelled(found, texts):
    return [{"text": text, "found": found} for text in texts]


def tool_results(half):
    dice = random.Random(f"tool results {half}")
    name = "tool_results.jsonl" if half == "tuning" else "tool_results_held_out.jsonl"
    rows = [json.loads(line) for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines()]
    attacks, benign = ([row["text"] for row in rows if row["found"] is found] for found in (True, False))
    return labelled(True, varied(dice, attacks, disguises.HOSTILE, 2)) + labelled(
        False, varied(dice, benign, disguises.HARMLESS, 2)
    )


def orders(half):
    """The texts of `samples/orders`: those whose SHA-256 is even are for tuning."""
    rows = []
    for path in sorted((SAMPLES / "orders").iterdir()):
        for text in path.read_text(encoding="utf-8").rstrip("\n").split("\n%%\n"):
            if hashlib.sha256(text.encode()).digest()[-1] % 2 == HALVES.index(half):
                rows += labelled(path.name.startswith("attack"), [text])
    return rows


def dealt(things, half):
    """The half of some named things, dealt by chance, the same each time."""
    names = sorted(things)
    random.Random("deal").shuffle(names)
    return names[HALVES.index(half) :: 2]


def personal_data(half):
    dice = random.Random(f"personal data {half}")
    carriers = PERSONAL[HALVES.index(half)]
    makers = {"card": made_persons.card, "iban": made_persons.iban, "ssn": made_persons.ssn, "ip": made_persons.ip}
    values = [maker(dice) for maker in makers.values() for _ in range(8)]
    values += [made_persons.email(dice) for _ in range(12)] + [made_persons.phone(dice) for _ in range(20)]
    values += [f"{label}: {maker(dice)}" for label, maker in made_persons.NATIONAL.items() for _ in range(2)]
    benign = [
        f"{label} {made_persons.HARMLESS[label](dice)}" for label in sorted(made_persons.HARMLESS) for _ in range(4)
    ]
    return halves_of(dice, carriers, values, benign)


def secrets(half):
    dice = random.Random(f"secrets {half}")
    carriers = CODE[HALVES.index(half)]
    values = [made_secrets.SECRETS[name](dice) for name in dealt(made_secrets.SECRETS, half) for _ in range(2)]
    benign = [made_secrets.HARMLESS[name](dice) for name in dealt(made_secrets.HARMLESS, half) for _ in range(4)]
    return halves_of(dice, carriers, values, benign)


def halves_of(dice, carriers, values, benign):
    """Values in carriers, every second one disguised too; the same of what is harmless."""

    def carried(value):
        carrier = dice.choice(carriers)
        quoted = json.dumps(value)[1:-1] if carrier.startswith("{{") else value
        return carrier.format(quoted)

    rows = []
    for found, given in (True, values), (False, benign):
        for number, value in enumerate(given):
            text = carried(value)
            rows.append({"text": text, "found": found})
            if number % 2:
                rows.append({"text": disguises.VALUES[number // 2 % len(disguises.VALUES)](dice, text), "found": found})
    return rows


KINDS = {"orders": orders, "tool-results": tool_results, "personal-data": personal_data, "secrets": secrets}


def write(folder):
    """Write all files into a folder; returns their paths."""
    paths = []
    for kind, made in KINDS.items():
        for half in HALVES:
            path = Path(folder) / f"{kind}-{half}.jsonl"
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made(half)), encoding="utf-8")
            paths.append(path)
    return paths


if __name__ == "__main__":
    for written in write(sys.argv[1]):
        print(written)
