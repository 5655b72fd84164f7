"""The scores of one model as it is, by the group of a cube that holds them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.models.ablations.strongest_heads import strongest_heads_ablated
from calque.models.ablations.word_scores import WordScores
from calque.models.components import source_attention
from calque.models.components.heads import PROBES as OF_HEADS
from calque.models.components.heads import named_table, probe_heads
from calque.models.components.probe import Probe
from calque.models.components.token_sets import TokenSet
from calque.models.config.probes import ABLATIONS, ACROSS, COMPONENTS, HEADS, LAYERS, WORD_HEADS
from calque.models.layers.layers import probe_layers
from calque.models.patching.copying_heads import PROBES as COPYING
from calque.models.patching.copying_heads import copying_heads
from calque.models.patching.function_vectors import PROBES as FUNCTION_VECTORS
from calque.models.patching.function_vectors import function_vectors
from calque.models.probing.asked import Asked
from calque.models.reading.parts import ModelParts
from calque.models.scoring.words import WordScorer
from calque.models.word_ablations.co_ablation import co_ablated
from calque.models.word_ablations.part_ablation import parts_ablated

ABOUT: dict[str, Probe] = {
    **OF_HEADS, source_attention.PROBE.name: source_attention.PROBE, **COPYING, **FUNCTION_VECTORS,
}  # fmt: skip
"""What each score of heads says of itself."""


def probe_model(
    parts: ModelParts, sets: Sequence[TokenSet], asked: Asked, probes: Collection[str] | None = None, *,
    words: WordScorer | None = None, context: int | None = None,
) -> dict[str, xr.Dataset]:  # fmt: skip
    """Return the scores of a model by group; probes that compare checkpoints are left out.

    Parameters
    ----------
    parts : ModelParts
    sets : sequence of TokenSet
        What prompts are drawn from.
    asked : Asked
    probes : collection of str, optional
        Some of those that are asked for; all when None.
    words : WordScorer, optional
        Knows the words and their tokens, which probes of layers need.
    context : int, optional
        Most tokens of a prompt, where the model has a bound.

    Raises
    ------
    UserError
        When probes of layers have no words, there are too few tokens, or a prompt does not fit into the budget.
    """
    chosen = [name for name in (asked.probes if probes is None else probes) if name not in ACROSS]
    found: dict[str, xr.Dataset] = {}
    tables = []
    if heads := [name for name in chosen if name in HEADS]:
        tables.append(probe_heads(parts, sets, heads, asked.heads))
    if asking := [name for name in chosen if name not in (*HEADS, "head_ablation")]:
        if words is None:
            raise UserError(
                f"`probes` has {asking[0]}, which needs words and their tokenizer; give the path of a model, or leave "
                "it out"
            )
        tables += [_of_words(parts, words, name, asked, context) for name in asking if name in WORD_HEADS]
        if layers := [name for name in asking if name in LAYERS]:
            tables.append(probe_layers(parts, words.task, words.encoding, layers, asked.layers))
    if tables:
        found[COMPONENTS] = xr.merge(tables, combine_attrs="no_conflicts")
    ablated, known = [], found.get(COMPONENTS, xr.Dataset())
    if "head_ablation" in chosen:
        ablated.append(strongest_heads_ablated(parts, sets[0], asked.heads, asked.ablations))
    if words is not None and {"part_ablation", "co_ablation"} & set(chosen):
        scores = WordScores(words.task, words.encoding, asked.ablations.concepts)
        if "part_ablation" in chosen:
            ablated.append(parts_ablated(parts, scores, asked.ablations))
        if "co_ablation" in chosen:
            deciding = _deciding(parts, sets, words, asked, context, known)
            ablated.append(co_ablated(parts, scores, deciding, asked.ablations))
    if ablated:
        found[ABLATIONS] = xr.merge(ablated, combine_attrs="drop_conflicts").assign_attrs(
            level=asked.ablations.level, instead=asked.ablations.instead
        )
    return found


def _deciding(
    parts: ModelParts, sets: Sequence[TokenSet], words: WordScorer, asked: Asked, context: int | None, known: xr.Dataset
) -> NDArray[np.float64]:
    """Return the scores of the type whose heads are taken away first, on the prompts that decide; those known if so."""
    name = asked.ablations.head_type
    if name in known:
        table = known
    elif name in HEADS:
        table = probe_heads(parts, sets, [name], asked.heads)
    else:
        table = _of_words(parts, words, name, asked, context)
    return np.asarray(table[f"{name}_deciding"].values, float)


def _of_words(parts: ModelParts, words: WordScorer, name: str, asked: Asked, context: int | None) -> xr.Dataset:
    """Return the scores of heads on word questions, with their names."""
    if name == "function_vector":
        tables = function_vectors(parts, words, asked.heads, context)
    elif name == "source_attention":
        tables = {name: source_attention.source_attention(parts, words, asked.heads)}
    else:
        tables = {name: copying_heads(parts, words, name, asked.heads)}
    return xr.merge(
        [named_table(ABOUT[one], table) for one, table in tables.items()], combine_attrs="no_conflicts"
    )  # fmt: skip
