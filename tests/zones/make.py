#!/usr/bin/env python3
"""Writes src/domain/zones.txt, the zones that phone numbers can be in, and tests/zones/sample.txt.

README: pip download --no-deps phonenumbers==9.0.43 && tests/zones/make.py phonenumbers-9.0.43-*.whl

The same package gives the same files, byte for byte. To take a newer one, change VERSION, run this, look at the
difference, run the tests. The source is the Python port of Google's libphonenumber (both Apache-2.0): its table of
prefixes and zones, and its numbering plans.

Why not the table alone: it says where the *places* are that numbers belong to. `79` is Europe/Moscow and `614`
Australia/Sydney, yet these are all mobiles of Russia and Australia, and who has one may live in Vladivostok or
Perth. libphonenumber looks at the kind of a number first, and answers for a kind without a place (mobile, toll
free, premium, ...) with all zones of the country. This script works that out ahead, so that the longest prefix in
zones.txt answers as libphonenumber does, with four differences:

* Territories with area codes of their own, such as the Bahamas or Kazakhstan, get their own zones for numbers
  without a place, not those of all who share the country code.
* Indonesia's mobiles count as numbers without a place: libphonenumber puts all of them into Asia/Jakarta.
* CORRECTIONS, ADDITIONS and AREA_CODES, below: where the table contradicts the tz database or knows too little.
* Canada's seven-digit numbers, see DIGITS_OF_CODE_1.

Where eight digits, the shortest number we keep, cannot tell apart two kinds, the answer is the zones of both.
"""

import random
import re
import sys
from functools import cache
from pathlib import Path

VERSION = "9.0.43"
PREFIX_MAX = 8
HERE = Path(__file__).resolve().parent
TABLE = HERE.parent.parent / "src/domain/zones.txt"
SAMPLE = HERE / "sample.txt"
SAMPLE_PER_COUNTRY = 8

sys.path.insert(0, sys.argv[1] if len(sys.argv) == 2 else sys.exit(__doc__))
import phonenumbers  # noqa: E402
from phonenumbers.tzdata import TIMEZONE_DATA  # noqa: E402

if phonenumbers.__version__ != VERSION:
    sys.exit(f"this is phonenumbers {phonenumbers.__version__}, not {VERSION}")

# Below a prefix: (zone of the table, zones to put there instead). The table names a neighbour that has other clock
# changes or another offset, so it is an hour off for a part of the year or always.
CORRECTIONS = {
    "1867": ("America/Vancouver", ["America/Whitehorse"]),  # Yukon, without clock changes since 2020
    "211": ("Africa/Nairobi", ["Africa/Juba"]),
    "212": ("Atlantic/Canary", ["Africa/Casablanca"]),
    "213": ("Europe/Paris", ["Africa/Algiers"]),
    "218": ("Europe/Bucharest", ["Africa/Tripoli"]),
    "505": ("America/Chicago", ["America/Managua"]),
    "5581": ("America/Noronha", ["America/Noronha", "America/Recife"]),  # two million people and one island
    "7": ("Europe/Bucharest", ["Europe/Kaliningrad"]),
    "970": ("Europe/Bucharest", ["Asia/Hebron"]),
}
# For exactly this prefix: zones beside those of the table.
ADDITIONS = {
    "1867": ["America/Edmonton", "America/Toronto", "America/Winnipeg"],  # Yukon, Northwest Territories, Nunavut
    "299": ["America/Danmarkshavn"],
    "56": ["America/Punta_Arenas", "Pacific/Easter"],
    "563": ["Pacific/Easter"],
    "566": ["America/Punta_Arenas"],
    "569": ["America/Punta_Arenas", "Pacific/Easter"],  # mobiles, which the plan does not tell from fixed lines
    "61": ["Australia/Darwin"],
    "675": ["Pacific/Bougainville"],
}
# Area codes that the table lacks: exchanges it does not list would get all zones of the country, or wrong ones.
AREA_CODES = {
    "1208": ["America/Boise", "America/Los_Angeles"],  # Idaho, as the table has it for its other code, 1986
    "1310": ["America/Los_Angeles"],
    "5593": ["America/Santarem"],  # with 5594 the west and south of Pará, an hour before Manaus since 2008
    "5594": ["America/Belem"],
}
# Countries whose mobiles have area codes, as in libphonenumber but for Indonesia (62).
MOBILES_WITH_A_PLACE = {52, 54, 55, 86}

