"""``sweeps score``: from checkpoints of other tools to a cube, as a user types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from calque.data import cube
from calque.data.errors import UserError
from calque.models.scoring.words import WordScorer
from calque.sweeps.cli import app
from calque.sweeps.score.sources import open_source
from tests.huggingface_models import revision, save

QUICK = (
    "--languages",
    "en,de,fi",
    "--shots",
    "1",
    "--concepts",
    "3",
    "--minimal-pairs",
    "4",
    "--heldout-tokens",
    "300",
)
STEPS = ("--pattern", "step{step}", "--tokens-per-step", "2k")


def sweeps_score(model: str | Path, output: Path, *more: str | Path) -> Result:
    usual = [word for i in range(0, len(QUICK), 2) if QUICK[i] not in more for word in QUICK[i : i + 2]]
    arguments = ["score", model, "-o", output, *usual, *more]
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


class Killed(BaseException):
    """What nobody handles."""


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of five revisions in the hub's cache: two have the same weights, one is damaged, main is the last."""
    root = tmp_path_factory.mktemp("hub")
    for i, (step, seed) in enumerate(((1000, 1), (2000, 2), (3000, 2), (10000, 3), (20000, 4))):
        saved = save(root / "saved" / str(step), "gpt_neox", seed)
        revision(root, "owner/suite", f"{i:x}" * 40, saved, f"step{step}")
    (root / "models--owner--suite" / "refs" / "main").write_text("4" * 40)
    blob = (root / "models--owner--suite" / "snapshots" / ("3" * 40) / "model.safetensors").resolve()
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    return root / "models--owner--suite"


def test_revisions_of_the_hubs_cache_become_a_cube(cached: Path, tmp_path: Path) -> None:
    done = sweeps_score(cached, tmp_path / "r.nc", *STEPS, "--json", tmp_path / "answer.json")
    assert done.exit_code == 1, "one revision is damaged"
    assert "left out, since their names give no position: main" in done.stderr
    assert "'step10000' was not scored: " in done.stderr
    assert "model.safetensors is damaged (SHA-256" in done.stderr
    assert "2 of 4 checkpoints have the weights of another (step2000 = step3000)" in done.stderr
    found = cube.read(tmp_path / "r.nc")
    assert found["run"].values.tolist() == ["owner/suite"]
    np.testing.assert_array_equal(found["tokens"], [[2e6, 4e6, 6e6, 4e7]])
    np.testing.assert_array_equal(found["step"], [[1000, 2000, 3000, 20000]])
    assert found["revision"].values.tolist() == [["step1000", "step2000", "step3000", "step20000"]]
    assert len(set(found["config_sha256"].values[0])) == 1
    assert found["commit"].values.tolist() == [[c * 40 for c in "0124"]]
    np.testing.assert_array_equal(found["checkpoint_flags"], [[0, 1, 1, 0]])
    assert found["checkpoint_flags"].attrs["flag_meanings"] == "duplicate_weights outlier not_finite shared_file"
    digests = found["checkpoint_sha256"].values[0]
    assert digests[1] == digests[2] != digests[0]
    outcome = found["translation_outcome"].values
    assert outcome.shape == (1, 4, 3, 3, found.sizes["concept"])
    assert (outcome[..., :3] >= 0).all()
    assert (outcome[..., 3:] == -1).all()
    assert np.isfinite(found["bits_per_byte"]).all()
    assert float(found["minimal_pair_total"].sel(language="de").max()) == 4
    assert found["n_params_non_embedding"].item() < found["n_params"].item()
    assert (found["architecture"].item(), found["read_by"].item()) == ("gpt_neox", "transformers")
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert [row["flags"] for row in answer["checkpoints"]] == [[], ["duplicate_weights"], ["duplicate_weights"], []]
    assert answer["checkpoints"][2]["seconds"] == {"loading_seconds": None, "scoring_seconds": None}
    assert answer["failed"][0]["revision"] == "step10000"


def test_phases_detect_reads_what_was_scored(cached: Path, tmp_path: Path) -> None:
    from calque.phases.detection.detect import detect
    from calque.phases.series.metrics import analysable
    from calque.phases.settings import Settings

    sweeps_score(cached, tmp_path / "r.nc", *STEPS)
    found = cube.read(tmp_path / "r.nc")
    assert "checkpoint_flags" not in analysable(found)
    report = detect(found, Settings(metrics=("translation_logprob",), boot=19))
    assert {t.outcome for t in report.transitions} == {"too_few_points"}


