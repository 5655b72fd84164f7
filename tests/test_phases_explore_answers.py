"""The page of answers: what is listed is what the file holds, filtered, bounded, as text."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calque.data.answers import answers_path
from calque.data.answers.table import schema
from calque.data.errors import UserError
from calque.phases.explore.answers import MOST_ROWS, Answers, text
from calque.phases.explore.app import App, prepare
from calque.phases.explore.study import make_study, read_study
from tests.explore_cube import explored
from tests.test_phases_explore_pages import page, tables
from tests.test_phases_explore_pages import text as said

# Bokeh's own, of every table
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning")
OUTCOMES = ("copied", "translated", "translated")


def answered(runs=("a-s0", "b"), concepts=20, checkpoints=(1e6, 2e6)):
    """A table with the columns of results.answers.parquet, in which 17 of 20 are wrong at every checkpoint."""
    rows = [
        {
            "run": run, "revision": f"step{i}", "step": 10 * i, "tokens": int(tokens), "checkpoint_sha256": "00",
            "task": "words", "source": "en", "target": "de" if c % 2 else "ru", "concept": f"c{c}", "phenomenon": None,
            "prompt": f"en: w{c}\nde:", "expected": [f"W{c}", "x"], "answer": f"{run}-{i}-{c}" if c else None,
            "outcome": "wrong" if c < concepts - 3 else OUTCOMES[c - concepts],
            "expected_logprob": -1.234, "other_logprob": None,
        }
        for run in runs
        for i, tokens in enumerate(checkpoints)
        for c in range(concepts)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema())


@pytest.fixture(scope="module", autouse=True)
def prepared():
    prepare()


@pytest.fixture
def answers(tmp_path):
    pq.write_table(answered(), tmp_path / "results.answers.parquet", row_group_size=20)
    return Answers(tmp_path / "results.answers.parquet")


@pytest.fixture
def shown(answers):
    app = App(make_study(explored(), "results.nc", answers=answers))
    app.tabs.active = [one.key for one in app.pages].index("answers")
    return app, page(app, "AnswersPage")


def test_seventeen_of_twenty_are_wrong_and_the_page_says_what_they_said(shown):
    _, one = shown
    assert one.run.value == "a-s0" and one.tokens.value == 2e6  # the last checkpoint first
    assert "20 answers: 17 wrong, 2 translated, 1 copied." in said(one.body)
    one.outcome.value = "wrong"
    rows = tables(one.body)[0]
    assert len(rows) == 17 and rows["answer"].tolist() == ["", *(f"a-s0-1-{c}" for c in range(1, 17))]
    assert rows["prompt"].iloc[3] == "en: w3 ⏎ de:" and rows["expected"].iloc[3] == "W3 | x"
    assert rows["log p(expected)"].iloc[0] == -1.23 and np.isnan(rows["log p(other)"].iloc[0])


@pytest.mark.parametrize(
    ("choose", "concepts"),
    [
        ({"pair": "en → de"}, [f"c{c}" for c in range(1, 20, 2)]), ({"concept": "c7"}, ["c7"]),
        ({"pair": "en → ru", "outcome": "translated"}, ["c18"]), ({"task": "words", "outcome": "copied"}, ["c17"]),
    ],
)  # fmt: skip
def test_filters_narrow_what_is_listed(shown, answers, choose, concepts):
    app, one = shown
    for name, value in choose.items():
        one.kept[name].value = value
    one.tokens.value = 1e6
    listed = tables(one.body)[0]["answer"].tolist()
    assert listed == ["" if c == "c0" else f"a-s0-0-{c[1:]}" for c in concepts]
    again = App(make_study(explored(), "results.nc", answers=answers))
    again.restore(app.query())
    again.page.redraw()
    assert tables(again.page.body)[0]["answer"].tolist() == listed and again.lost.objects == []


def test_runs_are_those_chosen_at_the_left(shown):
    app, one = shown
    app.selection.chosen_runs.value = ["b"]
    assert one.run.options == {"b": "b"} and tables(one.body)[0]["answer"].iloc[1] == "b-1-1"
    app.selection.chosen_runs.value = ["c"]
    assert "no answers were kept" in said(one.body)


def test_rows_are_bounded_and_counted(tmp_path):
    path = tmp_path / "many.answers.parquet"
    pq.write_table(answered(concepts=3 * MOST_ROWS), path, row_group_size=1000)
    found = Answers(path).find({"run": "b", "tokens": 1e6})
    assert len(found.rows) == MOST_ROWS and found.total == 3 * MOST_ROWS
    app = App(make_study(explored(), "x", answers=Answers(path)))
    assert f"The first {MOST_ROWS} are listed" in said(page(app, "AnswersPage").results())


def test_a_cube_without_answers_says_so_and_a_damaged_file_too(tmp_path):
    from calque.data import cube as cubes

    path = tmp_path / "results.nc"
    cubes.write(explored(), path)
    assert read_study(path, {}).answers is None
    assert "No answers were kept" in said(page(App(read_study(path, {})), "AnswersPage").results())
    for damage in (b"", b"PAR1 and no more"):
        answers_path(path).write_bytes(damage)
        study = read_study(path, {})
        assert "is no table of answers" in said(page(App(study), "AnswersPage").results())
    pd.DataFrame({"run": ["a"]}).to_parquet(answers_path(path))
    with pytest.raises(UserError, match="no column 'revision'"):
        _ = read_study(path, {}).answers.choices


def test_texts_of_a_model_are_shown_on_one_line_and_bounded():
    assert text("a\nb\x1b[31m\x00") == "a ⏎ b\\x1b[31m\\x00" and text(None) == ""
    assert len(text("x" * 10_000)) == 401 and text("x" * 500 + "end").endswith("end")
