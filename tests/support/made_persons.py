"""Personal data of nobody: values made by chance, with the check digits that real ones have, and values that only look so."""

import string

UPPER = string.ascii_uppercase
FIRST = [
    "ann",
    "bob",
    "chidi",
    "dora",
    "emre",
    "fatima",
    "gita",
    "hugo",
    "ines",
    "jun",
    "kofi",
    "lea",
    "marek",
    "nadia",
    "olu",
    "petra",
    "quim",
    "rosa",
    "sven",
    "tariq",
    "uma",
    "vera",
]
LAST = [
    "lee",
    "okafor",
    "schulz",
    "garcia",
    "yilmaz",
    "haddad",
    "patel",
    "martin",
    "rossi",
    "tanaka",
    "mensah",
    "novak",
    "silva",
    "jansen",
    "kowalski",
    "berg",
    "murphy",
]
HOSTS = [
    "example.com",
    "example.org",
    "mail.example.co.uk",
    "corp.example.de",
    "post.example.fr",
    "example.net",
    "uni.example.edu",
]


def digits(dice, count):
    return "".join(dice.choice("0123456789") for _ in range(count))


def luhn(body):
    total = sum(int(d) * 2 - 9 * (int(d) > 4) if place % 2 == 0 else int(d) for place, d in enumerate(reversed(body)))
    return str(-total % 10)


def email(dice):
    first, last = dice.choice(FIRST), dice.choice(LAST)
    local = dice.choice(
        (f"{first}.{last}", f"{first}{dice.randint(1, 99)}", f"{first[0]}_{last}", f"{first}+{last}", last)
    )
    made = f"{local}@{dice.choice(HOSTS)}"
    return made.upper() if dice.random() < 0.1 else made


PHONES = (
    "+49 30 23125 ###", "+1 (###) 555-01##", "+1-212-555-01##", "(415) 555-01##", "415-555-01##", "+44 20 7946 0###",
    "020 7946 0###", "+33 1 99 00 ## ##", "01 99 00 ## ##", "+34 612 ### ###", "+39 06 5550 ####", "+81 3-5555-####",
    "+91 98765 #####", "+55 11 95555-####", "0151 2312 ####", "030/23125###", "+48 601 ### ###", "0044 20 7946 0###",
    "+41 44 555 ## ##", "+46 70 174 06 ##", "+31 6 5555 ####", "+86 138 0013 ####", "tel:+1-303-555-01##",
    "06 39 98 ## ##", "+353 1 555 ####", "+61 491 570 ###", "+351 912 555 ###", "+7 495 555-##-##",
)  # fmt: skip


def phone(dice):
    return "".join(digits(dice, 1) if char == "#" else char for char in dice.choice(PHONES))


def card(dice):
    head = dice.choice(("4", "4", "51", "55", "2221", "37", "6011", "3528", "30"))
    length = {"37": 15, "30": 14}.get(head, 16)
    body = head + digits(dice, length - 1 - len(head))
    number = body + luhn(body)
    if length != 16 or dice.random() < 0.4:
        return number
    return dice.choice((" ", "-")).join(number[place : place + 4] for place in range(0, 16, 4))


ACCOUNTS = {
    "DE": "n" * 18, "GB": "aaaa" + "n" * 14, "FR": "n" * 23, "NL": "aaaa" + "n" * 10, "ES": "n" * 20, "IT": "a" + "n" * 22,
    "CH": "n" * 17, "AT": "n" * 16, "BE": "n" * 12, "PL": "n" * 24, "SE": "n" * 20, "NO": "n" * 11, "PT": "n" * 21, "IE": "aaaa" + "n" * 14,
    "TR": "n" * 22, "RO": "aaaa" + "n" * 16, "MT": "aaaa" + "n" * 23, "BR": "n" * 23 + "an", "QA": "aaaa" + "n" * 21, "KW": "aaaa" + "n" * 22,
}  # fmt: skip


def iban(dice, wrong=False):
    country = dice.choice(sorted(ACCOUNTS))
    account = "".join(dice.choice(UPPER) if char == "a" else digits(dice, 1) for char in ACCOUNTS[country])
    rest = int("".join(str(int(char, 36)) for char in account + country + "00")) % 97
    check = 98 - rest
    if wrong:
        check = check % 97 + 2 if check % 97 + 2 != check else 2
    made = f"{country}{check:02}{account}"
    return " ".join(made[place : place + 4] for place in range(0, len(made), 4)) if dice.random() < 0.5 else made


def ssn(dice):
    area = dice.choice([number for number in range(100, 899) if number != 666])
    return f"{area:03}-{dice.randint(1, 99):02}-{dice.randint(1, 9999):04}"


def ip(dice):
    return dice.choice(("203.0.113.{}", "198.51.100.{}", "192.0.2.{}", "10.20.30.{}")).format(dice.randint(2, 250))


# -- numbers that states give to people -------------------------------------------------------------------------------


def day(dice):
    return dice.randint(40, 99), dice.randint(1, 12), dice.randint(1, 28)


