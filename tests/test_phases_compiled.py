"""The first command on a machine says that the statistics are compiled."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from calque.data.command_line.quiet import quietly
from calque.phases.noise import compiled, kalman


@pytest.mark.parametrize(
    ("cached", "quiet", "said"), [(False, False, True), (True, False, False), (False, True, False)]
)
def test_compiling_is_said_once(
    cached: bool, quiet: bool, said: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    real = kalman.products
    stand_in = SimpleNamespace(stats=SimpleNamespace(cache_path=str(tmp_path)), py_func=real.py_func)
    monkeypatch.setattr(kalman, "products", stand_in)
    if cached:
        (tmp_path / "kalman.products-131.py311.nbi").touch()
    with quietly() if quiet else nullcontext():
        compiled.announce_compiling()
    assert ("compiling the statistics" in capsys.readouterr().err) == said
