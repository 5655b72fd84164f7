"""What is attributed to the languages of the training text while a run trains. Light to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calque.data.arguments import check_numbers
from calque.data.errors import UserError, nearest

TRANSLATION, COPYING = "translation", "copying"
TOLERANCE = 0.01
NEEDED = {"optimizer": "adamw", "precision": "32-true", "devices": 1}
"""Settings of training that it needs: the update is known by language for these alone."""


@dataclass(frozen=True, kw_only=True)
class AttributionConfig:
    """Which losses of words are attributed, and how often.

    Attributes
    ----------
    pairs : tuple of str
        ``translation``, all pairs of two languages; ``copying``, each language with itself; or single ones such as
        ``en-de`` and ``en-en``, source and target.
    concepts : int
        Ask the first so many concepts.
    clusters : int
        Groups of a pair's concepts, over which the interval is; 2 at least.
    every : int
        Steps of a segment of training, along which the gradient is integrated; 1 follows every step. Checkpoints end a
        segment too.
    tolerance : float
        Most difference of the sum of all parts from the change of a pair's loss along a segment, as a part of it: the
        gradient is read at more points until it is met.
    level : float
        Of the intervals.

    Raises
    ------
    UserError
        When one of them is impossible.
    """

    pairs: tuple[str, ...] = (TRANSLATION, COPYING)
    concepts: int = 12
    clusters: int = 3
    every: int = 100
    tolerance: float = TOLERANCE
    level: float = 0.95

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        check_numbers(self, {"concepts": 2, "clusters": 2, "every": 1})
        if not 0 < self.tolerance < 1:
            raise UserError(f"`tolerance` is {self.tolerance:g}; expected more than 0 and less than 1, such as 0.01")
        if not self.pairs or len(set(self.pairs)) < len(self.pairs):
            raise UserError(
                f"`pairs` is {list(self.pairs)}; expected {TRANSLATION}, {COPYING}, or pairs such as en-de, each once"
            )
        if self.clusters > self.concepts:
            raise UserError(f"`clusters` is {self.clusters}; expected at most `concepts`, {self.concepts}")

    def places(self, languages: Sequence[str]) -> dict[str, bool]:
        """Return the pairs of languages by name, and whether each was asked for by its name.

        Parameters
        ----------
        languages : sequence of str
            Codes.

        Raises
        ------
        UserError
            When a pair is not of these languages.
        """
        every = [f"{source}-{target}" for source in languages for target in languages]
        copying = {f"{code}-{code}" for code in languages}
        found: dict[str, bool] = {}
        for word in self.pairs:
            if word in (TRANSLATION, COPYING):
                found |= {pair: found.get(pair, False) for pair in every if (pair in copying) == (word == COPYING)}
            elif word in every:
                found[word] = True
            else:
                raise UserError(
                    f"`pairs` has '{word}'; expected {TRANSLATION}, {COPYING}, or source and target such as "
                    f"{every[min(1, len(every) - 1)]}{nearest(word, (TRANSLATION, COPYING, *every))}"
                )
        return {pair: found[pair] for pair in every if pair in found}


def check_training(**training: object) -> None:
    """Refuse settings of training under which an update is not known by language.

    Parameters
    ----------
    **training
        Those of ``NEEDED``, by name.

    Raises
    ------
    UserError
        Naming the first.
    """
    why = {
        "optimizer": "Muon's update is not linear in the gradients",
        "precision": "gradients rounded to bfloat16 do not sum to the batch's",
        "devices": "the buffers of each language are those of one process",
    }
    for name, needed in NEEDED.items():
        if training[name] != needed:
            raise UserError(
                f"training.attribution needs training.{name} {needed}, and it is {training[name]}: {why[name]}; change "
                "it, or leave attribution out"
            )
