"""Result folders of lm-evaluation-harness, old layout and new."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from calque.data.errors import UserError
from calque.phases.formats.base import Request
from calque.phases.formats.harness.checkpoint_names import named
from calque.phases.formats.harness.item_counts import whole_trials
from calque.phases.formats.importing import import_log
from calque.phases.formats.registry import guess
from tests.phases_logs import PER_STEP, harness


def test_lm_eval_old_layout(tmp_path):
    """Older harnesses tell no samples: trials follow from the standard error; a value of 0 has none of its own."""
    n = 1838
    for step, right in ((128, 0), (1000, 961), (2000, 1100)):
        p = right / n
        se = float(np.sqrt(p * (1 - p) / (n - 1)))
        path = tmp_path / "zero-shot" / f"160m_step{step}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({
            "results": {"piqa": {"acc": p, "acc_stderr": se, "acc_norm": 0.51, "acc_norm_stderr": 0.0123}},
            "versions": {"piqa": 0},
            "config": {"model": "hf-causal", "num_fewshot": 0,
                       "model_args": f"use_accelerate=True,pretrained=EleutherAI/pythia-160m,revision=step{step}"},
        }))  # fmt: skip
    (tmp_path / "notes.json").write_text('{"results": "none"}')
    (tmp_path / "broken.json").write_text("{")
    assert guess(tmp_path) == "lm-eval"
    made = import_log(Request(path=tmp_path, metrics=("piqa/acc", "piqa/acc_norm"), tokens_per_step=PER_STEP))
    assert list(made.cube["run"].values) == ["EleutherAI/pythia-160m"]
    assert made.cube["piqa.acc"].attrs["trials"] == n and "trials" not in made.cube["piqa.acc_norm"].attrs
    assert any("piqa/acc_norm is no count" in note for note in made.notes)
    np.testing.assert_allclose(made.cube["piqa.acc"] * n, [[0, 961, 1100]])


@pytest.mark.golden
@pytest.mark.parametrize(
    "value,error,items",
    [
        (0.5228509249183896, 0.011653634832401175, 1838),  # piqa, of the published results of Pythia-160M at step 128
        (0.26430976430976433, 0.009048410451863012, 2376),  # arc_easy
        (0.48855564325177586, 0.014048804199859332, 1267),  # winogrande
        (0.6346153846153846, 0.0474473339327792, 104),  # wsc
    ],
)
def test_published_standard_errors_tell_the_items(value, error, items):
    told = whole_trials(np.array([value, 0.0]), np.full(2, np.nan), np.array([error, 0.0]))
    assert told == items


def test_lm_eval_trials_differ_by_checkpoint_and_kinds(tmp_path):
    """--limit at one checkpoint gives that one its own trials; lower-is-better is continuous, means have no trials."""
    harness(tmp_path / "results_2024-12-01T10-00-00.json", 0.2, "step1000-tokens2B", n=500)
    harness(tmp_path / "results_2024-12-02T10-00-00.json", 0.25, "step2000-tokens4B", n=100)
    names = tuple(f"lambada_openai/{m}" for m in ("acc", "perplexity", "f1"))
    cube = import_log(Request(path=tmp_path, metrics=names)).cube
    np.testing.assert_array_equal(cube["tokens"], [[2e9, 4e9]])
    np.testing.assert_array_equal(cube["step"], [[1000, 2000]])
    np.testing.assert_array_equal(cube["lambada_openai.acc.trials"], [[500, 100]])
    assert cube["lambada_openai.perplexity"].metric_kind == "continuous"
    assert cube["lambada_openai.f1"].metric_kind == "proportion" and "trials" not in cube["lambada_openai.f1"].attrs


def test_lm_eval_files_of_one_checkpoint(tmp_path):
    """Tasks of one checkpoint are joined, a repeated one is replaced by the later; other shots are refused."""
    harness(tmp_path / "results_1.json", 0.2, date=1.0)
    harness(tmp_path / "results_0.json", 0.4, date=2.0)
    harness(tmp_path / "results_2.json", 0.6, task="sciq", date=1.5)
    harness(tmp_path / "results_3.json", 0.8, revision="main")
    made = import_log(Request(path=tmp_path, metrics=("lambada_openai/acc", "sciq/acc,none"), tokens_per_step=1.0))
    assert made.cube["lambada_openai.acc"].values.tolist() == [[0.4]]
    assert made.cube["sciq.acc,none"].values.tolist() == [[0.6]]
    notes = " | ".join(made.notes)
    assert "stands in 2 files; the latest counts" in notes and "1 result file without a checkpoint's name" in notes
    harness(tmp_path / "results_4.json", 0.3, revision="ckpt1000")
    with pytest.raises(UserError, match="'ckpt1000' and 'step1000' stand at the same place"):
        import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0))


@pytest.mark.parametrize(
    "more,names",
    [
        ({"shots": 5}, ["m/0-shot", "m/5-shot"]),
        ({"revision": "stage2-step1000"}, ["m", "m/stage2"]),
        ({"revision": "anneal-step1000-tokens3B"}, ["m", "m/anneal"]),
    ],
)
def test_shots_and_stages_are_runs_of_their_own(more, names, tmp_path):
    harness(tmp_path / "results_1.json", 0.2, model="m")
    harness(tmp_path / "results_2.json", 0.4, model="m", **more)
    made = import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0))
    assert list(made.cube["run"].values) == names and made.cube["lambada_openai.acc"].values.tolist() == [[0.2], [0.4]]
    assert any("a run of its own" in note for note in made.notes)


def test_shots_are_chosen(tmp_path):
    for shots, acc in ((0, 0.2), (5, 0.4)):
        harness(tmp_path / f"results_{shots}.json", acc, model="m", shots=shots)
    made = import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0, shots=5))
    assert list(made.cube["run"].values) == ["m"] and made.cube["lambada_openai.acc"].values.tolist() == [[0.4]]
    with pytest.raises(UserError, match="`shots` is 3; the results have 0, 5"):
        import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0, shots=3))


def test_lm_eval_groups_and_filters(tmp_path):
    """A group's trials are its tasks' together; a metric under several filters must name one."""
    result = {
        "exact_match,strict-match": 0.5,
        "exact_match_stderr,strict-match": "N/A",
        "exact_match,flexible-extract": 0.6,
    }
    mmlu = {"acc,none": 0.3, "acc_stderr,none": 0.01, "alias": "mmlu"}
    samples = {"n-samples": {"stem": {"original": 40, "effective": 40}, "law": 60, "gsm8k": {"effective": 10}}}
    harness(tmp_path / "results_1.json", 0.2, results={"gsm8k": result, " - mmlu": mmlu},
            group_subtasks={"mmlu": ["stem", "law"]}, **samples)  # fmt: skip
    with pytest.raises(UserError, match="several filters; name one: gsm8k/exact_match,flexible-extract, gsm8k/"):
        import_log(Request(path=tmp_path, metrics=("gsm8k/exact_match",), tokens_per_step=1.0))
    cube = import_log(
        Request(path=tmp_path, metrics=("gsm8k/exact_match,strict-match", "mmlu/acc"), tokens_per_step=1.0)
    ).cube
    assert cube["gsm8k.exact_match,strict-match"].values.tolist() == [[0.5]] and cube["mmlu.acc"].attrs["trials"] == 100
    with pytest.raises(UserError, match="no metric 'mmlu/f1'.*it has mmlu/acc"):
        import_log(Request(path=tmp_path, metrics=("mmlu/f1",), tokens_per_step=1.0))


def test_lm_eval_positions_that_cannot_be_told(tmp_path):
    harness(tmp_path / "results_1.json", 0.2, "main")
    with pytest.raises(UserError, match="neither the revision.*give `checkpoint`, a regular"):
        import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0))
    harness(tmp_path / "results_1.json", 0.2, "tokens2B")
    with pytest.raises(UserError, match="`tokens_per_step` needs steps"):
        import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0))
    harness(tmp_path / "results_1.json", 0.2)
    (tmp_path / "results_2.json").write_text('{"results": {')
    with pytest.raises(UserError, match="results_2.json is no whole JSON file"):
        import_log(Request(path=tmp_path, metrics=("lambada_openai/acc",), tokens_per_step=1.0))


@pytest.mark.parametrize(
    "arguments,where,pattern,told",
    [
        ("pretrained=org/m,revision=step128", "org__m/results_2024-01-02T03.json", None, ("org/m", 128, None)),
        ("pretrained=org/m,revision=step5-tokens2B", "results.json", None, ("org/m", 5, 2e9)),
        ({"pretrained": "org/m", "revision": "iter_0001000"}, "results.json", None, ("org/m", 1000, None)),
        ("pretrained=/ck/wide/step400", "x/results_2024-01-02T03.json", None, ("wide", 400, None)),
        ("pretrained=/ck/wide/global_step400/hf", "results.json", None, ("wide", 400, None)),
        ("pretrained=out/checkpoint-1500", "results.json", None, ("out", 1500, None)),
        ("pretrained=/ck/epoch=0-step=99.ckpt", "results.json", None, ("ck", 99, None)),
        ("pretrained=m", "seed1/step70/m/results_2024-01-02T03.json", None, ("seed1/m", 70, None)),
        ("", "160m_step8.json", None, ("160m", 8, None)),
        ("", "step8/results.json", None, ("root", 8, None)),
        ("pretrained=m,revision=b12", "r.json", r"b(?P<step>\d+)", ("m", 12, None)),
        ("pretrained=m,revision=x", "s1-12B/r.json", r"(?P<run>s\d)-(?P<tokens>\d+B)", ("s1", None, 12e9)),
        ("pretrained=m,revision=main", "results_2024-01-02T03.json", None, None),
        ("pretrained=stepfun-13b,revision=step1000b", "results.json", None, None),
    ],
)
def test_checkpoint_names(arguments, where, pattern, told, tmp_path):
    compiled = re.compile(pattern) if pattern else None
    found = named({"config": {"model_args": arguments}}, Path(where), compiled, tmp_path / "root")
    assert (found and (found.run, found.step, found.tokens)) == told


def test_infinite_values_are_missing_with_a_note(tmp_path):
    values = {1: 30.0, 2: float("inf"), 3: 20.0, 4: float("-inf"), 5: 10**400, 6: float("nan"), 7: 5.0}
    for step, value in values.items():
        path = tmp_path / f"step{step}" / "results_2024-12-01T10-00-00.json"
        path.parent.mkdir()
        path.write_text(json.dumps({
            "results": {"lambada": {"perplexity,none": value, "acc,none": 0.5}}, "versions": {},
            "config": {"model_args": f"pretrained=m,revision=step{step}"},
            "n-samples": {"lambada": {"original": 100, "effective": 100}},
        }))  # fmt: skip
    made = import_log(Request(path=tmp_path, metrics=("lambada/perplexity", "lambada/acc"), tokens_per_step=1000.0))
    assert "lambada/perplexity: 3 infinite values taken as missing" in made.notes
    assert not [note for note in made.notes if "acc" in note and "infinite" in note]
    found = made.cube["lambada.perplexity"].values[0]
    np.testing.assert_array_equal(found, [30, np.nan, 20, np.nan, np.nan, np.nan, 5])
