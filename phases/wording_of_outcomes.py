"""What each outcome means, in one sentence for the readers of a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from calque.data.command_line.naming import named
from calque.phases.results import DetectionReport, Outcome
from calque.phases.wording import OF_THE_RISE, outcome_words

MEANINGS = {
    Outcome.NONE: "no improvement (of lags: no lag) that noise does not explain, or one smaller than `rise`",
    Outcome.SMOOTH: "the score improves, and constant or diminishing returns explain it; a start three times later "
    "than its takeoff would have been seen (80 % power)",
    Outcome.NOT_ESTABLISHED: "neither a delayed start (of lags: a lag) nor its absence is shown; a place so marked is "
    "where the score passed the level",
    Outcome.NOT_SHARPLY_LOCATED: "the interval spans more than a factor of ten (of lags: of a hundred)",
    Outcome.CENSORED: "the place may lie before the first or after the last checkpoint",
    Outcome.METRIC_DEPENDENT: "the log-probability of the same items rises and shows no delayed start",
    Outcome.DECLINING: "the score mainly gets worse, so it has no takeoff",
    Outcome.NOISE_TOO_PERSISTENT: "growth cannot be told from noise that lasts as long as the run, so no place is "
    "given; this is no evidence against a transition",
    Outcome.MODEL_DOES_NOT_FIT: "the residuals contradict the fitted curve and its noise; the numbers are in doubt",
    Outcome.TOO_FEW_POINTS: "there are fewer checkpoints than the question needs",
    Outcome.NOT_CONVERGED: "the fit failed, so there is no answer",
}  # fmt: skip
"""Of every outcome but ``found``."""
WHERE_REASONS = "The reason of each answer stands in the report and in the JSON."
"""Where the sentence of a row of the terminal's table is found."""


def meanings(outcomes: Iterable[Outcome]) -> list[str]:
    """Return what the outcomes of a table mean, a sentence each.

    Parameters
    ----------
    outcomes : iterable of Outcome
        Those that the table shows, in any order and number.

    Returns
    -------
    list of str
        Such as ``Declining: the score mainly gets worse, so it has no takeoff.``; empty where all are ``found``.
    """
    seen = set(outcomes)
    return list(named(f"{outcome_words(o).capitalize()}: {text}." for o, text in MEANINGS.items() if o in seen))


def shown_outcomes(report: DetectionReport, estimands: Sequence[str]) -> set[Outcome]:
    """Return the outcomes that a table shows and that its legend does not explain already.

    Parameters
    ----------
    report : DetectionReport
        The results.
    estimands : sequence of str
        Columns of the table of transitions.
    """
    rows = [t for t in report.transitions if t.estimand in estimands]
    less = {t.without_outcome for t in rows if t.without_outcome is not None}
    told = {t.outcome for t in rows if t.outcome != Outcome.CENSORED or t.estimand not in OF_THE_RISE}
    return told | less | {lag.outcome for lag in report.lags}
