"""All scores of the heads of one model: one forward pass of some prompts serves the probes that need them.

Half of the prompts (of the tokens, for a probe of weights alone) decides what a head is: control, p-values and adjusted
p-values are of it. The other half measures it: score and interval are of that. So a score of heads that were chosen for
it is not too high because they were chosen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from calque.models.components import ov_copying, prefix_matching, previous_token
from calque.models.components.head_settings import DEFAULT, HeadSettings
from calque.models.components.head_statistics import against_random_heads, head_statistics
from calque.models.components.probe import Probe
from calque.models.components.random_phases import NEEDS, patterns_of_random_phases, random_phases
from calque.models.components.repeated_tokens import repeated_tokens
from calque.models.components.token_sets import TokenSet
from calque.models.config.probes import HEADS, checked_probes
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET, read

PROBES: dict[str, Probe] = {probe.name: probe for probe in (
    previous_token.PROBE, prefix_matching.PROBE, ov_copying.PROBE,
)}  # fmt: skip
"""The probes of heads, by name."""
STATISTICS = {
    "low": "lower end of its interval over prompts",
    "high": "upper end of its interval over prompts",
    "deciding": "the same on the prompts that decide",
    "control": "its control on these prompts",
    "p_value": "p-value that it is not above its control",
    "p_adjusted": "this p-value adjusted over all heads (Benjamini and Yekutieli 2001)",
}
Array = NDArray[np.float64]
_Scores = dict[str, Array]


def probe_heads(
    parts: ModelParts, sets: Sequence[TokenSet], probes: Collection[str] = tuple(PROBES),
    settings: HeadSettings = DEFAULT, *, budget: int = BUDGET,
) -> xr.Dataset:  # fmt: skip
    """Return scores of every head.

    Parameters
    ----------
    parts : ModelParts
    sets : sequence of TokenSet
        Prompts are drawn from each in turn.
    probes : collection of str
        Some of ``PROBES``.
    settings : HeadSettings
    budget : int
        Bytes that a batch of prompts may take.

    Returns
    -------
    xarray.Dataset
        Over (layer, head): each probe, and with its name before them what ``STATISTICS`` names; over (layer, head,
        prompt) ``_by_prompt``, for probes that have prompts.

    Raises
    ------
    UserError
        When there are too few tokens, or a prompt does not fit into the budget.
    """
    names = [name for name in HEADS if name in checked_probes(probes)]
    seeds = np.random.SeedSequence(settings.seed).spawn(3)
    prompts, phases, weights = (np.random.default_rng(seed) for seed in seeds)
    found: dict[str, xr.Dataset] = {}
    if "previous_token" in names or "prefix_matching" in names:
        found |= _of_prompts(parts, sets, names, settings, (prompts, phases), budget)
    if "ov_copying" in names:
        found["ov_copying"] = _of_weights(parts, sets, settings, weights)
    return xr.merge(
        [named_table(PROBES[name], found[name]) for name in names], combine_attrs="no_conflicts"
    ).assign_attrs(level=settings.level)


def named_table(probe: Probe, table: xr.Dataset) -> xr.Dataset:
    """Return a table with the probe's name before the names of its variables, and what they are.

    Parameters
    ----------
    probe : Probe
    table : xarray.Dataset
        Over (layer, head): ``score`` and what ``STATISTICS`` names.
    """
    out = table.rename({name: probe.name if name == "score" else f"{probe.name}_{name}" for name in table.data_vars})
    out[probe.name].attrs = {
        "long_name": probe.about, "units": probe.units, "metric_kind": probe.kind, "control": probe.control,
        "source": probe.source,
    }  # fmt: skip
    for name, about in STATISTICS.items():
        units = "1" if name.startswith("p_") else probe.units
        out[f"{probe.name}_{name}"].attrs = {"long_name": f"{probe.name}: {about}", "units": units}
    if "lines" in table:
        out[f"{probe.name}_lines"].attrs = {"long_name": f"{probe.name}: complete lines of a prompt", "units": "1"}
    if "by_prompt" in table:
        out[f"{probe.name}_by_prompt"].attrs = {"long_name": f"{probe.about}, of each prompt", "units": probe.units}
    return out


def _of_prompts(
    parts: ModelParts, sets: Sequence[TokenSet], names: Collection[str], settings: HeadSettings,
    generators: tuple[np.random.Generator, np.random.Generator], budget: int,
) -> dict[str, xr.Dataset]:  # fmt: skip
    """Return the tables of the probes that look at attention on repeated tokens."""
    prompts, controls = _drawn(sets, settings, generators[0])
    half, begins = settings.prompts // 2, sets[0].begin is not None
    phases = random_phases(parts, settings.draws, generators[1]) if "previous_token" in names else None

    def scores(prompts: list[list[int]], names: Collection[str], phases: torch.Tensor | None = None) -> _Scores:
        return _attended(parts, prompts, names, settings.half, begins, phases, budget)

    deciding, measured = scores(prompts[:half], names, phases), scores(prompts[half:], names)
    found = {}
    if "previous_token" in names:
        judged = against_random_heads(deciding["previous_token"], deciding["random"], level=settings.level)
        found["previous_token"] = _measured(measured["previous_token"], judged)
    if "prefix_matching" in names:
        matched = scores(controls[:half], ["prefix_matching"])["prefix_matching"]
        judged = head_statistics(deciding["prefix_matching"], matched, level=settings.level)
        found["prefix_matching"] = _measured(measured["prefix_matching"], judged)
    return found


def _attended(
    parts: ModelParts, prompts: list[list[int]], names: Collection[str], length: int, begins: bool,
    phases: torch.Tensor | None, budget: int,
) -> _Scores:  # fmt: skip
    """Return scores of prompts, each (layers, prompts, heads), and those of random heads (draws, ...) for phases.

    The previous token is looked for in the first half, where no token has been said before.
    """
    shape = (len(parts.blocks), len(prompts), parts.heads)
    found = {name: np.empty(shape) for name in names}
    if phases is not None:
        found["random"] = np.empty((len(phases), *shape))
    later, first = prefix_matching.second_half(length, begins), length + begins
    chosen = [*range(first if "previous_token" in names else 0), *(later if "prefix_matching" in names else ())]
    needs = ("patterns",) if phases is None else ("patterns", *NEEDS)
    for reading in read(parts, prompts, needs, positions=[chosen] * len(prompts), budget=budget):
        patterns, at = reading.patterns, reading.prompts
        assert patterns is not None
        if "previous_token" in names:
            back = patterns[..., :first, :first]
            found["previous_token"][:, at] = _plain(previous_token.previous_token(back, int(begins)))
        if "prefix_matching" in names:
            second = patterns[..., -len(later) :, :]
            found["prefix_matching"][:, at] = _plain(prefix_matching.prefix_matching(second, length, begins))
        for draw, turned in enumerate(
            () if phases is None else patterns_of_random_phases(parts, reading, phases, first)
        ):
            found["random"][draw][:, at] = _plain(previous_token.previous_token(turned, int(begins)))
    return found


def _drawn(
    sets: Sequence[TokenSet], settings: HeadSettings, generator: np.random.Generator
) -> tuple[list[list[int]], list[list[int]]]:
    """Return prompts and controls, drawn from the sets in turn."""
    prompts, controls = [], []
    for i in range(settings.prompts):
        of = sets[i % len(sets)]
        one, other = repeated_tokens(of.tokens, settings.half, 1, generator, of.begin)
        prompts += one
        controls += other
    return prompts, controls


def _measured(scores: Array, judged: xr.Dataset) -> xr.Dataset:
    """Return a table whose score and interval are those of other prompts (layers, prompts, heads) than the rest."""
    found = head_statistics(scores, scores, level=judged.attrs["level"])
    by_prompt = (("layer", "head", "prompt"), scores.transpose(0, 2, 1).astype(np.float32))
    return judged.assign({
        **{name: found[name] for name in ("score", "low", "high")}, "deciding": judged["score"], "by_prompt": by_prompt,
    })  # fmt: skip


def _of_weights(
    parts: ModelParts, sets: Sequence[TokenSet], settings: HeadSettings, generator: np.random.Generator
) -> xr.Dataset:
    tokens = np.unique([token for one in sets for token in one.tokens])
    chosen = generator.permutation(tokens)[: settings.tokens]
    half = len(chosen) // 2
    return ov_copying.ov_copying(
        parts, chosen[half:].tolist(), generator, deciding=chosen[:half].tolist(), draws=settings.draws,
        level=settings.level,
    )  # fmt: skip


def _plain(x: torch.Tensor) -> Array:
    return np.asarray(x.double().cpu())
