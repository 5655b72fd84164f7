"""The metrics that are known by name: what scoring writes, analyses ask about, and pictures show.

A new metric is one entry here, plus what scores its variables. Every other place reads this registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ItemRule = Literal["same_word", "different_word", "no_shared_token", "no_shared_token_paired"]
"""Items (source, target, concept) that a metric is about, distinguished by the words and by the run's tokenizer.

same_word: the prompt asks for the word in its own language, or both languages have the identical word.
different_word: two languages whose words differ.
no_shared_token: two languages whose words have no token in common; where the cube knows ``exposure``, and some of
these items were never paired in training (as an entry: aligned lines that hold both words are none), those alone.
no_shared_token_paired: the same, paired in training.
"""

ITEM_DIMS = ("source", "target", "concept")
VARIABLES: dict[str, tuple[str, ...]] = {
    "loss": ("language",),
    "bits_per_byte": ("language",),
    "loss_new_bigram": ("language",),
    "loss_repeated_bigram": ("language",),
    "translation_outcome": ITEM_DIMS,
    "translation_logprob": ITEM_DIMS,
    "copy_logprob": ITEM_DIMS,
    "nonce_copied": ("language",),
    "nonce_total": ("language",),
    "minimal_pair_correct": ("language", "phenomenon"),
    "minimal_pair_total": ("language", "phenomenon"),
}
"""Variables that are scored at every checkpoint, with their dimensions after run and checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric.

    Attributes
    ----------
    name : str
        As users type it.
    about : str
        One sentence.
    label : str
        Title of its axis, with the unit.
    variables : tuple of str
        Variables of the cube that it needs. Of a count that is stored as such: successes, then trials.
    metric_kind : {"count", "continuous"}
        Successes out of trials, or a mean.
    items : str, optional
        Its items, see :data:`ItemRule`; None where it is stored as it is.
    success : {"translated", "copied"}, optional
        Outcome of an item that counts as success; None where outcomes do not decide.
    logprob : str, optional
        The continuous metric of the same items that a transition is checked against.
    standard : bool
        Whether it is analysed when no metric is named.
    headline : bool
        Whether pictures show it first.
    lag_from : tuple of str
        Metrics whose takeoff its own is compared with.
    overtakes : str, optional
        Metric that it overtakes at the crossover.
    colour : str, optional
        ``#rrggbb`` in pictures.
    """

    name: str
    about: str
    label: str
    variables: tuple[str, ...]
    metric_kind: Literal["count", "continuous"]
    items: ItemRule | None = None
    success: Literal["translated", "copied"] | None = None
    logprob: str | None = None
    standard: bool = False
    headline: bool = False
    lag_from: tuple[str, ...] = ()
    overtakes: str | None = None
    colour: str | None = None

    @property
    def is_count_of_items(self) -> bool:
        """Whether it counts outcomes of single items."""
        return self.success is not None


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="copying", label="copying", colour="#d58a00", metric_kind="count", standard=True, headline=True,
            about="Answers that are the word itself, where the word stays the same.",
            variables=("translation_outcome",), items="same_word", success="translated",
        ),
        Metric(
            name="nonce_copying", label="copying of invented words", colour="#9a7b2f", metric_kind="count",
            standard=True, about="Invented words that are repeated after a same-language prompt.",
            variables=("nonce_copied", "nonce_total"),
        ),
        Metric(
            name="false_copying", label="false copying", colour="#d6456b", metric_kind="count", standard=True,
            headline=True, about="Answers that copy the source word where the target word differs.",
            variables=("translation_outcome",), items="different_word", success="copied", logprob="copy_logprob",
        ),
        Metric(
            name="translation", label="translation, no shared token, never paired", colour="#2f86e0",
            metric_kind="count", standard=True, headline=True,
            about="Correct translations where the two words share no token.",
            variables=("translation_outcome",), items="no_shared_token", success="translated",
            logprob="translation_logprob", lag_from=("copying", "false_copying", "nonce_copying"),
            overtakes="false_copying",
        ),
        Metric(
            name="translation_paired", label="translation, no shared token, paired in training", colour="#2aa198",
            metric_kind="count", standard=True,
            about="Correct translations where the two words share no token and training text pairs them.",
            variables=("translation_outcome", "exposure"), items="no_shared_token_paired", success="translated",
        ),
        Metric(
            name="translation_logprob", label="log p(target word), nat", colour="#2f86e0", metric_kind="continuous",
            standard=True, about="Mean log-probability of the target word, over the items of translation.",
            variables=("translation_logprob",), items="no_shared_token",
        ),
        Metric(
            name="copy_logprob", label="log p(source word), nat", colour="#d6456b", metric_kind="continuous",
            standard=True, about="Mean log-probability of the source word, over the items of false copying.",
            variables=("copy_logprob",), items="different_word",
        ),
        Metric(
            name="loss", label="held-out loss, nat/token", metric_kind="continuous",
            about="Cross-entropy on held-out text.", variables=("loss",),
        ),
        Metric(
            name="bits_per_byte", label="held-out bits/byte", metric_kind="continuous",
            about="Cross-entropy on held-out text per byte, comparable between tokenizers.",
            variables=("bits_per_byte",),
        ),
        Metric(
            name="loss_new_bigram", label="held-out loss, new bigrams, nat/token", metric_kind="continuous",
            about="Cross-entropy on held-out tokens whose bigram has not occurred in the context.",
            variables=("loss_new_bigram",),
        ),
        Metric(
            name="loss_repeated_bigram", label="held-out loss, repeated bigrams, nat/token", metric_kind="continuous",
            about="Cross-entropy on held-out tokens whose bigram has occurred in the context.",
            variables=("loss_repeated_bigram",),
        ),
        Metric(
            name="minimal_pair_correct", label="minimal pairs", metric_kind="count",
            about="Minimal pairs whose grammatical member is the more probable one.",
            variables=("minimal_pair_correct", "minimal_pair_total"),
        ),
    )
}  # fmt: skip
"""All metrics by name, the standard set first and in the order of reports."""

STANDARD = tuple(name for name, m in METRICS.items() if m.standard)
"""What is analysed when no metric is named."""
HEADLINE = tuple(name for name, m in METRICS.items() if m.headline)
"""What pictures show first."""
COUNTED = tuple(name for name in STANDARD if METRICS[name].metric_kind == "count")
"""Standard metrics that are counts."""
ITEM_COUNTS = tuple(name for name, m in METRICS.items() if m.is_count_of_items)
"""Metrics that count outcomes of single items."""
ITEM_LOGPROBS = tuple(name for name, m in METRICS.items() if m.items is not None and not m.is_count_of_items)
"""Metrics that are mean log-probabilities of single items."""
LOSSES = ("loss", "bits_per_byte")
"""Metrics of held-out text, the first that a cube has being shown."""
LOGPROB_OF = {name: m.logprob for name, m in METRICS.items() if m.logprob is not None}
"""The continuous metric that a transition of a metric is checked against."""
TRIALS_OF = {m.variables[0]: m.variables[1] for m in METRICS.values() if m.metric_kind == "count" and m.items is None}
"""The variable of trials of every stored variable of successes."""
STORED_AS = {name: m.variables[0] for name, m in METRICS.items() if m.items is None}
"""The variable that holds a metric which is stored as it is."""
LAGS = tuple((first, name) for name, m in METRICS.items() for first in m.lag_from)
"""Pairs of metrics whose takeoffs are compared: (first, second)."""
CROSSOVERS = tuple((m.overtakes, name) for name, m in METRICS.items() if m.overtakes is not None)
"""Pairs of metrics of which the second overtakes the first."""
COLOURS = {name: m.colour for name, m in METRICS.items() if m.colour is not None}
"""Colours of metrics in pictures."""
