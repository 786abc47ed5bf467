#!/usr/bin/env python3
"""Writes a messy table of leads as a small team would send it, always the same one.

    python3 tests/imports/messy.py 3000 > messy.csv
"""

import random
import sys

rows = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
chance = random.Random(7)
FIRST = ["Ada", "Alan", "Grace", "Jürgen", "Zoë", "José", "Łukasz", "Anna-Lena", "O'Neil", "李"]
LAST = ["Lovelace", "Turing", "Hopper", "Müller", "van Beethoven", "Núñez", "Øster", "Smith, Jr.", "D'Arc", "Weiß"]
PLANS = ["Basic", "Plus", "Pro", "", "=HYPERLINK(\"http://x\")", "Basic;old"]
PRIORITIES = ["", "", "1", "3", "5", "high", "9"]
ZONES = ["", "America/New_York", "America/Chicago", "America/Los_Angeles", "EST5EDT", "Amerika/New_York"]


def phone(n):
    area, line = chance.choice([202, 212, 213, 305, 312, 404, 415, 503, 617, 702]), 2_000_000 + n * 2_311 % 7_999_993
    digits = f"{area}{line:07}"
    forms = [
        f"+1{digits}", f"+1 ({digits[:3]}) {digits[3:6]}-{digits[6:]}", f"({digits[:3]}) {digits[3:6]}-{digits[6:]}",
        f"{digits[:3]}.{digits[3:6]}.{digits[6:]}", digits, f"1{digits}", f"001 {digits}", f"'+1{digits}", f"1{digits}.0",
    ]
    return chance.choice(forms)


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"' if any(c in cell for c in ';"\n') else cell


BROKEN = ["", "n/a", "call me", "911", "555-0101", "1.20256E+10", "+999 1234567", "+1 202 555 01", "+44 20 7946", "see notes", "+1 202 555 0101 x12"]
out = ["Kunde;Mobile Phone;E-Mail;Plan;Prio;Time Zone;Bemerkung"]
sent = []
for n in range(rows):
    kind = chance.random()
    number = phone(n)
    if kind < 0.08:
        number = chance.choice(BROKEN)
    elif kind < 0.13 and sent:
        number = chance.choice(sent)
    else:
        sent.append(number)
    name = f"{chance.choice(FIRST)} {chance.choice(LAST)}"
    mail = chance.choice(["", f"user{n}@example.com", "no mail"])
    prio = chance.choice(PRIORITIES[:5]) if chance.random() < 0.97 else chance.choice(PRIORITIES)
    zone = chance.choice(ZONES[:4]) if chance.random() < 0.97 else chance.choice(ZONES)
    note = chance.choice(["", "", "prefers mornings", "two\nlines", 'said "no" once', "a; b"])
    cells = [name, number, mail, chance.choice(PLANS), prio, zone, note]
    if chance.random() < 0.01:
        cells.append("left over")
    out.append(";".join(quoted(cell) for cell in cells))
    if chance.random() < 0.01:
        out.append("")
sys.stdout.buffer.write(("\ufeff" + "\r\n".join(out) + "\r\n").encode("utf-8"))
