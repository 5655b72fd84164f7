"""What stands on stderr while there is no terminal, and what is done beside the work."""

from __future__ import annotations

import time

import pytest

from calque.data.command_line import progress
from calque.data.command_line.progress import ProgressDisplay
from calque.data.shards.shards import Progress
from calque.sweeps.prepare.display import PreparingDisplay
from calque.sweeps.score.display import ScoreDisplay
from calque.sweeps.watch.recurring import Recurring


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress.time, "monotonic", made)
    return made


def test_more_of_the_same_is_told_now_and_then_and_news_sooner(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with PreparingDisplay() as display:
        for seconds, doing, parts in ((0, "reading", 1), (3, "reading", 2), (4, "packing", 0), (5, "done", 1)):
            clock.now = 100.0 + seconds
            display.take(Progress(doing=doing, parts_done=parts, parts=4, text_bytes=2_000_000))
        clock.now = 121.0
        display.take(Progress(doing="packing", parts_done=3, parts=4, text_bytes=0))
    assert capsys.readouterr().err.splitlines() == [
        "[0:00] reading, 2.0 MB, 1 of 4 parts", "[0:04] packing, 2.0 MB, 0 of 4 parts", "[0:21] packing, 3 of 4 parts",
    ]  # fmt: skip


def test_every_revision_is_told_and_its_doings_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with ScoreDisplay(2) as display:
        display.doing("step1", "fetching")
        clock.now = 103.0
        display.doing("step1", "1 % of the words")
        display.done("step1", "scored [in] 3 s", 1)
        clock.now = 130.0
        display.doing("step2", "2 % of the words")
    assert capsys.readouterr().err.splitlines() == [
        "[0:00] step1: fetching", "[0:03] step1: scored [in] 3 s (1 of 2)", "[0:30] step2: 2 % of the words",
    ]  # fmt: skip


def test_a_bar_starts_its_clock_when_work_begins(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    made = ProgressDisplay("files", 3)
    clock.now = 500.0
    with made:
        made.show("a", 0)
    assert capsys.readouterr().err == "[0:00] a, 0 of 3 files\n"


class Counting(Recurring):
    def __init__(self, seconds: float) -> None:
        super().__init__("counting", seconds)
        self.times = 0

    def act(self) -> None:
        self.times += 1


def test_what_recurs_is_done_a_last_time_at_the_end() -> None:
    with Counting(1000) as seldom:
        assert seldom.times == 0
    assert seldom.times == 1
    with Counting(0.001) as often:
        until = time.monotonic() + 60
        while often.times < 3 and time.monotonic() < until:
            time.sleep(0.001)
    assert often.times >= 4
    with pytest.raises(KeyError), Counting(1000) as last:
        raise KeyError
    assert last.times == 1
