"""Study files: what is read, and the one line that each mistake gets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from calque.data.errors import UserError
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import read_study

ROOT = Path(__file__).parent.parent


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return path


def test_runs_state_only_their_difference_from_the_base(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "study: s\ndefaults: {training: {batch_size: 4}}\nruns:\n  a: {training: {tokens: 1M}}\n  b: {seeds: [3, 4]}\n",
    )
    a, b3, b4 = read_study(path).runs
    assert (a.name, a.training.tokens, a.training.batch_size, a.training.context) == ("a", 1_000_000, 4, 64)
    assert [(r.name, r.init_seed, r.data_seed) for r in (b3, b4)] == [("b-s3", 3, 3), ("b-s4", 4, 4)]
    assert b3.training.tokens == 5_120_000


def test_run_id_follows_the_content_not_the_name(tmp_path: Path) -> None:
    runs = "runs:\n  a: {}\n  b: {}\n  c: {init_seed: 1}\n  d: {world: {world_seed: 1}}\n"
    a, b, c, d = read_study(write(tmp_path, "study: s\n" + runs)).runs
    assert a.run_id == b.run_id
    assert len({a.run_id, c.run_id, d.run_id}) == 3


def test_a_run_is_repeated_from_its_dictionary(tmp_path: Path) -> None:
    for run in read_study(ROOT / "sweeps" / "quick.yaml").runs:
        assert RunConfig.from_dict(run.to_dict()).run_id == run.run_id


@pytest.mark.parametrize("mix", ["uniform", "temperature:0.3", "drop:zh", "{en: 0.75, de: 0.25}"])
def test_every_kind_of_mix_is_read_for_real_text(tmp_path: Path, mix: str) -> None:
    path = write(tmp_path, f"study: s\nruns:\n  a: {{base: sample-cpu, mix: {mix if '{' in mix else repr(mix)}}}\n")
    shares = read_study(path).runs[0].parsed_mix().shares
    assert sum(shares.values()) == pytest.approx(1)
    assert (shares["zh"] == 0) == (mix.startswith(("drop", "{")))


@pytest.mark.parametrize(
    ("text", "line", "parts"),
    [
        ("study: s\nruns:\n  a:\n    trainning: {tokens: 1M}\n", 4, ["trainning", "did you mean 'training'"]),
        ("study: s\nruns:\n  a:\n    training:\n      tokns: 1M\n", 5, ["training.tokns", "did you mean 'tokens'"]),
        ("study: s\ndefaults:\n  training: {toknes: 1M}\nruns:\n  a: {}\n", 3, ["did you mean 'tokens'"]),
        ("study: s\nrnus:\n  a: {}\n", 2, ["unknown key 'rnus'", "did you mean 'runs'"]),
        ("study: s\nruns:\n  a:\n    training: {tokens: 5MB}\n", 4, ["'5MB' is no count", "5M"]),
        ("study: s\nruns:\n  a:\n    training: {tokens: -5}\n", 4, ["training.tokens is -5", "more than 0"]),
        ("study: s\nruns:\n  a:\n    training: {learning_rate: fast}\n", 4, ["learning_rate", "number", "fast"]),
        ("study: s\nruns:\n  a:\n    training: {learning_rate: true}\n", 4, ["learning_rate is yes or no", "a number"]),
        ("study: s\ndefaults:\n  world: {cognate_rate: off}\nruns:\n  a: {}\n", 3, ["world.cognate_rate", "a number"]),
        ("study: s\nruns:\n  a:\n    init_seed: yes\n", 4, ["init_seed is yes or no", "a number"]),
        ("study: s\nruns:\n  a:\n    mix: {w1: true}\n", 4, ["mix.w1", "a number"]),
        ("study: s\nruns:\n  a:\n    sample: {languages: [en, no]}\n", 4, ["sample.languages[1] is yes", "in quotes"]),
        ("study: s\nruns:\n  a:\n    training: {strategy: fsdp2}\n", 4, ["one device has nothing to share"]),
        (
            "study: s\nruns:\n  a:\n    checkpoints: {adaptive: 6}\n", 4,
            ["checkpoints.adaptive is 6", "values by name: budget, metric, siblings"],
        ),
        ("study: s\nruns:\n  a:\n    mix: {w1: 0.5, w2: 0.4}\n", 4, ["sum to 0.9", "expected 1"]),
        ("study: s\nruns:\n  a:\n    mix: drop:w11\n", 4, ["w11"]),
        ("study: s\nruns:\n  a:\n    sample: {languages: [en, dee]}\n", 4, ["unknown language 'dee'", "'de'"]),
        ("study: s\nruns:\n  a: {size: mikro}\n", 3, ["unknown size 'mikro'", "'micro'"]),
        ("study: s\nruns:\n  a: {base: world-gpu}\n", 3, ["unknown base", "'world-cpu'"]),
        ("study: s\nruns:\n  a: {seeds: [0, 0]}\n", 2, ["occurs twice"]),
        ("study: s\nruns:\n  a: {seeds: 3}\n", 3, ["list of whole numbers"]),
        ("study: s\nruns:\n  a: {}\n  a: {}\n", 4, ["'runs.a' occurs twice (first in line 3)"]),
        ("study: s\nruns: [a, b]\n", 2, ["expected NAME"]),
        ("runs:\n  a: {}\n", 1, ["'study' is missing"]),
        ("study: s\nruns:\n  a: {size: [}\n", 3, ["not valid YAML"]),
    ],
)  # fmt: skip
def test_each_mistake_gets_one_line_with_its_place(tmp_path: Path, text: str, line: int, parts: list[str]) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        read_study(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}:"), message
    assert "\n" not in message
    for part in parts:
        assert part in message, message


def test_the_command_says_it_in_one_line_with_exit_code_2(tmp_path: Path) -> None:
    path = write(tmp_path, "study: s\nruns:\n  a: {sise: nano}\n")
    command = [sys.executable, "-m", "calque.sweeps.cli", "plan", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "did you mean 'size'" in done.stderr


def test_a_file_that_grows_or_turns_on_itself_is_refused_in_one_line(tmp_path: Path) -> None:
    layers = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    for text in ("\n".join(["a0: &a0 [x]", *layers]), "study: &s {a: *s}", "study: s\nruns: " + "[" * 3000):
        with pytest.raises(UserError) as caught:
            read_study(write(tmp_path, text))
        assert "\n" not in str(caught.value)