def es_dni(dice):
    number = dice.randint(10_000_000, 99_999_999)
    return f"{number}{dice.choice(('', '-'))}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def es_nie(dice):
    first, number = dice.randint(0, 2), digits(dice, 7)
    return f"{'XYZ'[first]}{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(f'{first}{number}') % 23]}"


def fr_nir(dice):
    year, month, _ = day(dice)
    body = f"{dice.choice('12')}{year:02}{month:02}{dice.randint(10, 95):02}{dice.randint(1, 990):03}{dice.randint(1, 999):03}"
    key = f"{97 - int(body) % 97:02}"
    parts = (body[0], body[1:3], body[3:5], body[5:7], body[7:10], body[10:], key)
    return dice.choice(("", " ")).join(parts)


ODD = dict(zip(string.digits + UPPER, (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23), strict=True))  # fmt: skip


def it_code(dice):
    year, month, number = day(dice)
    names = "".join(dice.choice("BCDFGLMNPRSTV") for _ in range(6))
    body = f"{names}{year:02}{'ABCDEHLMPRST'[month - 1]}{number + dice.choice((0, 40)):02}{dice.choice('ABCDEFGHIL')}{digits(dice, 3)}"
    total = sum(
        ODD[char] if place % 2 == 0 else int(char) if char.isdigit() else ord(char) - 65
        for place, char in enumerate(body)
    )
    return body + chr(65 + total % 26)


def gb_nino(dice):
    number = digits(dice, 6)
    start, end = dice.choice(("AB", "CE", "JK", "PX", "SW", "YZ")), dice.choice("ABCD")
    return dice.choice((f"{start}{number}{end}", f"{start} {number[:2]} {number[2:4]} {number[4:]} {end}"))


def weighted(body, weights):
    return sum(int(digit) * weight for digit, weight in zip(body, weights, strict=False))


