"""The keys of a study file: their page, the words of other frameworks, and the bases."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.data.errors import UserError
from calque.data.strict_yaml.sections import keys_of
from calque.sweeps.study.bases import BASES
from calque.sweeps.study.keys import keys_page
from calque.sweeps.study.run_config import CORPORA, RunConfig
from calque.sweeps.study.study import STUDY_KEYS, read_study
from calque.sweeps.study.synonyms import SYNONYMS

ROOT = Path(__file__).parent.parent


def test_the_page_of_keys_is_current_and_describes_every_key() -> None:
    page = keys_page()
    assert (ROOT / "docs" / "KEYS.md").read_text() == page, "python -m calque.sweeps.study.keys > docs/KEYS.md"
    rows = {line.split("|")[1].strip(" `"): line.split("|")[-2].strip() for line in page.splitlines() if "|" in line}
    for key in keys_of(RunConfig):
        if key.startswith("branch"):  # runs.NAME.from
            continue
        if key != "name":
            assert key in rows, key
        if "." in key:
            assert rows[key], f"{key} is not described in its section's docstring"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("study: s\nruns:\n  a: {lr: 1}\n", "did you mean 'training.learning_rate'?"),
        ("study: s\nruns:\n  a: {training: {max-steps: 1}}\n", "'training.tokens' (steps x batch_size x context)?"),
        ("study: s\nruns:\n  a: {batch_size: 1}\n", "did you mean 'training.batch_size'?"),
        ("study: s\nruns:\n  a: {training: {n_layers: 1}}\n", "did you mean 'size' (a word such as 152m"),
        ("study: s\nruns:\n  a: {training: {warmup: 1}}\n", "did you mean 'training.warmup_tokens' (in tokens)?"),
        ("study: s\nruns:\n  a: {seed: 1}\n", "did you mean 'seeds'"),
        ("study: s\nlr: 1\nruns: {a: {}}\n", "did you mean 'defaults.training.learning_rate'?"),
        ("study: s\nsize: nano\nruns: {a: {}}\n", "did you mean 'defaults.size'?"),
        ("study: s\noutput_dir: x\nruns: {a: {}}\n", "did you mean 'results'?"),
        ("name: s\nruns: {a: {}}\n", "did you mean 'study'?"),
        ("study: s\nruns:\n  a: {tokenizer: 1}\n", "'sample.tokenizer' or 'debian.tokenizer'"),
        ("study: s\nruns:\n  a: {training: {tokns: 1}}\n", "did you mean 'tokens'?"),
    ],
)
def test_a_word_of_another_framework_leads_to_ours(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_study(path)
    assert said in str(caught.value), str(caught.value)


def test_synonyms_lead_to_keys_that_there_are() -> None:
    keys = set(keys_of(RunConfig)) | set(STUDY_KEYS) | {"seeds"}
    assert set(SYNONYMS.values()) <= keys


@pytest.mark.parametrize("base", list(BASES))
def test_every_corpus_has_a_base_that_can_be_read(tmp_path: Path, base: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"study: s\nbase: {base}\nruns: {{a: {{text: {{folder: x}}}}}}\n")
    assert read_study(path).runs[0].corpus in base
    assert {base.partition("-")[0] for base in BASES} == set(CORPORA)