# Canada has seven-digit numbers (310-xxxx) that begin like those of Los Angeles and only work within Canada.
DIGITS_OF_CODE_1 = 10

# In the order in which libphonenumber asks; the last two have a place.
WITHOUT_A_PLACE = [
    "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail",
]
KINDS = ["general_desc", *WITHOUT_A_PLACE, "fixed_line", "mobile"]
DIGITS = "0123456789"


def corrected():
    """The table of the package, with the changes above and no prefix longer than PREFIX_MAX."""
    table = {prefix: set(zones) for prefix, zones in TIMEZONE_DATA.items()}
    for start, (wrong, right) in CORRECTIONS.items():
        for zones in (zones for prefix, zones in table.items() if prefix.startswith(start) and wrong in zones):
            zones.remove(wrong)
            zones.update(right)
    for prefix, zones in ADDITIONS.items():
        table[prefix].update(zones)
    for prefix, zones in AREA_CODES.items():
        assert prefix not in table, f"the table has {prefix} now"
        table[prefix] = set(zones)
    for prefix in [prefix for prefix in table if len(prefix) > PREFIX_MAX]:
        around = longest(table, prefix[:PREFIX_MAX])
        table.setdefault(prefix[:PREFIX_MAX], set(around)).update(table.pop(prefix))
    return {prefix: tuple(sorted(zones)) for prefix, zones in sorted(table.items())}


def longest(table, number):
    """The naive reference: the zones of the longest prefix of a number that the table has."""
    for length in range(len(number), 0, -1):
        if number[:length] in table:
            return table[number[:length]]
    return ()


PLACES = corrected()
INNER = {prefix[:length] for prefix in PLACES for length in range(len(prefix))}


def metadata(code, region):
    return phonenumbers.PhoneMetadata.metadata_for_region_or_calling_code(code, region)


@cache
def zones_without_a_place(code, region):
    """What numbers of a region get when their kind has no place."""
    country = str(code)
    leading = metadata(code, region).leading_digits
    is_main = region == phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code][0]
    if leading is None or is_main:
        return PLACES.get(country, ())
    own = {
        zone
        for prefix, zones in PLACES.items()
        if prefix.startswith(country) and re.match(leading, prefix[len(country):])
        for zone in zones
    }
    return tuple(sorted(own)) or PLACES.get(country, ())


