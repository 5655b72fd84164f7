"""A truth file is read strictly: each mistake is one line with file, line, key and what was expected."""

import re
from pathlib import Path

import numpy as np
import pytest

from calque.data.errors import UserError
from calque.scaling.simulate.truth import Truth, read_truth

EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "truth.yaml"
GOOD = """\
sizes:
  - {name: s, n_params_non_embedding: 2e7}
  - {name: m, n_params_non_embedding: 6e7}
checkpoints: {count: 20, first: 1e8, last: 1e11}
law: {t0: 4e9, c: 5.8e14, gamma: 0.6}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "truth.yaml"
    path.write_text(text)
    return path


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(UserError) as caught:
        read_truth(write(folder, text))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_example_and_minimal_file_are_read(tmp_path: Path) -> None:
    assert len(read_truth(EXAMPLE).sizes) == 4
    truth = read_truth(write(tmp_path, GOOD))
    assert truth.checkpoints.last == 1e11  # YAML 1.1 reads a bare 1e11 as text
    assert truth.law.takeoff(2e7) == pytest.approx(4e9 + 5.8e14 * 2e7**-0.6)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("gamma: 0.6", "gama: 0.6", 5, ["law.gama", "unknown key", "did you mean 'gamma'"]),
        ("name: m", "nam: m", 3, ["sizes[1].nam", "did you mean 'name'"]),
        ("law:", "laws:", 5, ["unknown key 'laws'", "did you mean 'law'"]),
        ("count: 20, ", "", 4, ["checkpoints.count", "missing"]),
        ("count: 20", "count: many", 4, ["checkpoints.count", "'many'", "integer"]),
        ("count: 20", "count: 3", 4, ["checkpoints.count", "greater than or equal to 8"]),
        ("last: 1e11", "last: 1e7", 4, ["last is 1e+07", "more than first"]),
        ("last: 1e11", "last: .inf", 4, ["checkpoints.last", "finite"]),
        ("name: m", "name: s", 1, ["sizes", "'s' occurs twice"]),
        ("t0: 4e9", "t0: 4e9, t0: 1", 5, ["'law.t0' occurs twice"]),
        ("t0: 4e9", "t0: -1", 5, ["law.t0", "greater than or equal to 0"]),
        ("law:", "translation: {shape: step}\nlaw:", 5, ["translation.shape", "'saturating' or 'logistic'"]),
        ("law:", "translation: {end: 0.04}\nlaw:", 1, ["translation rises by 0.03", "rise of 0.05"]),
        ("law:", "false_copying: {peak: 0.6}\nlaw:", 1, ["false_copying.peak 0.6", "more than 0.98"]),
        ("law:", "languages: [en, no]\nlaw:", 5, ["languages[1] is yes or no", "in quotes"]),
        ("gamma: 0.6", "gamma: true", 5, ["law.gamma is yes or no", "a number"]),
        ("law:", "seeds: yes\nlaw:", 5, ["seeds is yes or no", "a number"]),
        ("law:", "law: [", 6, ["not valid YAML"]),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(tmp_path: Path, old: str, new: str, line: int, words: list[str]) -> None:
    message = complaint(tmp_path, GOOD.replace(old, new))
    assert re.search(rf"truth\.yaml:{line}: ", message), message
    for word in words:
        assert word in message, message


def test_missing_empty_and_binary_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read .*No such file"):
        read_truth(tmp_path / "none.yaml")
    assert "holds no keys" in complaint(tmp_path, "")
    (tmp_path / "truth.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not UTF-8"):
        read_truth(tmp_path / "truth.yaml")


@pytest.mark.parametrize("spacing", ["log", "linear", "both"])
def test_schedules_start_and_end_where_stated(spacing: str) -> None:
    checkpoints = Truth.model_validate(
        {
            "sizes": [{"name": "s", "n_params_non_embedding": 1e7}],
            "law": {"t0": 1e9, "c": 0, "gamma": 0.5},
            "checkpoints": {"count": 31, "first": 1e8, "last": 1e10, "spacing": spacing},
        }
    ).checkpoints
    tokens = checkpoints.tokens()
    assert tokens.size == 31 and (np.diff(tokens) > 0).all()
    assert tokens[0] == 1e8 and tokens[-1] == 1e10
    steps = np.diff(tokens)
    assert (np.ptp(steps) < 2) == (spacing == "linear")
