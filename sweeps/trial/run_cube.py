"""The part of a run's cube that no checkpoint changes."""

from __future__ import annotations

import json
import math

import torch
import xarray as xr

from calque.data.shards.opening import OpeningSampler
from calque.data.shards.sampler import Sampler
from calque.data.version import code_version
from calque.data.words.properties import item_properties
from calque.models.config.sizes import DecoderConfig
from calque.models.scoring.scorer import Scorer
from calque.sweeps.plan.repetition import epochs
from calque.sweeps.prepare.known_text import text_of_shards
from calque.sweeps.prepare.prepare import RunData
from calque.sweeps.study.run_config import RunConfig


def static_part(
    config: RunConfig, data: RunData, *, sampler: Sampler | OpeningSampler, decoder: DecoderConfig, scorer: Scorer,
    study_yaml: str = "",
) -> xr.Dataset:  # fmt: skip
    """Return coordinates, the properties of the scored words, and where the run comes from.

    Parameters
    ----------
    config : RunConfig
    data : RunData
        The run's data.
    sampler : Sampler or OpeningSampler
        Of the training batches: the cube tells how many sequences of each language they take.
    decoder : DecoderConfig
        The shape of the model that is trained.
    scorer : Scorer
        Of its checkpoints.
    study_yaml : str
        The study file's text.

    Returns
    -------
    xarray.Dataset
        Dimension ``run`` of length 1, without ``checkpoint``.
    """
    task, mix, shards = data.task, data.mix, data.shards
    text = text_of_shards(shards, task.languages)
    read = epochs(config, text)
    languages, concepts = list(task.languages), list(task.concepts)
    per_run = {
        "size": config.size, "n_params": decoder.n_params,
        "n_params_non_embedding": decoder.n_params_non_embedding, "corpus": config.corpus, "mix": mix.name,
        "template": task.template,
        "init_seed": config.init_seed, "data_seed": config.data_seed, "run_id": config.run_id,
        "config_json": json.dumps(config.to_dict(), sort_keys=True), "torch_version": torch.__version__,
        "shards_sha256": shards.sha256, "tokenizer_sha256": shards.tokenizer_sha256,
        "rows_json": json.dumps(sampler.drawn(config.training.steps)),
    }  # fmt: skip
    return xr.Dataset(
        {
            "share": (("run", "language"), [[mix.shares.get(code, 0.0) for code in languages]]),
            "epochs": (("run", "language"), [[read.get(code, 0.0) for code in languages]]),
            "text_bytes": (("run", "language"), [[text.text_bytes.get(code, math.nan) for code in languages]]),
            **{
                name: (("run", "language"), [[measured.get(code, {}).get(name, math.nan) for code in languages]])
                for name in ("tokens_per_word", "bytes_per_token")
                if (measured := shards.fertility)
            },
            "repeated_bigram_share": (("run", "language"), [scorer.repeated_bigram_share()]),
            **item_properties(task, data.encoding),
        },
        coords={
            "run": [config.name], "language": languages, "source": languages, "target": languages,
            "concept": concepts, "phenomenon": list(scorer.pairs.phenomena),
            **{name: ("run", [value]) for name, value in per_run.items()},
        },
        attrs={"run_id": config.run_id, "study_yaml": study_yaml, "code_version": code_version()},
    )  # fmt: skip
