"""Files that describe no study, for ``scaling power``: one line each."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.data.errors import UserError
from calque.scaling.api.power import power

PLAN = '{"total": {}, "runs": [{"size": "a", "mix": "b", "flops": 1, "checkpoints": 9, "n_params": 1, "tokens": 9}]}'


@pytest.mark.parametrize(
    "text",
    [
        PLAN.replace('"flops": 1, ', ""), PLAN.replace('"checkpoints": 9', '"checkpoints": [9]'),
        PLAN.replace('"n_params": 1', '"n_params": null'), PLAN.replace('"tokens": 9', '"tokens": 1e999'),
        '{"total": {}, "runs": [3]}', '{"total": {}, "runs": []}', "runs: {a: 3}", "runs: {a: {seeds: {x: 1}}, b: []}",
        "runs: {}\ndefaults: 3", "runs: x", "- 1", "", "a: " + "[" * 3000, '"\x00"',
    ],
)  # fmt: skip
def test_what_describes_no_study_is_one_line(text: str, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as error:
        power(file)
    assert "\n" not in str(error.value)


def test_the_plan_itself_is_read(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(PLAN)
    assert power(tmp_path / "plan.json", concepts=50).to_dict()
