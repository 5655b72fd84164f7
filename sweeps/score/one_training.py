"""Whether the names of revisions tell of one training, or of several whose positions would run into each other."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from calque.data.errors import UserError
from calque.data.quantities import parse_count
from calque.models.huggingface.config_file import brief

FIELD = re.compile(r"([^\W\d_]+)[-_.]?([0-9]+(?:\.[0-9]+)?[kKmMbBtT]?(?![^\W_]))?")
COUNTER = re.compile(
    r"(global|train|training)?(steps?|iters?|iterations?|tok|tokens?|checkpoint|ckpt|epochs?|ep|batch|updates?|samples?)"
)
HASH = re.compile(r"(?<![^\W_])(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{7,40}(?![^\W_])")
REMEDY = "score each training into a cube of its own with `revisions`, or give `positions` that count on"


def check_one_training(order: Sequence[str], names: Mapping[str, str]) -> None:
    """Refuse revisions whose names tell of several trainings at positions that run into each other.

    A word such as ``stage2`` that some revisions have stands at neighbouring positions in one training; its number
    rises along them. What counts along training (``step1000``) rises among revisions that share the other words.

    Parameters
    ----------
    order : sequence of str
        Revisions in the order of their positions.
    names : mapping of str to str
        The name of each without the part that gave its position.

    Raises
    ------
    UserError
        Naming two revisions and the word.
    """
    fields = {revision: _fields(names[revision]) for revision in order}
    labels = {found.words for found in fields.values()}
    alike = [[r for r in order if word in fields[r].words] for word in sorted({w for words in labels for w in words})]
    alike += [[r for r in order if fields[r].words == words] for words in sorted(labels, key=sorted)]
    for those in alike:
        between = [r for r in order[order.index(those[0]) : order.index(those[-1])] if r not in those]
        if between:
            raise UserError(
                f"'{brief(between[0], 40)}' would stand between '{brief(those[0], 40)}' and '{brief(those[-1], 40)}': "
                f"their names differ in more than the position, they are of different trainings; {REMEDY}"
            )
    last: dict[tuple[str, ...], tuple[str, float]] = {}
    for revision in order:
        found = fields[revision]
        for group, stem, value in found.numbers:
            before, most = last.get((*group, stem), (revision, value))
            if value < most:
                raise UserError(
                    f"'{brief(stem, 20)}' falls from '{brief(before, 40)}' to '{brief(revision, 40)}', which would "
                    f"stand later in training: they are of different trainings; {REMEDY}"
                )
            last[*group, stem] = (revision, value)


class _Fields:
    """Words of a name, such as ``stage2``, and its numbers: (words that must be equal, stem, value)."""

    def __init__(self, words: frozenset[str], counters: Sequence[tuple[str, float]]) -> None:
        self.words = words
        shared = tuple(sorted(words))
        self.numbers: list[tuple[tuple[str, ...], str, float]] = [(shared, stem, value) for stem, value in counters]
        for word in words:
            stem, value = _parted(word)
            if value is not None:
                self.numbers.append(((), stem, value))


def _fields(name: str) -> _Fields:
    words: set[str] = set()
    counters: list[tuple[str, float]] = []
    for found in FIELD.finditer(HASH.sub("", name.lower())):
        stem, value = _parted(found[0])
        if COUNTER.fullmatch(stem):
            counters += [(stem, value)] if value is not None else []
        else:
            words.add(found[0])
    return _Fields(frozenset(words), counters)


def _parted(word: str) -> tuple[str, float | None]:
    found = FIELD.fullmatch(word)
    if found is None or found[2] is None:
        return word, None
    return found[1], float(parse_count(found[2]))
