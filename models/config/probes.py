"""The probes by name, and the group of a cube that holds the scores of each. Light to import."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from calque.data.errors import UserError, nearest

COMPONENTS, ABLATIONS = "components", "ablations"
"""Groups of a cube."""
HEADS = ("previous_token", "prefix_matching", "ov_copying")
WORD_HEADS = ("source_attention", "token_copying", "concept_copying", "function_vector")
"""Probes of heads that need words."""
LAYERS = ("lens", "alignment", "linear", "patching")
ACROSS = ("swaps", "scaling", "allocation")
"""Probes that compare checkpoints with one another."""
PROBES: dict[str, tuple[str, ...]] = {
    COMPONENTS: (*HEADS, *WORD_HEADS, *LAYERS),
    ABLATIONS: ("head_ablation", "part_ablation", "co_ablation", *ACROSS),
}
"""The probes of each group."""
SETS: dict[str, tuple[str, ...]] = {
    "heads": HEADS,
    "word_heads": WORD_HEADS,
    "layers": LAYERS,
    "ablations": PROBES[ABLATIONS],
}
"""Names for several probes."""
MARKS = {
    "lens": "lens_target",
    "alignment": "alignment_cka",
    "linear": "linear_language",
    "patching": "patching_concept",
}
"""The variable that shows that a probe was done, where it has another name."""
NAMES = tuple(name for names in PROBES.values() for name in names)


def scores_of_heads(probes: Collection[str]) -> tuple[str, ...]:
    """Return the names of the scores of those of the ``probes`` that are of heads."""
    further = {"function_vector": ("function_vector_probability",)}
    return tuple(one for name in probes if name in (*HEADS, *WORD_HEADS) for one in (name, *further.get(name, ())))


def checked_probes(probes: str | Collection[str]) -> tuple[str, ...]:
    """Return names of probes, each once, in the order of ``NAMES``.

    Parameters
    ----------
    probes : str or collection of str
        Names with commas between, or a collection; ``heads``, ``word_heads``, ``layers`` and ``ablations`` are all of
        their kind.

    Raises
    ------
    UserError
        For an unknown one, or none.
    """
    words = (*SETS, *NAMES)
    given = [name.strip() for name in (probes.split(",") if isinstance(probes, str) else probes) if name.strip()]
    for name in given:
        if name not in words:
            raise UserError(f"`probes` has '{name}'; expected some of {', '.join(words)}{nearest(name, words)}")
    if not given:
        raise UserError(f"`probes` is empty; expected some of {', '.join(words)}")
    chosen = {one for name in given for one in SETS.get(name, (name,))}
    return tuple(name for name in NAMES if name in chosen)


def probes_in_training(probes: Collection[str]) -> tuple[str, ...]:
    """Return names of probes of a model while it trains, as :func:`checked_probes` does.

    Parameters
    ----------
    probes : collection of str

    Raises
    ------
    UserError
        For an unknown one, none, or one that compares checkpoints.
    """
    chosen = checked_probes(probes)
    for name in chosen:
        if name in ACROSS:
            raise UserError(
                f"'{name}' compares checkpoints, which are there when training is done; leave it out, and run sweeps "
                f"probe on the run afterwards, with {name} among its `probes`"
            )
    return chosen


def of_group(group: str, probes: Collection[str]) -> tuple[str, ...]:
    """Return those of the ``probes`` whose scores are in a ``group``."""
    return tuple(name for name in PROBES[group] if name in probes)


def done(variables: Iterable[object]) -> set[str]:
    """Return the names of the probes whose ``variables`` these are."""
    there = {str(name) for name in variables}
    return {name for name in NAMES if MARKS.get(name, name) in there}
