"""What every result does: how wide it prints."""

from typing import Any

import pytest
from rich.table import Table

from calque.data.result import Result, Rows


class Wide(Result):
    """A result whose table is wider than any terminal."""

    def to_dict(self) -> dict[str, Any]:
        return {f"column {i}": i for i in range(40)}

    def tables(self) -> dict[str, Rows]:
        return {"rows": Rows([self.to_dict()])}

    def renderables(self) -> list[Table]:
        table = Table(*self.to_dict())
        table.add_row(*(f"value {i}" for i in range(40)))
        return [table]

    def plot(self, *, backend: str = "matplotlib") -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("columns", ["40", None])
def test_a_pipe_gets_whole_tables_and_a_summary_its_width(
    columns: str | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if columns is not None:
        monkeypatch.setenv("COLUMNS", columns)
    for stderr in (False, True):
        Wide().show(stderr=stderr)
        head = capsys.readouterr()[stderr].splitlines()[1]
        assert all(f" column {i} " in head for i in range(40))
    for width in (80, 160):
        assert max(map(len, Wide().summary(width).splitlines())) <= width
