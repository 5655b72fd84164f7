"""Print ``minimal_pairs.tsv``, made from CLDR: ``python -m calque.data.lexicon.agreement PACKAGE``.

``PACKAGE`` is the npm package ``cldr-units-full``. A numeral asks for one form of the noun; the pair shows it
once with that form and once with another. In every cluster (one unit of measure) each form is right as often as
it is wrong, so that neither a preference for short words nor for frequent forms gets more than half right.

The units are a reader's choice. Left out: units whose forms coincide, symbols and abbreviations, units the
language does not use, and forms that speakers accept against the rule (*five foot*, *5 Yard*, *5 гектар*).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

COMMON = """
    revolution century decade year quarter month week day hour minute second millisecond microsecond nanosecond
    night square-mile item part kilocalorie calorie mile light-year astronomical-unit nautical-mile mile-per-hour
    solar-mass atmosphere cubic-mile ounce pinch cup
""".split()
METRIC = """
    square-kilometer square-meter square-centimeter kilojoule joule pixel dot kilometer meter decimeter
    centimeter millimeter micrometer nanometer kilopascal pascal kilometer-per-hour meter-per-second celsius fahrenheit
    knot cubic-kilometer cubic-meter cubic-centimeter hectoliter liter deciliter centiliter milliliter yard inch
    square-yard square-inch cubic-yard cubic-inch acre barrel tablespoon teaspoon drop fluid-ounce
""".split()
UNITS = {
    "en": [*COMMON, *METRIC, *"""
        degree hectare byte kilobyte megabyte gigabyte terabyte fortnight volt ampere newton kilogram gram
        milligram microgram carat megapixel parsec furlong fathom bushel gallon quart pint grain rod
        solar-radius millibar
    """.split()],
    "de": [*COMMON, *"""
        arc-minute arc-second kilowatt-hour tonne ounce-troy earth-mass earth-radius solar-radius gallon
        fluid-ounce
    """.split()],
    "ru": [*COMMON, *METRIC, *"""
        degree percent tonne kilowatt-hour foot pound
    """.split()],
    "fi": [*COMMON, *METRIC, *"""
        degree hectare percent byte kilobyte megabyte gigabyte terabyte volt ampere newton kilogram gram
        milligram microgram carat parsec fathom grain solar-radius kilowatt-hour tonne pound foot square-foot cubic-foot
    """.split()],
}  # fmt: skip
RARE = set(
    """
    cup part fluid-ounce square-yard cubic-yard square-inch cubic-inch centiliter barrel fahrenheit cubic-mile
    acre
""".split()
)
CLUMSY = {"en": {"cup", "item"}, "de": {"night", "part"}, "ru": RARE, "fi": {"dot"}}
WORDS = {
    "en": ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],
    "de": ["zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn"],
    "fi": ["kaksi", "kolme", "neljä", "viisi", "kuusi", "seitsemän", "kahdeksan", "yhdeksän", "kymmenen"],
}
ONE = {
    "en": {"": "one"},
    "de": {"masculine": "ein", "neuter": "ein", "feminine": "eine"},
    "fi": {"": "yksi"},
}
# What CLDR does not state; the others are feminine.
GENDER = {"light-year": "neuter", "earth-radius": "masculine", "solar-radius": "masculine"}
DIGITS = {  # integers that ask for a plural category; large enough sets that units differ
    "one": [1, 21, 31, 41, 51, 61, 71, 81],
    "few": [2, 3, 4, 22, 23, 24, 32, 33],
    "many": [5, 6, 7, 8, 9, 10, 11, 12, 15, 20],
}


class Pair(NamedTuple):
    """One row of the table."""

    language: str
    phenomenon: str
    cluster: str
    good: str
    bad: str


def two_forms(language: str, unit: str, forms: dict[str, str], gender: str, turn: int) -> Iterator[Pair]:
    """Yield four pairs: one, in digits and in words, and a larger number, in digits and in words.

    Parameters
    ----------
    language : str
        Code of the language.
    unit : str
        The unit of measure, which is the cluster.
    forms : dict of str to str
        Pattern of each plural category, ``one`` and ``other``, with ``{0}`` for the number.
    gender : str
        Grammatical gender in CLDR; ``""`` where it gives none.
    turn : int
        Number of the unit; it varies the numbers.

    Yields
    ------
    Pair
        The right and the wrong text.
    """
    german = gender or GENDER.get(unit, "feminine")
    one = ONE[language][german if language == "de" else ""]
    numerals = [("1", "one", "other"), (one, "one", "other")]
    numerals += [(str(2 + turn % 11), "other", "one"), (WORDS[language][(turn + 4) % 9], "other", "one")]
    for numeral, right, wrong in numerals:
        yield Pair(
            language,
            "numeral_agreement",
            unit,
            forms[right].format(numeral),
            forms[wrong].format(numeral),
        )


def three_forms(language: str, unit: str, forms: dict[str, str], turn: int) -> Iterator[Pair]:
    """Yield six pairs: each category's form against each other form, each with a different number.

    Parameters
    ----------
    language : str
        Code of the language.
    unit : str
        The unit of measure, which is the cluster.
    forms : dict of str to str
        Pattern of each plural category, ``one``, ``few`` and ``many``, with ``{0}`` for the number.
    turn : int
        Number of the unit; it varies the numbers.

    Yields
    ------
    Pair
        The right and the wrong text.
    """
    used: set[int] = set()
    for place, (right, wrong) in enumerate(permutations(("one", "few", "many"), 2)):
        numbers = DIGITS[right]
        number = next(n for i in range(9) if (n := numbers[(turn + place + i) % len(numbers)]) not in used)
        used.add(number)
        yield Pair(language, "numeral_agreement", unit, forms[right].format(number), forms[wrong].format(number))


def pairs(package: Path) -> Iterator[Pair]:
    """Yield the pairs of all languages.

    Parameters
    ----------
    package : Path
        The npm package ``cldr-units-full``, unpacked.

    Yields
    ------
    Pair
        The right and the wrong text.

    Raises
    ------
    ValueError
        When two categories of a chosen unit have the same form.
    """
    for language, chosen in UNITS.items():
        source = json.loads((package / "main" / language / "units.json").read_text(encoding="utf-8"))
        table = {name.split("-", 1)[1]: unit for name, unit in _units(source["main"][language]["units"]["long"])}
        turn = 0
        for unit in chosen:
            if unit in CLUMSY[language]:
                continue
            form = {
                key.removeprefix("unitPattern-count-"): " ".join(text.split())
                for key, text in table[unit].items()
                if key.startswith("unitPattern-count-") and "{0}" in text
            }
            categories = ("one", "few", "many") if language == "ru" else ("one", "other")
            if len({form[category] for category in categories}) < len(categories):
                raise ValueError(f"{language} {unit}: forms coincide: {form}")
            turn += 1
            if language == "ru":
                yield from three_forms(language, unit, form, turn)
            else:
                yield from two_forms(language, unit, form, table[unit].get("gender", ""), turn)


def _units(long: dict[str, dict[str, str]]) -> Iterator[tuple[str, dict[str, str]]]:
    for name, unit in long.items():
        compound = name.startswith(("per", "times", "power", "1", "coordinate"))
        if not compound and isinstance(unit, dict) and "-" in name:
            yield name, unit


def main(package: Path) -> None:
    """Print the table of all pairs, separated by tabs.

    Parameters
    ----------
    package : Path
        The npm package ``cldr-units-full``, unpacked.
    """
    print("\t".join(Pair._fields))
    for pair in pairs(package):
        print("\t".join(pair))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
