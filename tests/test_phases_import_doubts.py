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
    assert (
        len(made.notes) == 1 and "between 3.1 and 87.5" in made.notes[0] and "import it with `percent`" in made.notes[0]
    )
    assert made.notes[0] in made.cube.attrs["import_notes"]


@pytest.mark.parametrize(
    ("rows", "trials", "noted"),
    [([3, 40, 74], "200", True), ([3, 40, 74], "80", True), ([3, 40, 74], "100", False), ([3, 40, 174], "200", False),
     ([3, 5, 9], "200", False)],
)  # fmt: skip
def test_whole_percentages_beside_trials_are_said_to_be_read_as_counts(tmp_path, rows, trials, noted):
    made = imported(tmp_path, rows, trials)
    assert made.cube["a"].metric_kind == "count"
    said = [note for note in made.notes if "import it with `percent`" in note]
    assert len(said) == noted
    if noted:
        assert f"from 3 to 74 and was read as counts of right answers out of {trials}" in said[0]


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
        assert "'a' of run 'log' at 1 tokens is 0.333 with 40 trials" in notes[0] and "(at 1 checkpoint)" in notes[0]


@pytest.mark.parametrize(
    "rows,options,words",
    [
        ([3, 120], {"percent": ("a",)}, "'a' of run 'log' at 2 tokens is 120; expected percentages from 0 to 100"),
        ([-3, 20], {"percent": ("a",)}, "'a' of run 'log' at 1 tokens is -3; expected percentages"),
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


@pytest.mark.parametrize(
    ("row", "trials", "words"),
    [
        ("b,3,4.99885", "400", r"'acc' of run 'b' at 3 tokens is 4\.99885 with 400 trials"),
        ("a,7,401", "400", "'acc' of run 'a' at 7 tokens is 401 with 400 trials"),
        ("b,3,2.5", "n", "the trials of 'acc' of run 'b' at 3 tokens are 2.5; expected whole numbers"),
    ],
)
def test_what_is_no_count_is_said_with_its_file_its_run_and_its_place(row, trials, words, tmp_path):
    n = 2.5 if trials == "n" else 400
    rows = "".join(f"{run},{t},{40 * t},{400}\n" for run in "ab" for t in (1, 2))
    (tmp_path / "scores.csv").write_text(f"name,tokens,acc,n\n{rows}{row},{n}\n")
    with pytest.raises(UserError, match=rf"scores\.csv: {words}"):
        calque.import_log(tmp_path / "scores.csv", metric="acc", tokens="tokens", trials=trials, run="name")


def test_a_doubt_names_its_run_in_a_folder_of_runs(tmp_path):
    for name, last in (("one", 0.5), ("two", 0.3333333)):
        (tmp_path / f"{name}.csv").write_text(f"tokens,acc\n1,0.1\n2,{last}\n")
    made = calque.import_log(tmp_path, metric="acc", tokens="tokens", trials=10)
    assert any("'acc' of run 'two' at 2 tokens is 0.333333 with 10 trials" in note for note in made.notes)


@pytest.mark.parametrize(
    ("tokens", "noted"),
    [([8.0, 9.5, 10.6], True), ([0.1, 1.0, 40.0], True), ([1, 2, 40], False), ([1e9, 2.5e9, 3e9 + 0.5], False)],
)
def test_tokens_in_fractions_are_told_to_count_something_else(tmp_path, tokens, noted):
    path = tmp_path / "log.csv"
    path.write_text("t,a\n" + "".join(f"{t},{v}\n" for t, v in zip(tokens, (3.0, 2.0, 1.0), strict=True)))
    notes = import_log(Request(path=path, tokens="t", metrics=("a",), trials=None), continuous=("a",)).notes
    assert [n.startswith(f"the tokens go from {tokens[0]:.4g} to {tokens[2]:.4g} in fractions") for n in notes] == (
        [True] if noted else []
    )
