"""Percentages, and proportions that do not fit their trials: converted when told, noted when not."""

import numpy as np
import pytest

import calque
from calque.data.errors import UserError
from calque.phases.formats.base import Request
from calque.phases.formats.importing import import_log


def imported(tmp_path, rows, trials=None, **options):
    path = tmp_path / "log.csv"
    path.write_text("t,a\n" + "".join(f"{i + 1},{v}\n" for i, v in enumerate(rows)))
    return import_log(Request(path=path, tokens="t", metrics=("a",), trials=trials), **options)


def test_percentages_become_proportions_when_told(tmp_path):
    made = imported(tmp_path, [3.2, 40, 87.2], "125", percent=("a",))
    assert made.notes == () and made.cube["a"].metric_kind == "proportion" and made.cube["a"].trials == 125.0
    np.testing.assert_allclose(made.cube["a"], [[0.032, 0.4, 0.872]])
    assert '"percent": ["a"]' in made.cube.attrs["import_options"]


def test_percentages_are_suspected_when_not_told(tmp_path):
    made = imported(tmp_path, [3.1, 40, 87.5])
    assert made.cube["a"].metric_kind == "continuous"
    assert len(made.notes) == 1 and "between 3.1 and 87.5" in made.notes[0] and "import it as percent" in made.notes[0]
    assert made.notes[0] in made.cube.attrs["import_notes"]


@pytest.mark.parametrize("rows", [[10.8, 4.2, 2.9], [-3, 20, 80], [20, 140]])
def test_losses_and_the_like_are_not_taken_for_percentages(tmp_path, rows):
    assert imported(tmp_path, rows).notes == ()


def test_who_says_continuous_is_believed(tmp_path):
    assert imported(tmp_path, [3.1, 40, 87.5], continuous=("a",)).notes == ()


@pytest.mark.parametrize(
    "rows,trials,noted",
    [([0.333, 0.5], "40", True), ([0.325, 0.5], "40", False), ([0.333, 0.667], "3", False), ([0.0816], "1000", False)],
)
def test_proportions_that_are_no_whole_number_of_trials_are_noted(tmp_path, rows, trials, noted):
    notes = imported(tmp_path, rows, trials).notes
    assert len(notes) == noted
    if noted:
        assert "'a' is 0.333 with 40 trials" in notes[0] and "(at 1 checkpoints)" in notes[0]


@pytest.mark.parametrize(
    "rows,options,words",
    [
        ([3, 120], {"percent": ("a",)}, "'a' holds 120; expected percentages from 0 to 100"),
        ([-3, 20], {"percent": ("a",)}, "'a' holds -3; expected percentages"),
        ([3, 20], {"percent": ("b",)}, "`percent` has 'b'; expected one of `metric`"),
        ([3, 20], {"percent": ("a",), "continuous": ("a",)}, "give one of them"),
    ],
)
def test_impossible_percentages_are_refused_in_one_line(tmp_path, rows, options, words):
    with pytest.raises(UserError, match=words) as refusal:
        imported(tmp_path, rows, **options)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("rows", [[0.1, 0.8], [0, 1, 1], [0.31]])
def test_a_proportion_without_trials_is_said_to_be_continuous(rows, tmp_path):
    (note,) = imported(tmp_path, rows).notes
    assert note.startswith("'a' lies between 0 and 1 and has no trials: it is analysed as a continuous score")
    assert imported(tmp_path, rows, "1000", continuous=("a",)).notes == ()


@pytest.mark.parametrize("rows", [[0.1, 0.8], [0, 1], [0.5]])
def test_proportions_are_not_divided_again(rows, tmp_path):
    with pytest.raises(UserError, match="seems to be a proportion already, so leave `percent` out"):
        imported(tmp_path, rows, percent=("a",))


@pytest.mark.parametrize("trials", ["0", "-3", "nan", "1e999", 0, -1.0])
def test_trials_that_are_no_number_of_trials_are_refused(trials, tmp_path):
    (tmp_path / "log.csv").write_text("tokens,acc\n1,2\n2,3\n")
    with pytest.raises(UserError, match="`trials` is .*; expected a number above 0, or a column"):
        calque.import_log(tmp_path / "log.csv", metric="acc", tokens="tokens", trials=trials)


def test_an_empty_folder_is_said_to_be_empty(tmp_path):
    with pytest.raises(UserError, match="is an empty folder"):
        calque.import_log(tmp_path, metric="acc", tokens="tokens")
