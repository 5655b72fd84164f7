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


@pytest.mark.parametrize("name", ["a\x1b[31mred", "b\x07\x08\x0d", "c\u202eabc", "d\x9b2J", "e\x00"])
def test_control_characters_of_names_are_escaped_wherever_they_are_printed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.table import Table
    from rich.text import Text

    from calque.data.errors import escaped
    from calque.data.result import console

    table = Table(title=name, caption=name)
    table.add_column(name, footer=name)
    table.add_column(Text(name))
    table.add_row(name, Text(name))
    for part in (name, Text(f"run {name} is done"), table):
        console().print(part)
    shown = capsys.readouterr().out
    assert shown.count(escaped(name)) >= (3 if "\r" in name else 7), "whole, not cut; rich drops some by itself"
    assert all(c.isprintable() or c == "\n" for c in shown)