def test_what_is_scored_is_not_scored_again(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    whole = WordScorer.__call__
    monkeypatch.setattr(WordScorer, "__call__", lambda *given, **how: asked.append(1) or whole(*given, **how))
    sweeps_score(cached, tmp_path / "r.nc", *STEPS, "--revisions", "step1000,step2000")
    assert len(asked) == 2
    before = cube.read(tmp_path / "r.nc")
    sweeps_score(cached, tmp_path / "r.nc", *STEPS, "--revisions", "step*000")
    assert len(asked) == 3, "step3000 has weights that are known, step10000 is damaged"
    after = cube.read(tmp_path / "r.nc")
    for name in before.data_vars:
        np.testing.assert_array_equal(
            before[name].values, after[name].values[:, :2] if "checkpoint" in before[name].dims else after[name].values
        )
    assert before.attrs["created"] == after.attrs["created"]


def test_a_kill_loses_at_most_the_revision_at_work(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = WordScorer.__call__, []

    def killed(*given: object, **how: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        return whole(*given, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(WordScorer, "__call__", killed)
    with pytest.raises(Killed):
        sweeps_score(cached, tmp_path / "r.nc", *STEPS, "--revisions", "step[12]*0")
    assert cube.read(tmp_path / "r.nc")["revision"].values.tolist() == [["step1000"]]
    monkeypatch.undo()
    sweeps_score(cached, tmp_path / "r.nc", *STEPS, "--revisions", "step1000,step2000")
    sweeps_score(cached, tmp_path / "whole.nc", *STEPS, "--revisions", "step1000,step2000")
    one, other = cube.read(tmp_path / "r.nc"), cube.read(tmp_path / "whole.nc")
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name].values, other[name].values)


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_a_folder_of_checkpoints_with_a_table_of_positions(kind: str, tmp_path: Path) -> None:
    for name, seed in (("checkpoint-5", 0), ("checkpoint-10", 1), ("last", 2)):
        save(tmp_path / "m" / name, kind, seed)
    (tmp_path / "where.csv").write_text("revision,tokens,step\ncheckpoint-5,1M,5\ncheckpoint-10,2M,10\nlast,3M,\n")
    done = sweeps_score(tmp_path / "m", tmp_path / "r.nc", "--positions", tmp_path / "where.csv", "--heldout", "none")
    assert done.exit_code == 0, done.stderr
    found = cube.read(tmp_path / "r.nc")
    assert found["revision"].values.tolist() == [["checkpoint-5", "checkpoint-10", "last"]]
    np.testing.assert_array_equal(found["step"], [[5, 10, np.nan]])
    assert found["read_by"].item() == "calque"
    assert np.isnan(found["loss"]).all()
    table = tmp_path / "moved.csv"
    table.write_text("revision,tokens\ncheckpoint-5,4M\ncheckpoint-10,5M\n")
    sweeps_score(tmp_path / "m", tmp_path / "r.nc", "--positions", table, "--heldout", "none")
    moved = cube.read(tmp_path / "r.nc")
    np.testing.assert_array_equal(moved["tokens"], [[3e6, 4e6, 5e6]])
    np.testing.assert_array_equal(moved["translation_logprob"][0], found["translation_logprob"][0, [2, 0, 1]])
    table.write_text("revision,tokens\ncheckpoint-5,3M\n")
    with pytest.raises(UserError, match="'checkpoint-5' and 'last' would both be at 3000000 tokens"):
        sweeps_score(
            tmp_path / "m", tmp_path / "r.nc", "--positions", table, "--heldout", "none", "--revisions", "checkpoint-5"
        )


def test_one_model_and_its_own_held_out_text(tmp_path: Path) -> None:
    save(tmp_path / "step7", "llama")
    for code in ("en", "de", "fi"):
        (tmp_path / "text" / code).mkdir(parents=True)
        (tmp_path / "text" / code / "a.txt").write_text("The same words, a hundred times over.\n" * 100)
    done = sweeps_score(tmp_path / "step7", tmp_path / "r.nc", *STEPS, "--heldout", tmp_path / "text")
    assert done.exit_code == 0, done.stderr
    bits = cube.read(tmp_path / "r.nc")["bits_per_byte"].values[0, 0]
    assert np.isfinite(bits).all()
    assert bits[0] == bits[1] == bits[2], "the same text in all three"


def test_a_revision_with_another_tokenizer_is_passed_over(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path / "m" / f"step{step}", "llama", step)
    path = tmp_path / "m" / "step2" / "tokenizer.json"
    whole = path.read_text()
    path.write_text(whole.replace('"<bos>"', '"<s>"'))
    done = sweeps_score(tmp_path / "m", tmp_path / "r.nc", *STEPS)
    assert done.exit_code == 1
    assert "revision 'step2' has another tokenizer than those before it" in done.stderr
    path.write_text(json.dumps(json.loads(whole)))
    done = sweeps_score(tmp_path / "m", tmp_path / "r.nc", *STEPS)
    assert done.exit_code == 0, "the same tokenizer in other bytes"
    path.unlink()
    shutil.rmtree(tmp_path / "m" / "step1")
    (tmp_path / "r.nc").unlink()
    with pytest.raises(UserError, match=r"step2 holds no tokenizer.json.* name another with --tokenizer"):
        sweeps_score(tmp_path / "m", tmp_path / "r.nc", *STEPS)
    path.write_text(whole)
    shutil.move(path, tmp_path / "tokenizer.json")
    assert sweeps_score(tmp_path / "m", tmp_path / "r.nc", *STEPS, "--tokenizer", tmp_path).exit_code == 0


def test_what_is_wrong_is_said_before_anything_is_loaded(cached: Path, tmp_path: Path) -> None:
    def says(pattern: str, *more: str | Path, model: Path = cached, output: Path = tmp_path / "r.nc") -> None:
        with pytest.raises(UserError, match=pattern):
            sweeps_score(model, output, *more)
        assert not (tmp_path / "r.nc").exists()

    says(r"nothing tells how many training tokens .* has seen: give --pattern 'step{step}' and --tokens")
    says(r"'main' has seen", *STEPS, "--revisions", "main,step1000")
    says(r"has no revision 'stepp1000'; .*did you mean 'step1000'", *STEPS, "--revisions", "stepp1000")
    says(r"unknown language 'xx'", *STEPS, "--languages", "en,xx")
    says(r"--device is 'cuda:9', which is not at hand|--device is", *STEPS, "--device", "nonsense")
    says(r"--dtype is 'int3'", *STEPS, "--dtype", "int3")
    says(r"--concepts is 0; expected 1 or more", *STEPS, "--concepts", "0")
    says(r"--heldout is 'nowhere'", *STEPS, "--heldout", "nowhere")
    says(r"--heldout-tokens: 'many' is no count", *STEPS, "--heldout-tokens", "many")
    says(r"holds no model .*; it is a cache: name one of its models", *STEPS, model=cached.parent)
    says(r"there is no folder .*nonsense; expected one, or OWNER/NAME", *STEPS, model=tmp_path / "nonsense")
    near = cached.with_name(cached.name[:-1])
    says(rf"there is no folder {near}; expected .*did you mean '{cached}'", *STEPS, model=near)
    (tmp_path / "other.nc").write_text("no cube")
    says(r"other.nc cannot be read as netCDF", *STEPS, output=tmp_path / "other.nc")


def test_a_mistyped_path_is_not_asked_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(name: str) -> None:
        raise AssertionError(f"the hub was asked for {name}")

    monkeypatch.setattr("calque.sweeps.score.hub.HubSource", asked)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "pythia-70m").mkdir(parents=True)
    (tmp_path / "models" / "notes.txt").write_text("no folder")
    for model, said in (
        ("models/pythia-70n", "and models is one here; .*did you mean 'models/pythia-70m'"),
        ("models/notes", "and models is one here; expected a folder in it, or OWNER/NAME .* is called OWNER$"),
        ("models/gpt/2", "there is no folder models/gpt/2; expected one, or OWNER/NAME on the hub$"),
        ("modles/pythia-70m/step1", "did you mean 'models/pythia-70m/step1'"),
        ("./pythia", "there is no folder ./pythia"),
        ("model", "did you mean 'models'"),
    ):
        with pytest.raises(UserError, match=said):
            open_source(model)
    with pytest.raises(AssertionError, match="asked for pythia/70m"):
        open_source("pythia/70m")


def test_a_cube_of_other_questions_is_left_alone(cached: Path, tmp_path: Path) -> None:
    sweeps_score(cached, tmp_path / "r.nc", *STEPS, "--revisions", "step1000")
    before = (tmp_path / "r.nc").read_bytes()
    with pytest.raises(UserError, match="holds scores of another model or of other questions"):
        sweeps_score(cached, tmp_path / "r.nc", *STEPS, "--shots", "2")
    assert (tmp_path / "r.nc").read_bytes() == before


def test_an_anonymous_cube_names_no_folder_and_holds_the_same_numbers(cached: Path, tmp_path: Path) -> None:
    texts = tmp_path / "ada" / "texts"
    for code in ("en", "de"):
        (texts / code).mkdir(parents=True)
        lines = (f"A text of one's own in {code} is read here, the {i}th.\n\n" for i in range(400))
        (texts / code / "a.txt").write_text("".join(lines))
    more = ("--languages", "en,de", "--heldout", texts, "--revisions", "step1000,step2000")
    sweeps_score(cached, tmp_path / "open.nc", *STEPS, *more)
    sweeps_score(cached, tmp_path / "closed.nc", *STEPS, *more, "--anonymous")
    told, silent = cube.read(tmp_path / "open.nc"), cube.read(tmp_path / "closed.nc")
    assert str(texts) in str(told["questions_json"].values[0])
    assert str(tmp_path) not in str(silent.to_dict()) and "[left out]" in str(silent["questions_json"].values[0])
    assert silent["translation_outcome"].variable.equals(told["translation_outcome"].variable)
    again = sweeps_score(cached, tmp_path / "closed.nc", *STEPS, *more, "--anonymous")
    assert again.exit_code == 0, again.output
