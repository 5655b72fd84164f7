"""The result of a comparison of mixes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calque.data.errors import UserError
from calque.data.result import Result, Rows, check_backend
from calque.scaling.laws.share import ShareFit
from calque.scaling.mixes.contrast import Contrast
from calque.scaling.mixes.estimands import both
from calque.scaling.mixes.mixed_model import MixedContrast
from calque.scaling.observations import Observation

if TYPE_CHECKING:
    from rich.console import RenderableType

KINDS = ("contrasts", "languages", "mixed_model")


@dataclass(frozen=True, kw_only=True)
class LanguageComparison:
    """Mixes compared over the languages translated into.

    Attributes
    ----------
    contrasts : tuple of Contrast
        One for each pair of mixes and language.
    mixed_model : tuple of MixedContrast
        Every mix against the first, languages within runs.
    shares : ShareFit
        The law in the languages' shares.
    """

    contrasts: tuple[Contrast, ...]
    mixed_model: tuple[MixedContrast, ...]
    shares: ShareFit


@dataclass(frozen=True, kw_only=True, repr=False)
class MixComparison(Result):
    """Mixes compared by the takeoffs of their runs.

    Attributes
    ----------
    metric : str
        Whose takeoff.
    level : float
        Of the intervals.
    contrasts : tuple of Contrast
        One for each pair of mixes.
    observations : tuple of Observation
        The runs.
    by_language : LanguageComparison or None
        None where it was not asked for.
    rise : float
        Height above the floor that defines takeoff.
    cube_name : str
        The cube's path, or ``cube``.
    repetition : tuple of str
        How the mixes differ in repeating their text, if the cube tells; one sentence each.
    """

    metric: str
    level: float
    contrasts: tuple[Contrast, ...]
    observations: tuple[Observation, ...]
    by_language: LanguageComparison | None = None
    rise: float = 0.05
    cube_name: str = "cube"
    repetition: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the ratio of runs and that of the mixed model average over, one sentence for each pair with both."""
        if self.by_language is None:
            return ()
        runs = {(c.first, c.second): c.log_ratio for c in self.contrasts}
        return tuple(
            both(runs.get((c.first, c.second)), c.log_ratio, c.first, c.second) for c in self.by_language.mixed_model
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as plain values for JSON (schema 1); absent values are None."""
        report: dict[str, Any] = {
            "schema": 1, "cube": self.cube_name, "metric": self.metric, "rise": self.rise, "level": self.level,
            "contrasts": [c.to_dict() for c in self.contrasts], "transitions": [o.to_dict() for o in self.observations],
            "repetition": list(self.repetition),
        }  # fmt: skip
        if self.by_language is not None:
            report["languages"] = [c.to_dict() for c in self.by_language.contrasts]
            report["mixed_model"] = [c.to_dict() for c in self.by_language.mixed_model]
            report["shares"] = self.by_language.shares.to_dict()
            report["notes"] = list(self.notes)
        return report

    def tables(self) -> dict[str, Rows]:
        """Return ``contrasts`` and ``transitions``; by language also ``languages``, ``mixed_model`` and ``shares``.

        ``log_ratio`` is ln(T second / T first); ``runs_first`` and ``runs_second`` count runs.
        """
        found = self.to_dict()
        index = ("first", "second", "language")
        out = {
            "contrasts": Rows([_flat(row) for row in found["contrasts"]], index),
            "transitions": Rows(found["transitions"], ("run",)),
        }
        if self.by_language is not None:
            shares = found["shares"]["parameters"]
            out["languages"] = Rows([_flat(row) for row in found["languages"]], index)
            out["mixed_model"] = Rows(found["mixed_model"], ("first", "second"))
            out["shares"] = Rows([{"parameter": name, **row} for name, row in shares.items()], ("parameter",))
        return out

    def renderables(self) -> Sequence[RenderableType]:
        """Return the contrasts of runs and, where they were made, those of languages, the mixed model, the shares."""
        from calque.scaling.mixes.tables import comparison_parts

        return comparison_parts(self)

    def plot(self, table: str = "contrasts", *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw ratios of takeoffs between mixes with their intervals, one row each.

        Parameters
        ----------
        table : {"contrasts", "languages", "mixed_model"}
            Which of the tables; the last two where the mixes were compared by language.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Overlay

        Raises
        ------
        UserError
            For a table that there is not, or when no contrast of it has an estimate.
        """
        check_backend(backend)
        known = [name for name in KINDS if name in self.tables()]
        if table not in known:
            raise UserError(f"`table` is '{table}'; expected one of {', '.join(known)}")
        rows = [row for row in self.tables()[table].rows if row["log_ratio"] is not None]
        if not rows:
            raise UserError(f"nothing to draw: no contrast of {table} has an estimate")
        from calque.phases.report.figures import new_axes
        from calque.phases.report.forest import Estimate, draw_ratios

        shown = []
        for row in rows:
            low, high = (None if row[end] is None else math.exp(row[end]) for end in ("low", "high"))
            language = f"{row['language']}: " if row.get("language") else ""
            shown.append(Estimate(f"{language}{row['second']} / {row['first']}", math.exp(row["log_ratio"]), low, high))
        label = f"ratio of takeoffs of {self.metric}".replace("_", " ")
        if backend == "hvplot":
            from calque.phases.api.interactive import forest_plot

            return forest_plot(shown, label)
        axes = draw_ratios(new_axes(0.9 + 0.3 * len(shown)) if ax is None else ax, shown)
        axes.set_xlabel(label)
        return axes


def _flat(contrast: dict[str, Any]) -> dict[str, Any]:
    """Return a contrast with a column for the runs of each mix."""
    plain = {name: value for name, value in contrast.items() if name != "runs"}
    first, second = contrast["runs"]
    return plain | {"runs_first": first, "runs_second": second}
