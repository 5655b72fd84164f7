"""The model whose revisions are probed, with the words whose tokens are used."""

from __future__ import annotations

import os
from collections.abc import Sequence

from calque.models.scoring.selection import EVERYTHING, Selection
from calque.sweeps.score.opening import open_subject
from calque.sweeps.score.questions import NO_TEXT
from calque.sweeps.score.scored_model import ScoredModel
from calque.sweeps.score.sources import RevisionSource
from calque.sweeps.score.trained_run import TrainedRunSource


def open_probed(
    source: RevisionSource, *, languages: str | Sequence[str] | None, tokenizer: str | os.PathLike[str] | None,
    output: str | os.PathLike[str], device: str, dtype: str,
) -> ScoredModel:  # fmt: skip
    """Return the model whose revisions are probed; a run of Calque has its own words, others have all in one wording.

    Parameters
    ----------
    source : RevisionSource
        Where its revisions are.
    languages : str or sequence of str, optional
        Codes of the languages of the words; all when None.
    tokenizer : path, optional
        Folder with the tokenizer of all revisions.
    output : path
        The cube, whose tokenizer has to be the same where it exists.
    device, dtype : str
        Where and in which precision the model computes.

    Raises
    ------
    UserError
        When a setting is impossible.
    """
    own = isinstance(source, TrainedRunSource)
    selection = EVERYTHING if own else Selection(tasks=("words",), limit=None, seed=0)
    return open_subject(
        source, {}, languages=languages, heldout=None if own else NO_TEXT, tokenizer=tokenizer, output=output,
        device=device, dtype=dtype, selection=selection, log=None,
    )  # fmt: skip
