"""Progress of a computation: silent, a bar, or now and then a line."""

from __future__ import annotations

import sys

import pytest

from calque.data.command_line import progress as module
from calque.data.command_line.progress import ProgressDisplay, progress
from calque.data.command_line.quiet import quietly


def test_progress_is_silent_or_now_and_then_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress() as shown:
        shown(1, 10, "soon")
    with quietly(), progress(delay=0.0) as shown:
        shown(1, 10, "never")
    assert capsys.readouterr().err == ""
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with progress() as shown:
        for now[0], done, what in (
            (10.0, 1, "early"),
            (31.0, 5, "late"),
            (32.0, 6, "too soon"),
            (47.0, 7, "[x] later"),
        ):
            shown(done, 10, what)
    assert capsys.readouterr().err == "[0:31] late, 5 of 10\n[0:47] [x] later, 7 of 10\n"


def test_a_terminal_has_a_bar_with_names_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with ProgressDisplay("files", 4) as display:
        assert display.live
        display.show("[red]reading[/]", 2)
        display.bars.refresh()
        display.say("a [b] is done", 3)
    shown = capsys.readouterr().err
    assert "[red]reading[/]" in shown and "2/4" in shown and "a [b] is done" in shown
