"""``sweeps prepare``: what it makes, when it makes it again, and that no kill shows in what it made."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from calque.data.corpora.sample_text import text
from calque.data.errors import UserError
from calque.data.shards.folder import Shards
from calque.sweeps.prepare.prepare import make_shards, mix_of, prepare, prepare_all, sampler_of, shards_folder
from calque.sweeps.prepare.report import epochs
from calque.sweeps.study.run_config import CORPORA, RunConfig
from calque.sweeps.study.study import read_study

ROOT = Path(__file__).parent.parent
FILES = 4


def run_of(corpus: str = "sample", mix: str = "uniform", **section: object) -> RunConfig:
    return RunConfig.from_dict(
        {
            "name": "a", "size": "tiny", "corpus": corpus, "mix": mix, corpus: section,
            "training": {"tokens": 40_000, "context": 32, "batch_size": 4, "warmup_tokens": 4000},
        }
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: German, English, Chinese, a few files each."""
    for code in ("de", "en", "zh"):
        target = tmp_path / "texts" / code
        target.mkdir(parents=True)
        whole = text(code)
        for i in range(FILES):
            (target / f"{i}.txt").write_text(whole[i * 15_000 : (i + 1) * 15_000])
    return tmp_path / "texts"


@pytest.fixture
def study(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(
        "study: own\nbase: sample-cpu\ndefaults: {size: tiny, training: {tokens: 40k, warmup_tokens: 4k},\n"
        f"  corpus: text, text: {{folder: {folder}, languages: [de, en, zh], tokenizer: 'bpe:400'}}}}\n"
        "runs:\n  plain: {seeds: [0, 1]}\n  asked-otherwise: {text: {shots: 2, template: names}}\n"
    )
    return path


def sweeps(*words: object, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "calque.sweeps.cli", *map(str, words)]
    environment = {**os.environ, **({"CALQUE_HOME": str(home)} if home else {})}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


def contents(home: Path) -> dict[str, bytes]:
    (made,) = (home / "shards").iterdir()
    return {made.name: b"", **{path.name: path.read_bytes() for path in made.iterdir()}}


def test_what_is_made_is_said_and_the_second_call_does_nothing(study: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    first = sweeps("prepare", study, home=home)
    assert first.returncode == 0, first.stderr
    for word in ("licence: not stated", "bytes/token", "100.0%", "plain-s0, plain-s1, asked-otherwise: made:"):
        assert word in first.stdout
    assert "makes the tokenizer" in first.stderr and "\x1b" not in first.stderr
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    second = sweeps("prepare", study, "--json", "-", home=home)
    assert second.returncode == 0 and second.stderr == ""
    answer = json.loads(second.stdout)
    (data,) = answer["data"]
    assert (answer["schema"], answer["study"], data["made"]) == (1, "own", False)
    assert data["runs"] == ["plain-s0", "plain-s1", "asked-otherwise"]
    assert set(data["fertility"]) == {"de", "en", "zh"}
    assert data["sha256"] == Shards.open(data["folder"], verify=True).sha256
    assert {shard["stream"] for shard in data["shards"]} == {"de", "en", "zh"}
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_a_second_call_needs_no_torch(study: Path, tmp_path: Path) -> None:
    assert sweeps("prepare", study, home=tmp_path / "home").returncode == 0
    code = (
        "import sys\nfrom calque.sweeps.cli import app\n"
        f"try: app(['prepare', {str(study)!r}])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'ray', 'lightning', 'transformers', 'datasets'} & set(sys.modules), sys.modules.keys()"
    )
    environment = {**os.environ, "CALQUE_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_killed_hard_at_any_moment_it_ends_the_same(study: Path, tmp_path: Path) -> None:
    undisturbed, home = tmp_path / "undisturbed", tmp_path / "home"
    assert sweeps("prepare", study, "--workers", 2, home=undisturbed).returncode == 0
    rng, command = (
        random.Random(0),
        [sys.executable, "-m", "calque.sweeps.cli", "prepare", str(study), "--workers", "2"],
    )
    environment, survived = {**os.environ, "CALQUE_HOME": str(home)}, 0
    for wanted in (1, 12):
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            if len(list((home / "shards").glob(".*.work/*/*.json"))) >= wanted:
                break
            time.sleep(0.003)
        time.sleep(rng.uniform(0, 0.02))
        survived += process.poll() is None
        process.kill()
        process.wait()
        visible = [path for path in (home / "shards").iterdir() if not path.name.startswith(".")]
        assert not visible or contents(home) == contents(undisturbed)
    assert survived, "the test killed too late to show anything"
    done = sweeps("prepare", study, "--workers", 1, home=home)
    assert done.returncode == 0, done.stderr
    assert contents(home) == contents(undisturbed)


def test_text_that_changed_is_prepared_anew(study: Path, folder: Path) -> None:
    run = read_study(study).runs[0]
    before = shards_folder(run)
    (folder / "en" / "more.txt").write_text("A sentence more.\n" * 50)
    assert shards_folder(run) != before


def test_the_folder_of_shards_follows_what_decides_their_bytes(folder: Path) -> None:
    def place(**changes: object) -> Path:
        return shards_folder(run_of("text", folder=str(folder), languages=["en", "de"], **changes))

    first = place(tokenizer="bpe:300")
    assert first == place(tokenizer="bpe:300", shots=3, shot_seed=2)
    assert len({first, place(tokenizer="bpe:301"), place(tokenizer="bpe:300", heldout=0.2), place()}) == 4
    moved = folder.rename(folder.with_name("moved"))
    config = run_of("text", folder=str(moved), languages=["en", "de"], tokenizer="bpe:300")
    assert shards_folder(config) == first, "moving text does not change it"


def test_machines_share_shards_at_an_address(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of("text", folder=str(folder), languages=["en", "de", "zh"], tokenizer="bpe:300")
    monkeypatch.setenv("CALQUE_SHARDS", f"file://{tmp_path}/shared/")
    monkeypatch.setenv("CALQUE_HOME", str(tmp_path / "first"))
    made = make_shards(run)
    (address,) = (tmp_path / "shared").iterdir()
    assert address.name == shards_folder(run).name and (address / "meta.json").exists()
    monkeypatch.setenv("CALQUE_HOME", str(tmp_path / "second"))
    monkeypatch.setattr("calque.sweeps.prepare.prepare._make_shards", lambda *_: pytest.fail("they are at the address"))
    fetched = make_shards(run)
    assert fetched.fingerprint == made.fingerprint and fetched.folder.is_relative_to(tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")


def test_mixes_that_differ_in_shares_alone_use_the_same_shards() -> None:
    folders = [shards_folder(run_of(mix=mix)) for mix in ("uniform", "drop:zh", "temperature:0.3", "romanised")]
    assert len(set(folders[:3])) == 1 and folders[3] != folders[0]


def test_runs_of_the_same_text_are_prepared_once(study: Path) -> None:
    made = list(prepare_all(read_study(study).runs))
    assert [[run.name for run in each.runs] for each in made] == [["plain-s0", "plain-s1", "asked-otherwise"]]


def test_temperature_weighs_by_the_amount_of_text(folder: Path) -> None:
    for i in range(1, FILES):
        (folder / "de" / f"{i}.txt").unlink()
    run = run_of("text", "temperature:1", folder=str(folder), languages=["de", "en"], tokenizer="bpe:300")
    prepared = prepare(run)
    sizes = {code: shard.text_bytes for code, shard in prepared.shards.train.items()}
    assert sizes["en"] > 2 * sizes["de"]
    assert prepared.mix.shares["en"] == pytest.approx(sizes["en"] / sum(sizes.values()))
    assert prepared.mix == mix_of(run, make_shards(run))


def test_epochs_are_tokens_drawn_over_tokens_there() -> None:
    run = run_of(mix="drop:zh", languages=["en", "de", "zh"], tokenizer="bpe:300")
    prepared = prepare(run)
    read, drawn = epochs(run, prepared.shards), sampler_of(run, prepared).drawn(run.training.steps)
    assert set(read) == {"en", "de"} == set(drawn)
    for code, rows in drawn.items():
        assert read[code] == pytest.approx(rows * 32 / prepared.shards.train[code].tokens, rel=0.02)


def test_planning_the_medium_study_makes_nothing(tmp_path: Path) -> None:
    done = sweeps("plan", ROOT / "sweeps" / "medium.yaml", home=tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert "debian-parallel" in done.stdout
    assert not (tmp_path / "home").exists()


@pytest.mark.contract
@pytest.mark.parametrize("corpus", CORPORA)
def test_every_corpus_is_a_section_and_is_read_back(corpus: str) -> None:
    run = run_of(corpus)
    values = run.to_dict()
    assert set(values) & set(CORPORA) == {corpus}
    assert RunConfig.from_dict(json.loads(json.dumps(values))) == run
    assert run.vocab_size() > 256 or corpus == "world"


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("{folder: nowhere}", ["nowhere"]),
        ("{tokenizer: tekkn}", ["did you mean 'tekken'"]),
        ("{tokenizer: none.json}", ["no tokenizer at none.json"]),
        ("{langages: [en]}", ["did you mean 'languages'"]),
    ],
)
def test_mistakes_get_one_line(tmp_path: Path, section: str, words: list[str]) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(f"study: s\nbase: sample-cpu\nruns:\n  a: {{corpus: text, text: {section}}}\n")
    done = sweeps("prepare", path, home=tmp_path / "home")
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("sweeps: ")]
    assert len(lines) == 1 and "Traceback" not in done.stderr
    for word in words:
        assert word in lines[0]


def test_a_world_too_short_is_told_before_anything_is_made() -> None:
    run = run_of("world", languages=3, train_tokens=10_000)
    with pytest.raises(UserError, match="trains on 40000 tokens but the world has 10000"):
        list(prepare_all((run_of(), run)))
