"""Counts as people write them."""

from __future__ import annotations

import ast
import itertools
import re

import pytest

from calque.data.quantities import format_count, format_number, format_numbers, parse_count, plural
from tests.readme import ROOT
from tests.test_structure import PACKAGES


@pytest.mark.parametrize(
    ("text", "value"), [("5M", 5_000_000), ("1.5k", 1500), ("37B", 37 * 10**9), (" 1_000 ", 1000), (2e3, 2000), (7, 7)]
)
def test_counts_are_read(text: object, value: int) -> None:
    assert parse_count(text) == value
    assert type(parse_count(text)) is int


@pytest.mark.parametrize("text", ["5MB", "-5", "1.5", "", "inf", "nan", "1e999", "1e400k", 1e300, 10**40, True])
def test_what_is_no_count_is_said_in_one_line(text: object) -> None:
    with pytest.raises(ValueError, match="expected (one|a count) such as 5M") as caught:
        parse_count(text)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 120


def test_counts_are_written_in_three_digits() -> None:
    assert [format_count(v) for v in (7, 1500, 1.669e9, 37e12)] == ["7", "1.5k", "1.67B", "37T"]


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0 runs"), (1, "1 run"), (1.0, "1 run"), (2, "2 runs"), (12_000, "12,000 runs"), (1.5, "1.5 runs")],
)
def test_a_number_and_its_noun_agree(n: float, text: str) -> None:
    assert plural(n, "run") == text
    assert plural(1, "run has", "runs have") == "1 run has" and plural(3, "run has", "runs have") == "3 runs have"


@pytest.mark.parametrize(
    ("value", "text"),
    [(109.6, "110"), (99.7, "100"), (12_345, "12,000"), (0.034, "0.034"), (9.96, "10"), (-250, "-250")],
)
def test_numbers_are_written_without_powers_of_ten(value: float, text: str) -> None:
    assert format_number(value) == text


COUNTED = (
    "run", "checkpoint", "row", "seed", "file", "size", "item", "pair", "language", "revision", "concept", "question",
    "cell", "resample", "cube", "replicate", "result file", "process",
)  # fmt: skip
"""Nouns that messages count, of which there may be one."""
NOT_ONE = {
    "total_tokens // self.every": "above the most checkpoints that there may be",
    "dim": "no number: source or target",
    "_range(rows)": "a range, as text",
    "repeated.needed": "many more replicates than there were",
}
"""What stands before such a noun and is never one, each with the reason."""


def test_every_noun_that_a_message_counts_agrees_with_its_number() -> None:
    """A number in braces before a noun in the plural reads "1 runs": it is written by ``plural`` instead."""
    nouns = re.compile(rf"^ ({'|'.join(COUNTED)})(s|es)\b")
    found = []
    for file in (f for top in PACKAGES for f in sorted((ROOT / top).rglob("*.py"))):
        for text in ast.walk(ast.parse(file.read_text())):
            if not isinstance(text, ast.JoinedStr):
                continue
            for number, rest in itertools.pairwise(text.values):
                if not isinstance(number, ast.FormattedValue) or not isinstance(rest, ast.Constant):
                    continue
                code = ast.unparse(number.value)
                constant = code.split(".")[-1].isupper()
                if nouns.match(str(rest.value)) and not constant and code not in NOT_ONE:
                    found.append(f"{file.relative_to(ROOT)}:{number.lineno}: {{{code}}}{str(rest.value)[:30]}")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("values", "digits", "texts"),
    [
        ((2.7361, 2.73614, 2.7362), 4, ("2.73610", "2.73614", "2.73620")),
        ((2.736, 2.722, 2.761), 4, ("2.736", "2.722", "2.761")),
        ((1.0, None, 1.0), 3, ("1.00", "\N{EN DASH}", "1.00")),
        ((1.0, 1.0 + 1e-12, None), 3, ("1.000000", "1.000000", "\N{EN DASH}")),
    ],
)
def test_numbers_that_stand_together_are_told_apart(values: tuple[float], digits: int, texts: tuple[str]) -> None:
    assert format_numbers(*values, digits=digits) == texts
