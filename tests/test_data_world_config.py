"""Impossible simulated worlds are refused in one line."""

import pytest

from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.corpus import World
from calque.data.errors import UserError
from tests.worlds import SMALL


@pytest.mark.parametrize(
    "change, words",
    [
        ({"languages": 1}, "languages is 1; expected 2 or more"),
        ({"languages": 100}, "languages is 100; expected at most 99"),
        ({"languages": 2.5}, "languages is 2.5; expected a whole number"),
        ({"coverage": 1.2}, "coverage is 1.2; expected a value from 0 to 1"),
        ({"coverage": "high"}, "coverage is 'high'; expected a number"),
        ({"coverage": float("nan")}, "coverage is nan"),
        ({"zipf": -1}, "zipf is -1"),
        ({"names": True}, "names is True"),
        ({"syllables": 51}, "syllables is 51; expected at most 50"),
        ({"syllables": 20}, "20 syllables give 400; expected syllables of 26 or more"),
        ({"glossary_share": 1.1}, "glossary_share is 1.1; expected a value from 0 to 1"),
        ({"shuffled": 1}, "shuffled is 1; expected true or false"),
        ({"sentences": 1000}, "documents would have 14002 tokens"),
        ({"train_tokens": 0}, "train_tokens is 0"),
    ],
)
def test_an_impossible_world_is_refused_in_one_line(change, words):
    with pytest.raises(UserError) as error:
        WorldConfig(**change)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "shares, words",
    [
        ({"w1": 0.5, "w5": 0.5}, "unknown language 'w5'"),
        ({"w1": 0.5, "w2": 0.4}, "sum to 0.9"),
        ({"w1": 1.5, "w2": -0.5}, "non-negative"),
        ({"w1": 1.0}, "only w1 has a share"),
    ],
)
def test_impossible_shares_are_refused(shares, words):
    with pytest.raises(UserError, match=words):
        World(SMALL, shares=shares)
