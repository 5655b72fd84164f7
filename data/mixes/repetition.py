"""Whether mixes that are compared repeat their text unequally: what differs may then be due to repetition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MOST_RATIO = 1.25
"""Mixes whose repetition differs by more than this factor are not compared on equal terms."""


def repetition(epochs: Iterable[float]) -> float:
    """Return the epochs of the language that is repeated most; 1 where each is read once or in part.

    Parameters
    ----------
    epochs : iterable of float
        By language.
    """
    return max([1.0, *epochs])


def unequal(of_mix: Mapping[str, float]) -> str | None:
    """Return a sentence where mixes repeat their text unequally, None where they do not.

    Parameters
    ----------
    of_mix : mapping of str to float
        :func:`repetition` by mix.
    """
    if not of_mix:
        return None
    least, most = min(of_mix, key=lambda mix: of_mix[mix]), max(of_mix, key=lambda mix: of_mix[mix])
    if of_mix[most] <= MOST_RATIO * of_mix[least]:
        return None
    return (
        f"mixes are compared, and repetition differs: {most} reads a language {of_mix[most]:.3g} times, {least} none "
        f"more than {of_mix[least]:.3g} times"
    )