class Plan:
    """The numbers of one country code as an automaton: which kinds a number has, digit by digit."""

    def __init__(self, code):
        self.code = code
        self.edges = []  # per state: [(digits or None for a free move, next state)]
        self.accepts = {}  # state: (region, kind) or (region, "leading")
        self.regions = [(r, metadata(code, r)) for r in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]]
        starts = set()
        self.lengths = {}
        for region, plan in self.regions:
            for kind in KINDS:
                described = getattr(plan, kind)
                if described is None or described.national_number_pattern is None:
                    continue
                self.lengths[region, kind] = set(described.possible_length)
                starts.add(self.add(described.national_number_pattern, (region, kind)))
            if plan.leading_digits is not None:
                start = self.add(plan.leading_digits, (region, "leading"))
                end = next(s for s, label in self.accepts.items() if label == (region, "leading"))
                self.edges[end].append((set(DIGITS), end))
                starts.add(start)
        self.start = self.free(starts)
        self.length_max = max(n for plan in (m for _, m in self.regions) for n in plan.general_desc.possible_length)
        self.kinds_below, self.steps = {}, {}

    def state(self):
        self.edges.append([])
        return len(self.edges) - 1

    def add(self, pattern, label):
        start = self.state()
        end, rest = self.choice(start, pattern)
        assert rest == "", (pattern, rest)
        self.accepts[end] = label
        return start

    # The patterns use digits, \d, [..], (?:..|..), ?, {n} and {n,m}, nothing else.
    def choice(self, start, text):
        end = self.state()
        while True:
            last, text = self.sequence(start, text)
            self.edges[last].append((None, end))
            if not text.startswith("|"):
                return end, text
            text = text[1:]

    def sequence(self, start, text):
        while text and text[0] not in "|)":
            atom = self.atom(text)
            rest = text[len(atom):]
            times = re.match(r"\?|\{(\d+)(?:,(\d+))?\}", rest)
            low, high = 1, 1
            if times:
                low, high = (0, 1) if times[0] == "?" else (int(times[1]), int(times[2] or times[1]))
                rest = rest[times.end():]
            for turn in range(high):
                end = self.one(start, atom)
                if turn >= low:
                    self.edges[start].append((None, end))
                start = end
            text = rest
        return start, text

    def atom(self, text):
        if text.startswith("(?:"):
            depth = 0
            for at, char in enumerate(text):
                depth += (char == "(") - (char == ")")
                if depth == 0:
                    return text[: at + 1]
        return re.match(r"\\d|\[[\d\-]+\]|\d", text)[0]

    def one(self, start, atom):
        if atom.startswith("("):
            return self.choice(start, atom[3:-1])[0]
        end = self.state()
        self.edges[start].append(({d for d in DIGITS if re.fullmatch(atom, d)}, end))
        return end

    def free(self, states):
        found, todo = set(states), list(states)
        while todo:
            for digits, to in self.edges[todo.pop()]:
                if digits is None and to not in found:
                    found.add(to)
                    todo.append(to)
        return frozenset(found)

    def step(self, states, digit):
        if (states, digit) not in self.steps:
            moved = {to for s in states for digits, to in self.edges[s] if digits and digit in digits}
            self.steps[states, digit] = self.free(moved)
        return self.steps[states, digit]

    def kind(self, states, length):
        """None for no number, "place" for one that has a place, else the region whose zones it gets."""
        if self.code == 1 and length != DIGITS_OF_CODE_1:
            return None
        labels = {self.accepts[s] for s in states if s in self.accepts}

        def fits(region, kind):
            lengths = self.lengths.get((region, kind))
            return (region, kind) in labels and (not lengths or length in lengths)

        def kind_in(region, plan):
            if not fits(region, "general_desc"):
                return None
            if any(fits(region, kind) for kind in WITHOUT_A_PLACE):
                return region
            if fits(region, "fixed_line"):
                return "place"
            if not plan.same_mobile_and_fixed_line_pattern and fits(region, "mobile"):
                return "place" if self.code in MOBILES_WITH_A_PLACE else region
            return None

        for region, plan in self.regions:
            if len(self.regions) > 1 and plan.leading_digits is not None:
                if (region, "leading") in labels:
                    return kind_in(region, plan)
            elif kind_in(region, plan):
                return kind_in(region, plan)
        return None

    def kinds(self, states, length):
        """The kinds of all numbers that begin like this."""
        key = states, length
        if key not in self.kinds_below:
            found = {self.kind(states, length)} - {None}
            if length < self.length_max and states:
                for digit in DIGITS:
                    found |= self.kinds(self.step(states, digit), length + 1)
            self.kinds_below[key] = found
        return self.kinds_below[key]

    def zones(self, prefix, kind):
        return longest(PLACES, prefix) if kind == "place" else zones_without_a_place(self.code, kind)

    def answers(self, prefix, states, length):
        """The different answers for the numbers with this prefix."""
        if prefix not in INNER:
            return {self.zones(prefix, kind) for kind in self.kinds(states, length)}
        found = {self.zones(prefix, kind) for kind in [self.kind(states, length)] if kind}
        for digit in DIGITS:
            found |= self.answers(prefix + digit, self.step(states, digit), length + 1)
        return found

    def write(self, table, prefix, states, length, inherited):
        """Adds the entries that the numbers with this prefix need below one that says `inherited`."""
        answers = self.answers(prefix, states, length)
        if not answers:
            return
        if len(answers) == 1 or len(prefix) == PREFIX_MAX:
            zones = tuple(sorted(set().union(*answers)))
            if zones != inherited:
                table[prefix] = zones
            return
        if prefix in PLACES and self.kinds(states, length) == {"place"} and PLACES[prefix] != inherited:
            table[prefix] = inherited = PLACES[prefix]
        for digit in DIGITS:
            self.write(table, prefix + digit, self.step(states, digit), length + 1, inherited)


