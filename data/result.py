"""What the functions of the Python interface return: a result that prints, converts and draws itself."""

from __future__ import annotations

import io
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.data.command_line.quiet import answers, is_quiet
from calque.data.command_line.tables import WIDE, fitted
from calque.data.errors import UserError, file_error, shown
from calque.data.files import write_atomically
from calque.data.json_files import to_json, write_json

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr
    from rich.console import Console, RenderableType

WIDTH = 160
"""Columns of :meth:`Result.summary` and of a notebook."""
PRE = '<pre style="white-space:pre;overflow-x:auto;line-height:normal;font-family:monospace">'


@dataclass(frozen=True)
class Rows:
    """One table of a result.

    Attributes
    ----------
    rows : sequence of mapping
        One a row, as in the JSON; absent values are None.
    index : tuple of str
        Columns that name a row; they become the dimensions of :meth:`Result.to_xarray`. Empty: rows are numbered.
    text : tuple of str
        Columns of words that may be absent from every row; other such columns are numbers.
    about : mapping of str to (str, str)
        Long name and unit of columns, for :meth:`Result.to_xarray`; no unit where that is empty.
    """

    rows: Sequence[Mapping[str, Any]]
    index: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    about: Mapping[str, tuple[str, str]] = field(default_factory=dict)


class Result(ABC):
    """A typed answer. Terminal, notebook, JSON and dataframe say the same, because all are made from one object."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return what the command writes with ``--json``; absent values are None."""

    @abstractmethod
    def renderables(self) -> Sequence[RenderableType]:
        """Return the tables and sentences that a terminal shows, in order."""

    @abstractmethod
    def tables(self) -> dict[str, Rows]:
        """Return the tables by name; the first is the main one."""

    @abstractmethod
    def plot(self, *, backend: str = "matplotlib") -> Any:
        """Draw it; return a matplotlib ``Axes``, or an interactive picture with ``backend="hvplot"``."""

    def show(self, *, stderr: bool = False) -> None:
        """Print it on the terminal; where a file or a program reads, no table is cut.

        Parameters
        ----------
        stderr : bool
            Print on standard error.
        """
        self._print(console(stderr=stderr))

    def summary(self, width: int = WIDTH) -> str:
        """Return it as text, without colours, at most ``width`` columns wide."""
        from calque.data.command_line.console import PlainConsole

        file = io.StringIO()
        self._print(PlainConsole(file=file, width=width, color_system=None, markup=False, emoji=False))
        return file.getvalue().rstrip("\n")

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(table.rows)} {name}" for name, table in self.tables().items())
        return f"<{type(self).__name__}: {counts}; print it, or call its to_dataframe() or plot()>"

    def _repr_html_(self) -> str:
        """Return the same text for a notebook, with its colours."""
        from calque.data.command_line.console import PlainConsole

        page = PlainConsole(
            file=io.StringIO(), record=True, width=WIDTH, force_jupyter=False, markup=False, emoji=False
        )
        self._print(page)
        return page.export_html(inline_styles=True, code_format=PRE + "{code}</pre>")

    def _print(self, out: Console) -> None:
        from rich.table import Table

        for part in self.renderables():
            for piece in fitted(part, out) if isinstance(part, Table) else [part]:
                out.print(piece, highlight=False)

    def to_json(self, path: str | Path | None = None) -> str:
        """Return strict JSON, and write it to ``path`` when one is given (``"-"``: standard output).

        Raises
        ------
        UserError
            When the file cannot be written; nothing has changed then.
        """
        text = to_json(self.to_dict())
        if path is not None and str(path) == "-":
            answers().write(text)
        elif path is not None:
            try:
                write_json(Path(path), self.to_dict())
            except OSError as error:
                raise file_error(error, "write", str(path)) from error
        return text

    def to_dataframe(self, table: str | None = None) -> pd.DataFrame:
        """Return one of its tables, a row each; absent numbers are NaN.

        Parameters
        ----------
        table : str, optional
            A name of :meth:`tables`; the main one when None.

        Raises
        ------
        UserError
            For a name that is none.
        """
        import pandas as pd

        known = self.tables()
        name = table if table is not None else next(iter(known))
        if not isinstance(name, str) or name not in known:
            raise UserError(f"`table` is {shown(name)}; expected one of {', '.join(known)}")
        rows = [dict(row) for row in known[name].rows]
        frame = pd.DataFrame(rows, columns=list(rows[0]) if rows else list(known[name].index))
        return _numeric(frame, known[name].text)

    def to_csv(self, path: str | Path, table: str | None = None) -> None:
        """Write one of its tables as CSV: a header and a row each; absent numbers and words are empty.

        Parameters
        ----------
        path : path
            The file; it is written whole or not at all.
        table : str, optional
            A name of :meth:`tables`; the main one when None.

        Raises
        ------
        UserError
            For a table that is none, or when the file cannot be written.
        """
        text = self.to_dataframe(table).to_csv(index=False)
        try:
            write_atomically(Path(path), text.encode())
        except OSError as error:
            raise file_error(error, "write", str(path)) from error

    def to_xarray(self) -> xr.Dataset:
        """Return all tables as one dataset.

        The index of a table becomes dimensions, in the order of its rows; where there is no row, numbers are NaN and
        words empty. Variables of every table but the main one carry the table's name in front. The settings stand in
        the attribute ``settings_json``.
        """
        import xarray as xr

        parts: list[xr.Dataset] = []
        order: dict[str, dict[Any, None]] = {}
        about: dict[str, tuple[str, str]] = {}
        for i, (name, table) in enumerate(self.tables().items()):
            frame = self.to_dataframe(name)
            if frame.empty:
                continue
            keys = list(table.index)
            for key in keys:
                order.setdefault(key, {}).update(dict.fromkeys(frame[key]))
            if keys and frame.duplicated(keys).any():
                frame = frame.assign(number=frame.groupby(keys, dropna=False).cumcount())
                keys.append("number")
            part = frame.set_index(keys).to_xarray() if keys else frame.rename_axis(f"{name}_row").to_xarray()
            prefix = f"{name}_" if i else ""
            about |= {f"{prefix}{column}": what for column, what in table.about.items()}
            parts.append(part.rename({v: f"{prefix}{v}" for v in part.data_vars}))
        merged = xr.merge(parts, join="outer", compat="no_conflicts") if parts else xr.Dataset()
        # pandas and xarray sort; the order of runs and metrics is the cube's
        merged = merged.reindex({key: list(values) for key, values in order.items()})
        for column, variable in merged.data_vars.items():
            key = str(column)
            if variable.dtype.kind in "OT":
                merged[key] = variable.where(variable.notnull(), "").astype(str)
            if key in about:
                long_name, units = about[key]
                merged[key].attrs = {"long_name": long_name} | ({"units": units} if units else {})
        found = self.to_dict()
        known = {"cube": found.get("cube"), "settings_json": found.get("settings")}
        merged.attrs = {k: v if isinstance(v, str) else json.dumps(v) for k, v in known.items() if v is not None}
        return merged


