"""Mixes that change text, from the study file to the cube."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calque.data import cube
from calque.data.errors import UserError
from calque.phases.acquisition.covariates import names_of
from calque.sweeps.plan.hardware import Hardware
from calque.sweeps.plan.run_plan import plan_run
from calque.sweeps.prepare.prepare import prepare, prepare_all, sampler_of, shards_folder
from calque.sweeps.results.progress import run_folder
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.scoring import scorer_of
from calque.sweeps.trial.trial import run_trial

WORLD = {
    "languages": 3, "nouns": 4, "verbs": 2, "adjectives": 2, "names": 12, "nonce": 6, "syllables": 12,
    "train_tokens": 20_000, "heldout_tokens": 2000,
}  # fmt: skip


def config(**changes: Any) -> RunConfig:
    values = {
        "name": "run", "size": "tiny", "corpus": "world", "world": WORLD, "mix": "uniform",
        "training": {"tokens": 10_000, "context": 32, "batch_size": 4, "warmup_tokens": 1000},
        "checkpoints": {"every": 5000},
        "evaluation": {"heldout_tokens": 512, "minimal_pairs": 5, "concepts": 6},
    }  # fmt: skip
    return RunConfig.from_dict({**values, **changes})


def sample(**changes: Any) -> RunConfig:
    own = {"languages": ["en", "de", "ru"], "tokenizer": "bpe:400", "shots": 1, **changes.pop("sample", {})}
    return config(corpus="sample", sample=own, **changes)


def test_a_model_of_disjoint_languages_is_trained_asked_and_kept_in_the_cube(tmp_path: Path) -> None:
    run = config(mix="parallel:0.1+disjoint")
    assert run_trial(TrialRequest(config=run, results=tmp_path)).state == "done"
    found = cube.read(run_folder(tmp_path, run) / "run.nc")
    plain = config()
    assert run.vocab_size() == 3 * plain.vocab_size() == prepare(run).shards.vocabulary
    assert found["n_params"].item() == plan_run(run, Hardware()).n_params > plan_run(plain, Hardware()).n_params
    assert found["mix"].item() == "parallel:0.1+disjoint" and found["template"].item() == "glossary"
    between = ~np.eye(3, dtype=bool)
    assert (found["overlap"].values[between] == 0).all() and (found["overlap"].values[~between] == 2).all()
    asked = found["translation_outcome"].values[..., :6]
    assert (asked >= 0).all() and np.isfinite(found["translation_logprob"].values[..., :6]).all()
    assert (found["exposure"].values[between] == 1).all(), "aligned lines may pair any words"
    assert np.isfinite(found["loss"].values).all() and (found["loss"].values[0, 0] > np.log(plain.vocab_size())).all()


def test_shards_are_shared_where_only_shares_differ(tmp_path: Path) -> None:
    def folder(mix: str) -> Path:
        return shards_folder(sample(mix=mix))

    assert folder("uniform") == folder("temperature:0.5") == folder("en:0.9,de:0.1")
    folders = {folder(mix) for mix in ("uniform", "disjoint", "romanised", "temperature:0.5+romanised")}
    assert len(folders) == 3


def test_words_are_described_to_the_regression_and_romanised_text_is_latin(tmp_path: Path) -> None:
    run = sample(mix="romanised", sample={"template": "sentence"})
    prepared = prepare(run)
    assert prepared.corpus.word_task().prompt("ru", "de", "sobaka", None).endswith('Wort "sobaka" heisst auf Deutsch "')
    assert run_trial(TrialRequest(config=run, results=tmp_path)).state == "done"
    found = cube.read(run_folder(tmp_path, run) / "run.nc")
    assert found["template"].item() == "sentence" and set(found["script"].values) == {"Latn"}
    plain = prepare(sample())
    assert plain.shards.folder != prepared.shards.folder
    known = names_of(found)
    wanted = {"edit_similarity", "source_zipf_frequency", "target_zipf_frequency", "source_script", "overlap"}
    assert wanted <= set(known)
    concept = list(found["concept"].values).index("lemon")
    similarity = found["edit_similarity"].sel(source="ru", target="en").values[concept]
    assert similarity == pytest.approx(4 / 5), "limon and lemon"
    assert found["zipf_frequency"].sel(language="en").values[concept] == np.float32(4.10)


def test_further_minimal_pairs_come_from_a_file_and_are_changed_alike(tmp_path: Path) -> None:
    file = tmp_path / "rus.tsv"
    file.write_text("sen\twrong_sen\tphenomenon\thead\nсобаки спят\tсобаки спит\tSV-#\tспят\n")
    run = sample(evaluation={"minimal_pairs_file": str(file), "heldout_tokens": 512})
    assert prepare(run).pairs[-1].good == "собаки спят"
    assert scorer_of(run, prepare(run)).pairs.phenomena == ("SV-#", "numeral_agreement")
    latin = sample(mix="romanised", evaluation={"minimal_pairs_file": str(file), "heldout_tokens": 512})
    assert prepare(latin).pairs[-1].good == "sobaki spyat"
    missing = sample(evaluation={"minimal_pairs_file": str(tmp_path / "none.tsv")})
    with pytest.raises(UserError, match="none.tsv is missing"):
        list(prepare_all((missing,)))


def test_mixes_a_corpus_cannot_have_are_told() -> None:
    with pytest.raises(UserError, match="'sample' has no aligned lines"):
        prepare(sample(mix="parallel:0.01"))
    with pytest.raises(UserError, match="changes nothing in the corpus 'world'"):
        next(prepare_all((config(), config(mix="romanised"))))  # before anything is made
    with pytest.raises(ValueError, match="did you mean 'disjoint'"):
        config(mix="disjont")


def test_a_share_of_aligned_lines_reaches_the_batches() -> None:
    run = config(mix="drop:w3+parallel:0.25", world={**WORLD, "glossary_share": 0.1})
    sampler = sampler_of(run, prepare(run))
    assert sampler.shares == pytest.approx({"glossary": 0.1, "parallel": 0.25, "w1": 0.325, "w2": 0.325})
