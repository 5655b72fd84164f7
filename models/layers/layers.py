"""All scores of the layers of one model, over depth: 0 is the embedding, d what d blocks have made of it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.tasks import WordTask
from calque.data.tokens.encoding import Encoding
from calque.data.words.overlap import NONE
from calque.data.words.properties import overlap
from calque.models.components.head_statistics import head_statistics
from calque.models.components.probe import Probe
from calque.models.layers.alignment import alignment
from calque.models.layers.lens import lens_scores
from calque.models.layers.linear import linear_probes
from calque.models.layers.patching import patching_scores
from calque.models.layers.settings import LayerSettings
from calque.models.layers.word_states import shared_concepts, word_states
from calque.models.reading.parts import ModelParts
from calque.models.scoring.selection import Selection
from calque.models.scoring.words import WordScorer

Array = NDArray[np.float64]
STATISTICS = {
    "low": "lower end of its interval over concepts", "high": "upper end of its interval over concepts",
    "control": "its control", "p_value": "p-value that it is not above its control",
    "p_adjusted": "this p-value adjusted over all depths",
}  # fmt: skip
_LENS = "nostalgebraist 2020; Wendler et al. 2024"
_PATCHED = "Dumas et al. 2025"
_OTHER, _REST = "the word of another concept", "the mean of the other languages"
_ROLES = {"target": "the target word", "source": "the source word", "pivot": "the English word"}
_MASSES = {"target": "the target language", "source": "the source language", "pivot": "English"}
SCORES: dict[str, Probe] = {
    **{f"lens_{role}": Probe(
        name=f"lens_{role}", about=f"log-probability of {about} by the logit lens", control=_OTHER, units="nat",
        kind="continuous", source=_LENS,
    ) for role, about in _ROLES.items()},
    **{f"lens_{role}_mass": Probe(
        name=f"lens_{role}_mass", about=f"probability of words of {about} by the logit lens", control=_REST, units="1",
        kind="proportion", source=_LENS,
    ) for role, about in _MASSES.items()},
    "alignment_neighbours": Probe(
        name="alignment_neighbours", about="share of nearest neighbours that translations have in common",
        control="concepts permuted", units="1", kind="proportion", source="Huh et al. 2024",
    ),
    "alignment_cka": Probe(
        name="alignment_cka", about="debiased CKA of translations", control="concepts permuted", units="1",
        kind="continuous", source="Kornblith et al. 2019; Murphy et al. 2024",
    ),
    "alignment_retrieval": Probe(
        name="alignment_retrieval", about="share of held-out words whose translation is the nearest",
        control="concepts permuted", units="1", kind="proportion", source="PLS; Wegelin 2000",
    ),
    "linear_language": Probe(
        name="linear_language", about="accuracy of a linear probe of the language on other concepts",
        control="labels permuted within each concept", units="1", kind="proportion", source="Hewitt and Liang 2019",
    ),
    "linear_concept": Probe(
        name="linear_concept", about="accuracy of a linear probe of the concept in another language",
        control="labels permuted within each language", units="1", kind="proportion", source="Hewitt and Liang 2019",
    ),
    "patching_concept": Probe(
        name="patching_concept", about="what patching adds to log p of another concept in the prompt's language",
        control="a third concept patched", units="nat", kind="continuous", source=_PATCHED,
    ),
    "patching_language": Probe(
        name="patching_language", about="what patching adds to log p of the prompt's concept in another language",
        control="a question patched that is answered in the prompt's language", units="nat", kind="continuous",
        source=_PATCHED,
    ),
}  # fmt: skip
"""The scores over depth, by name; a probe (lens, alignment, linear, patching) is those that begin with its name."""


def probe_layers(
    parts: ModelParts, task: WordTask, encoding: Encoding, probes: Collection[str], settings: LayerSettings
) -> xr.Dataset:
    """Return the scores of a model at every depth.

    Parameters
    ----------
    parts : ModelParts
    task : WordTask
        Its words.
    encoding : Encoding
    probes : collection of str
        Some of lens, alignment, linear, patching.
    settings : LayerSettings

    Returns
    -------
    xarray.Dataset
        Over (depth): each of ``SCORES``, and with its name before them what ``STATISTICS`` names.

    Raises
    ------
    UserError
        When there are too few concepts or languages.
    """
    found: dict[str, dict[str, Array]] = {}
    scorer = WordScorer(task, encoding, settings.concepts, Selection(tasks=("words",), limit=None, seed=0))
    if "lens" in probes:
        for name, (score, control) in lens_scores(parts, scorer).items():
            if np.isfinite(score + control).all(0).sum() >= 2:
                found[f"lens_{name}"] = _tested(score, control, settings.level)
    if "alignment" in probes:
        concepts = shared_concepts(task)
        at = [task.concepts.index(concept) for concept in concepts]
        apart = overlap(task, encoding)[:, :, at] == NONE
        states = word_states(parts, task, encoding, concepts)
        found |= {f"alignment_{name}": of for name, of in alignment(states, apart, settings).items()}
    if "linear" in probes:
        states = word_states(parts, task, encoding, shared_concepts(task, settings.concepts))
        for name, read in linear_probes(states, settings).items():
            decided = _tested(*read.decides, settings.level)
            tests = {one: decided[one] for one in ("p_value", "p_adjusted")}
            found[f"linear_{name}"] = _tested(read.score, read.control, settings.level) | tests
    if "patching" in probes:
        for name, (score, control) in patching_scores(parts, scorer, settings).items():
            found[f"patching_{name}"] = _tested(score, control, settings.level)
    return _dataset(found, len(parts.blocks) + 1, settings.level)


def _tested(score: Array, control: Array, level: float) -> dict[str, Array]:
    """Return the mean over concepts with interval and test; scores and controls are (depths, concepts)."""
    kept = np.isfinite(score + control).all(0)
    table = head_statistics(score[:, kept, None], control[:, kept, None], level=level)
    return {str(name): table[name].values[:, 0] for name in table.data_vars}


def _dataset(found: dict[str, dict[str, Array]], depths: int, level: float) -> xr.Dataset:
    out = xr.Dataset(coords={"depth": np.arange(depths)}, attrs={"level": level})
    for name, of in found.items():
        probe = SCORES[name]
        out[name] = ("depth",), of["score"], {
            "long_name": probe.about, "units": probe.units, "metric_kind": probe.kind, "control": probe.control,
            "source": probe.source,
        }  # fmt: skip
        for end, about in STATISTICS.items():
            units = "1" if end.startswith("p_") else probe.units
            out[f"{name}_{end}"] = ("depth",), of[end], {"long_name": f"{name}: {about}", "units": units}
    return out
