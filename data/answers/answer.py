"""One item that a model was asked, and what it said."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LoggedAnswer:
    """One item and what a model made of it.

    Attributes
    ----------
    task : str
        words, nonce or minimal_pairs.
    source, target : str
        Codes of the languages; equal for invented words and minimal pairs.
    concept : str, optional
        Of a word question.
    phenomenon : str, optional
        Of a minimal pair.
    prompt : str
        What the model read, without the token that begins a document; empty for a minimal pair.
    expected : tuple of str
        Accepted answers, the headword first; of a minimal pair the good text.
    answer : str, optional
        What the model generated up to the sign that ends an answer; of a minimal pair the text it finds more probable.
        None where its numbers are not finite.
    outcome : str
        wrong, translated, copied, other_language; correct or wrong of a minimal pair; not_finite.
    expected_logprob, other_logprob : float, optional
        Log-probabilities in nats: of the accepted answers together and of the source word; of a minimal pair, of its
        good and its bad text. None where not computed or not finite.
    """

    task: str
    source: str
    target: str
    concept: str | None = None
    phenomenon: str | None = None
    prompt: str
    expected: tuple[str, ...]
    answer: str | None
    outcome: str
    expected_logprob: float | None = None
    other_logprob: float | None = None
