"""What the parts of a model do, in memory or at its checkpoints: the function behind ``sweeps probe``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from calque.data.arguments import checked
from calque.data.errors import UserError
from calque.models.ablations.settings import AblationSettings, numbers
from calque.models.components.head_settings import HeadSettings
from calque.models.components.token_sets import tokens_of_model
from calque.models.config.probes import ACROSS, checked_probes
from calque.models.layers.settings import LayerSettings
from calque.models.probing.asked import Asked
from calque.models.probing.one_model import probe_model
from calque.models.reading.families import model_parts
from calque.sweeps.api.probed import ProbedCheckpoints, ProbedModel
from calque.sweeps.probe.opening import open_probed
from calque.sweeps.probe.probing import probe_revisions
from calque.sweeps.score.display import ScoreDisplay
from calque.sweeps.score.opening import open_positions
from calque.sweeps.score.positions import place_revisions
from calque.sweeps.score.sources import FolderSource, choose_revisions, open_source
from calque.sweeps.score.trained_run import TrainedRunSource


@checked
def probe(
    model: object, *, output: str | os.PathLike[str] | None = None, probes: str | Sequence[str] = "heads",
    revisions: str | None = None, pattern: str | None = None, tokens_per_step: float | str | None = None,
    positions: str | os.PathLike[str] | None = None, languages: str | Sequence[str] | None = None,
    tokenizer: str | os.PathLike[str] | None = None, prompts: int = 32, length: int | None = None, draws: int = 199,
    concepts: int = 24, checkpoints: int = 4, ranges: str | int = "4", factors: str | Sequence[float] = "0,0.5,1.5",
    instead: str = "resample", head_type: str = "prefix_matching", level: float = 0.95, seed: int = 0,
    name: str | None = None, device: str = "auto", dtype: str = "auto",
    anonymous: bool = False, vocabulary: Sequence[int] | None = None, begin: int | None = None,
) -> ProbedModel | ProbedCheckpoints:  # fmt: skip
    """Score what the parts of a model do, and what breaks when they are taken away or exchanged.

    Parameters
    ----------
    model : model in memory, str or path
        A decoder of Calque or a causal language model of ``transformers``; or what ``calque.score`` takes: a folder
        with a model or with one in each of its folders, a run of Calque, or ``OWNER/NAME`` on the hub.
    output : path, optional
        The cube whose groups ``components`` and ``ablations`` are written or resumed; needed for what is not in memory.
        A cube that ``calque.score`` wrote keeps all else. The cube of a run of Calque gets all that the run's own has.
    probes : str or sequence of str
        ``heads`` (previous_token, prefix_matching, ov_copying), ``word_heads`` (source_attention, token_copying,
        concept_copying, function_vector), ``layers`` (lens, alignment, linear, patching), ``ablations`` (head_ablation,
        part_ablation, co_ablation, swaps, scaling, allocation), or some of these, in a text with commas between.
    revisions, pattern, tokens_per_step, positions : optional
        Which checkpoints, and where in training they stand, as for ``calque.score``.
    languages : str or sequence of str, optional
        Codes of the languages whose words give the tokens of prompts; all nine when None.
    tokenizer : path, optional
        Folder with a ``tokenizer.json`` for all revisions; their own when None.
    prompts : int
        Prompts of random tokens said twice; half decides what a head is, half measures it.
    length : int, optional
        Tokens that are said twice in a prompt; prompts with lines of answers have twice as many and one at most. None
        is 24, and such prompts may then be as long as two lines need, the context of the model at most.
    draws : int
        Random heads for each head, and permutations of concepts.
    concepts : int
        Concepts whose words are asked in all pairs of languages: by the lens, by linear probes, by ablations.
    checkpoints : int
        Checkpoints that are swapped with one another, evenly spaced among ``revisions``; at the last of them components
        are scaled, from the first on.
    ranges : str or int
        Blocks that are swapped together, such as ``0-3,4-7``; a number is so many ranges of equal size.
    factors : str or sequence of float
        Of a component's update since the first checkpoint; 0 rewinds it.
    instead : str
        What heads and parts give that are taken away: ``resample`` (that of another prompt), ``mean`` (of others), or
        ``zero``, which later parts have never seen.
    head_type : str
        Co-ablation: the score whose highest heads are taken away before others are, such as concept_copying.
    level : float
        Of the intervals.
    seed : int
        Chooses prompts, random heads and tokens; the same at every checkpoint.
    name : str, optional
        Name of the run in a new cube; the model's when None.
    device : str
        auto, cpu, cuda, cuda:1, ...
    dtype : str
        auto, float32, bfloat16 or float16; auto is float32 on a CPU, else bfloat16. What is read is float32.
    anonymous : bool
        Leave out of a new cube what tells its maker: environment, absolute paths, addresses.
    vocabulary : sequence of int, optional
        Of a model in memory: tokens that prompts are drawn from, such as those of words; all of its embedding when
        None.
    begin : int, optional
        Of a model in memory: the token that begins a text.

    Returns
    -------
    ProbedModel or ProbedCheckpoints
        The first for a model in memory.

    Raises
    ------
    UserError
        When the architecture is of no known family, no revision has a position or could be probed, the output is of
        another model or other settings, or an argument makes no sense.
    """
    chosen = checked_probes(probes)
    asked = Asked(
        probes=chosen,
        heads=HeadSettings(prompts=prompts, length=length, draws=draws, level=level, seed=seed),
        layers=LayerSettings(concepts=concepts, draws=draws, level=level, seed=seed),
        ablations=AblationSettings(
            concepts=concepts, checkpoints=checkpoints, ranges=str(ranges), factors=numbers(factors), level=level,
            seed=seed, instead=instead, head_type=head_type,  # type: ignore[arg-type]
        ),
    )  # fmt: skip
    where = {
        "output": output, "revisions": revisions, "pattern": pattern, "tokens_per_step": tokens_per_step,
        "positions": positions, "languages": languages, "tokenizer": tokenizer, "name": name,
    }  # fmt: skip
    if not isinstance(model, str | os.PathLike):
        _refuse(where, "goes with checkpoints, and `model` is one in memory")
        if across := [name for name in chosen if name in ACROSS]:
            raise UserError(
                f"`probes` has {across[0]}, which compares checkpoints, and `model` is one in memory; leave it out"
            )
        parts = model_parts(model)
        sets = tokens_of_model(parts, vocabulary, begin)
        return ProbedModel(groups=probe_model(parts, sets, asked), probes=chosen)
    _refuse({"vocabulary": vocabulary, "begin": begin}, "goes with a model in memory; checkpoints have tokenizers")
    if output is None:
        raise UserError("`output` is missing; expected the cube to write, such as 'probed.nc'")
    source = open_source(model)
    names, named = choose_revisions(source, revisions)
    placing = open_positions(pattern, tokens_per_step, positions)
    if isinstance(source, TrainedRunSource):
        own = {name: where[name] for name in ("pattern", "positions", "languages", "tokenizer", "name")}
        _refuse(own, f"is recorded by '{model}', a run of Calque")
        placing = source
    order, left_out = place_revisions(names, placing, named)
    subject = open_probed(source, languages=languages, tokenizer=tokenizer, output=output, device=device, dtype=dtype)
    with ScoreDisplay(len(order)) as display:
        probed = probe_revisions(source, subject, order, output, name or source.name, asked, display, anonymous)
    final = source.final if isinstance(source, FolderSource) else None
    return ProbedCheckpoints(probed=probed, probes=chosen, left_out=tuple(left_out), final=final)


def _refuse(given: dict[str, Any], why: str) -> None:
    for name, value in given.items():
        if value is not None:
            raise UserError(f"`{name}` {why}; leave it out")
