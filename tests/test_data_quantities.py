"""Counts as people write them."""

from __future__ import annotations

import pytest

from calque.data.quantities import format_count, parse_count


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