def pl_pesel(dice):
    year, month, number = day(dice)
    body = f"{year:02}{month:02}{number:02}{digits(dice, 4)}"
    return body + str(-weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def se_number(dice):
    year, month, number = day(dice)
    body = f"{year:02}{month:02}{number:02}{digits(dice, 3)}"
    return f"{dice.choice(('', '19'))}{body[:6]}-{body[6:]}{luhn(body)}"


def fi_number(dice):
    year, month, number = day(dice)
    body = f"{number:02}{month:02}{year:02}"
    serial = f"{dice.randint(2, 899):03}"
    return f"{body}-{serial}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(body + serial) % 31]}"


def nl_number(dice):
    while True:
        body = f"{dice.choice('123')}{digits(dice, 7)}"
        rest = weighted(body, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
        if rest < 10:
            return f"{body}{rest}"


def be_number(dice):
    year, month, number = day(dice)
    body = f"{year:02}{month:02}{number:02}{dice.randint(1, 997):03}"
    key = 97 - int(body) % 97
    return f"{body[:2]}.{body[2:4]}.{body[4:6]}-{body[6:]}.{key:02}"


def br_cpf(dice):
    body = digits(dice, 9)
    for length in 10, 11:
        rest = weighted(body, range(length, 1, -1)) * 10 % 11
        body += str(rest % 10)
    return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"


def cn_number(dice):
    _, month, number = day(dice)
    body = (
        f"{dice.choice(('110101', '310104', '440305'))}{dice.randint(1950, 2005)}{month:02}{number:02}{digits(dice, 3)}"
    )
    return body + "10X98765432"[weighted(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11]


def ch_number(dice):
    body = "756" + digits(dice, 9)
    check = -weighted(body, (1, 3) * 6) % 10
    return f"{body[:3]}.{body[3:7]}.{body[7:11]}.{body[11]}{check}"


def de_number(dice):
    """The tax id: one digit twice, the others once, and a check by ISO 7064."""
    while True:
        some = dice.sample("0123456789", 9)
        body = dice.sample([*some, dice.choice(some)], 10)
        if body[0] != "0":
            break
    product = 10
    for digit in body:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    made = "".join(body) + str((11 - product) % 10)
    return f"{made[:2]} {made[2:5]} {made[5:8]} {made[8:]}" if dice.random() < 0.5 else made


def ca_number(dice):
    body = dice.choice("1234567") + digits(dice, 7)
    made = body + luhn(body)
    return f"{made[:3]} {made[3:6]} {made[6:]}"


def tr_number(dice):
    body = dice.choice("123456789") + digits(dice, 8)
    odd, even = sum(map(int, body[::2])), sum(map(int, body[1::2]))
    tenth = (odd * 7 - even) % 10
    return f"{body}{tenth}{(odd + even + tenth) % 10}"


def pt_number(dice):
    body = dice.choice("12") + digits(dice, 7)
    rest = 11 - weighted(body, range(9, 1, -1)) % 11
    return body + str(rest if rest < 10 else 0)


def kr_number(dice):
    year, month, number = day(dice)
    body = f"{year:02}{month:02}{number:02}{dice.choice('12')}{digits(dice, 5)}"
    return f"{body[:6]}-{body[6:]}{(11 - weighted(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10}"


def in_number(dice):
    """Aadhaar, with the check digit of Verhoeff, made from the group of a pentagon's symmetries."""
    body = dice.choice("23456789") + digits(dice, 10)
    state = 0
    for place, digit in enumerate(reversed(body), 1):
        state = times(state, shifted(int(digit), place % 8))
    made = body + str(next(digit for digit in range(10) if times(state, digit) == 0))
    return f"{made[:4]} {made[4:8]} {made[8:]}"


def times(left, right):
    if left < 5:
        return (left + right) % 5 if right < 5 else (left + right - 5) % 5 + 5
    return (left - 5 - right) % 5 + 5 if right < 5 else (left - right) % 5


def shifted(digit, count):
    for _ in range(count):
        digit = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)[digit]
    return digit


NATIONAL = {
    "DNI": es_dni, "NIE": es_nie, "n° de sécurité sociale": fr_nir, "codice fiscale": it_code, "NI number": gb_nino, "PESEL": pl_pesel,
    "personnummer": se_number, "henkilötunnus": fi_number, "BSN": nl_number, "rijksregisternummer": be_number, "CPF": br_cpf,
    "身份证号": cn_number, "AHV-Nummer": ch_number, "Steuer-ID": de_number, "SIN": ca_number, "T.C. kimlik no": tr_number,
    "NIF": pt_number, "주민등록번호": kr_number, "Aadhaar": in_number,
}  # fmt: skip

# -- what only looks like it ------------------------------------------------------------------------------------------


def wrong_card(dice):
    number = card(dice)
    last = (int(number[-1]) + dice.randint(1, 9)) % 10
    return number[:-1] + str(last)


def wrong_ssn(dice):
    return dice.choice(
        (f"000-{dice.randint(10, 99)}-{digits(dice, 4)}", f"9{digits(dice, 2)}-{dice.randint(10, 99)}-0000")
    )


HARMLESS = {
    "order": wrong_card,
    "bank reference": lambda dice: iban(dice, wrong=True),
    "ticket": lambda dice: f"TCK-{digits(dice, 8)}",
    "number": wrong_ssn,
    "version": lambda dice: f"{dice.randint(1, 9)}.{dice.randint(0, 20)}.{dice.randint(0, 20)}",
    "build": lambda dice: f"2026.{dice.randint(1, 12)}.{dice.randint(1, 28)}+{digits(dice, 3)}",
    "commit": lambda dice: "".join(dice.choice("0123456789abcdef") for _ in range(40)),
    "request": lambda dice: "-".join(
        "".join(dice.choice("0123456789abcdef") for _ in range(n)) for n in (8, 4, 4, 4, 12)
    ),
    "at": lambda dice: (
        f"2026-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}T{dice.randint(10, 23)}:30:{dice.randint(10, 59)}Z"
    ),
    "unix time": lambda dice: f"17{digits(dice, 8)}",
    "duration": lambda dice: f"{dice.randint(1, 99)}.{digits(dice, 6)} s",
    "price": lambda dice: f"{dice.randint(1, 99)},{digits(dice, 3)}.{digits(dice, 2)} EUR",
    "handle": lambda dice: f"@{dice.choice(FIRST)}_{dice.choice(LAST)}",
    "image": lambda dice: f"registry.example/app@sha256:{''.join(dice.choice('0123456789abcdef') for _ in range(64))}",
    "package": lambda dice: f"@scope/tool@{dice.randint(1, 9)}.{dice.randint(0, 9)}.{dice.randint(0, 9)}",
    "position": lambda dice: f"{dice.randint(10, 59)}.{digits(dice, 6)}, {dice.randint(10, 99)}.{digits(dice, 6)}",
    "part": lambda dice: f"{''.join(dice.choice(UPPER) for _ in range(3))}-{digits(dice, 4)}-{dice.choice(UPPER)}",
    "isbn": lambda dice: f"978-3-{digits(dice, 2)}-{digits(dice, 6)}-{digits(dice, 1)}",
    "mac": lambda dice: ":".join("".join(dice.choice("0123456789ABCDEF") for _ in range(2)) for _ in range(6)),
    "range": lambda dice: f"{dice.randint(1900, 1950)}-{dice.randint(1951, 2020)}",
    "count": lambda dice: f"{dice.randint(1, 9)}{digits(dice, 8)} rows",
    "hash": lambda dice: "".join(dice.choice("0123456789abcdef") for _ in range(64)),
    "address": lambda dice: dice.choice(("127.0.0.1:8484", "0.0.0.0/0", "localhost", "256.300.1.1", "::1")),
    "colour": lambda dice: f"#{''.join(dice.choice('0123456789abcdef') for _ in range(6))}",
    "decorator": lambda dice: f"@{dice.choice(('app', 'pytest', 'router'))}.{dice.choice(('get', 'fixture', 'post'))}",
    "score": lambda dice: f"{dice.randint(0, 9)}-{dice.randint(0, 9)}, {dice.randint(0, 9)}-{dice.randint(0, 9)}",
}