def build():
    table = {}
    for code in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE):
        if country := PLACES.get(str(code)):
            table[str(code)] = country
            plan = Plan(code)
            plan.write(table, str(code), plan.start, 0, country)
    return table


def reference(text):
    """libphonenumber's own way for one number, with the differences above; None if no plan has it."""
    try:
        number = phonenumbers.parse("+" + text)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) != "+" + text:
        return None
    if number.country_code == 1 and len(text) != 1 + DIGITS_OF_CODE_1:
        return None
    kind = phonenumbers.number_type(number)
    if kind == phonenumbers.PhoneNumberType.UNKNOWN:
        return None
    with_a_place = {phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
    if number.country_code in MOBILES_WITH_A_PLACE:
        with_a_place.add(phonenumbers.PhoneNumberType.MOBILE)
    if kind in with_a_place:
        return longest(PLACES, text)
    return zones_without_a_place(number.country_code, phonenumbers.region_code_for_number(number))


def random_numbers(per_prefix):
    """Numbers that exist, below every prefix of the source table: (country code, digits, zones)."""
    dice = random.Random(VERSION)
    for prefix in sorted(PLACES) + [str(code) for code in sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)]:
        code = next(int(prefix[:n]) for n in (1, 2, 3) if int(prefix[:n]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]
        lengths = sorted({n for r in regions for n in metadata(code, r).general_desc.possible_length})
        for _ in range(per_prefix):
            missing = dice.choice(lengths) + len(str(code)) - len(prefix)
            text = prefix + "".join(dice.choices(DIGITS, k=max(missing, 0)))
            if 8 <= len(text) <= 15 and (zones := reference(text)) is not None:
                yield code, text, zones


def check(table):
    """Compares with the reference: never fewer zones, and more only where eight digits are too few."""
    total = wider = 0
    for _, text, zones in random_numbers(60):
        answer = longest(table, text[:PREFIX_MAX])
        assert set(answer) >= set(zones), (text, zones, answer)
        total, wider = total + 1, wider + (set(answer) != set(zones))
    print(f"{total} random numbers answered like libphonenumber, {wider} of them with more zones", file=sys.stderr)


def sample(table):
    """A few numbers of every country for the tests, those that eight digits decide."""
    chosen = {}
    numbers = list(random_numbers(12))
    random.Random(VERSION).shuffle(numbers)
    for code, text, zones in numbers:
        if len(chosen.setdefault(code, {})) < SAMPLE_PER_COUNTRY and longest(table, text[:PREFIX_MAX]) == zones:
            chosen[code][text] = zones
    return {text: zones for numbers in chosen.values() for text, zones in numbers.items()}


def ranges(prefixes):
    """`212 213 214 30` as `212-214 30`."""
    spans = []
    for prefix in prefixes:
        if spans and len(prefix) == len(spans[-1][1]) and int(prefix) == int(spans[-1][1]) + 1:
            spans[-1][1] = prefix
        else:
            spans.append([prefix, prefix])
    return " ".join(first if first == last else f"{first}-{last}" for first, last in spans)


def save(path, table, what):
    """One line per set of zones: the zones, `|`, and the prefixes or numbers that have them."""
    lines = {}
    for prefix in sorted(table, key=lambda prefix: (len(prefix), prefix)):
        lines.setdefault(" ".join(table[prefix]), []).append(prefix)
    text = f"# {what}.\n"
    text += f"# Made by tests/zones/make.py from phonenumbers {VERSION} (libphonenumber, Apache-2.0), with changes.\n"
    text += "".join(f"{zones}|{ranges(prefixes)}\n" for zones, prefixes in sorted(lines.items()))
    path.write_text(text, encoding="ascii")
    print(f"{path.name}: {len(table)} entries, {len(lines)} sets of zones, {len(text)} bytes", file=sys.stderr)


if __name__ == "__main__":
    built = build()
    check(built)
    save(TABLE, built, "Zones and the prefixes whose numbers can be in them")
    save(SAMPLE, sample(built), "Zones and numbers that can be in them, asked one by one")