def _numeric(frame: pd.DataFrame, text: Sequence[str] = ()) -> pd.DataFrame:
    """Return the frame with columns of numbers and None as floats with NaN; ``text`` are columns of words."""
    import pandas as pd

    for name in frame.columns:
        if frame[name].dtype == object and name not in text:
            known = frame[name].dropna()
            if all(isinstance(v, int | float) and not isinstance(v, bool) for v in known) and len(frame):
                frame[name] = pd.to_numeric(frame[name]).astype(float)
    return frame


def console(*, stderr: bool = False) -> Console:
    """Return the terminal to print on; where a file or a program reads, it is as wide as any table needs.

    It escapes control characters, which names of other people's files may hold.

    Parameters
    ----------
    stderr : bool
        Print on standard error.
    """
    from calque.data.command_line.console import PlainConsole

    to = sys.stderr if stderr else sys.stdout
    width = None if to.isatty() else WIDE
    silent = stderr and is_quiet()  # standard output leads nowhere then
    return PlainConsole(stderr=stderr, quiet=silent, highlight=False, markup=False, emoji=False, width=width)


def check_backend(backend: str) -> None:
    """Refuse a backend of pictures that is none."""
    if backend not in ("matplotlib", "hvplot"):
        raise UserError(f"`backend` is {shown(backend)}; expected matplotlib or hvplot")
