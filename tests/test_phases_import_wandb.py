"""Weights & Biases: exported charts and histories."""

import json

import numpy as np
import pandas as pd
import pytest

from calque.data.errors import UserError
from calque.phases.formats.base import Request
from calque.phases.formats.importing import import_log
from calque.phases.formats.registry import guess
from tests.phases_logs import table


def test_wandb_chart(tmp_path):
    """Run names may hold ' - '; MIN and MAX are not runs; the x axis may be tokens; empty cells are missing."""
    path = table(
        tmp_path,
        '"tokens","big - lr - eval/acc","big - lr - eval/acc__MIN","big - lr - eval/acc__MAX","small - eval/acc",'
        '"small - eval/acc__MIN","small - eval/acc__MAX","dead - eval/acc","dead - eval/acc__MIN",'
        '"dead - eval/acc__MAX"\n"10","0.1","0","1","","","","","",""\n"20","0.2","0","1","0.5","0","1","","",""\n'
        '"30","NaN","0","1","0.75","0","1","","",""\n',
    )
    made = import_log(Request(path=path, metrics=("eval/acc",), tokens="tokens"))
    assert made.format == "wandb" and list(made.cube["run"].values) == ["big - lr", "small"]
    np.testing.assert_array_equal(made.cube["tokens"], [[10, 20], [20, 30]])
    np.testing.assert_array_equal(made.cube["eval.acc"], [[0.1, 0.2], [0.5, 0.75]])
    assert any("'dead' has no value" in note for note in made.notes)
    with pytest.raises(UserError, match="no chart of 'eval/ac'; it has eval/acc; did you mean 'eval/acc'"):
        import_log(Request(path=path, metrics=("eval/ac",), tokens="tokens"))
    with pytest.raises(UserError, match="no x axis 'Step'; it has tokens"):
        import_log(Request(path=path, metrics=("eval/acc",)))
    with pytest.raises(UserError, match="a chart's columns name the runs"):
        import_log(Request(path=path, metrics=("eval/acc",), tokens="tokens", run="run"))


def test_wandb_history(tmp_path):
    """Files and folders of parts are runs; nested objects are flattened; rows of one place are one checkpoint."""
    rows = [
        {"_step": 0, "_runtime": 1.0, "tokens": 0, "loss": 9.0},
        {"_step": 1, "tokens": 100, "loss": 5.0},
        {"_step": 2, "tokens": 100, "eval": {"acc": 0.25}},
        {"_step": 4, "eval": {"acc": "NaN"}, "loss": "Infinity"},
        {"_step": 5, "eval": {"acc": 0.5}, "loss": "Infinity"},
        {"_step": 7, "tokens": 300, "note": "\u2028"},
    ]
    folder = tmp_path / "export"
    (folder / "parts").mkdir(parents=True)
    (folder / "one.jsonl").write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows))
    for i in range(2):
        pd.DataFrame({"_step": [2 * i, 2 * i + 1], "_timestamp": 1.0, "tokens": [200 * i, 200 * i + 100],
                      "eval.acc": [0.1, 0.2]}).to_parquet(folder / "parts" / f"000{i}.parquet")  # fmt: skip
    (folder / "else.jsonl").write_text('{"_step": 1, "lr": 1}')
    assert guess(folder) == "wandb"
    made = import_log(Request(path=folder, metrics=("eval.acc", "loss"), tokens="tokens"))
    one = made.cube.sel(run="one")
    np.testing.assert_array_equal(one["tokens"][:3], [0, 100, 220])
    np.testing.assert_array_equal(one["eval.acc"][:3], [np.nan, 0.25, 0.5])
    np.testing.assert_array_equal(one["loss"][:3], [9, 5, np.nan])
    np.testing.assert_array_equal(made.cube.sel(run="parts")["tokens"], [0, 100, 200, 300])
    notes = " | ".join(made.notes)
    assert "infinite" in notes and "'else' has none" in notes and "on the line" in notes
    assert guess(folder / "parts" / "0000.parquet") == guess(folder / "one.jsonl") == "wandb"
    alone = import_log(Request(path=folder / "parts", metrics=("eval.acc",), tokens_per_step=2.0)).cube
    assert list(alone["run"].values) == ["parts"] and alone.sizes["checkpoint"] == 4


def test_wandb_refuses_two_values_at_one_place(tmp_path):
    path = table(tmp_path, '{"_step": 1, "acc": 0.5}\n{"_step": 1, "acc": 0.6}\n', "history.jsonl")
    with pytest.raises(UserError, match="run 'history' has two values of 'acc' at 1 tokens.*tell the runs apart"):
        import_log(Request(path=path, metrics=("acc",), tokens_per_step=1.0))
    path.write_text('{"_step": 1, "acc": 0.5}\n{"_step": 2, "ac')
    with pytest.raises(UserError, match="cannot be read as JSON .line 2"):
        import_log(Request(path=path, metrics=("acc",), tokens_per_step=1.0))


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_a_history_is_known_by_its_step_and_is_a_run(suffix, tmp_path):
    """``_step`` alone tells what wrote it, and it is the order of the rows where the position is another column."""
    for run, scale in (("190m-10x", 1), ("1b-10x", 2)):
        frame = pd.DataFrame({"_step": [5, 10, 15], "acc": [0.2, 0.3, 0.4], "tokens": [scale, 2 * scale, 3 * scale]})
        path = tmp_path / f"{run}{suffix}"
        if suffix == ".jsonl":
            frame.to_json(path, orient="records", lines=True)
        elif suffix == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
    assert guess(tmp_path) == "wandb"
    made = import_log(Request(path=tmp_path, metrics=("acc",), tokens="tokens"))
    assert {str(r): t.tolist() for r, t in zip(made.cube["run"].values, made.cube["tokens"].values, strict=True)} == {
        "190m-10x": [1, 2, 3], "1b-10x": [2, 4, 6]}  # fmt: skip
    np.testing.assert_array_equal(made.cube["step"], [[5, 10, 15]] * 2)


@pytest.mark.parametrize("value", [True, False, {"_type": "histogram"}, "x", [0.5], 10**400])
def test_what_is_no_number_in_a_history_is_missing_with_a_note(value, tmp_path):
    rows = [{"_step": 1, "acc": 0.25}, {"_step": 2, "acc": value}, {"_step": 3, "acc": 0.5}]
    path = table(tmp_path, "\n".join(map(json.dumps, rows)), "history.jsonl")
    made = import_log(Request(path=path, metrics=("acc",), tokens_per_step=1.0))
    np.testing.assert_array_equal(made.cube["acc"], [[0.25, 0.5]])
    if not isinstance(value, dict):  # an object has other names, and the metric is not there
        assert any("taken as missing" in note for note in made.notes)
