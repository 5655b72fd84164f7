"""Studies whose runs are trained once for the tests of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.sweeps.study.study import Study, read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial


def study_of(text: str, factory: pytest.TempPathFactory) -> Study:
    """Return the study of a file with this ``text``."""
    path = factory.mktemp("study") / "small.yaml"
    path.write_text(text)
    return read_study(path)


def trained(study: Study, factory: pytest.TempPathFactory) -> Path:
    """Train every run of ``study`` in this process, and return the results folder."""
    folder = factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALQUE_HOME", str(factory.getbasetemp() / "home"))
        for run in study.runs:
            assert run_trial(TrialRequest(config=run, results=folder)).state == "done"
    return folder
