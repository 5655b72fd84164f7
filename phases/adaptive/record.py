"""The record of an adaptive schedule, from the cube and back, and what it means for the noise of a series."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from calque.data.errors import UserError
from calque.phases.adaptive.rule import Decision, Prior, Rule
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory

VARIABLE = "adaptive_json"
"""Variable of the cube, by run, that holds the record; empty for a run without one."""
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class AdaptiveDesign:
    """How the checkpoints of one run were chosen.

    Attributes
    ----------
    metric : str
        Whose takeoff the rule watches.
    rule : Rule
    decisions : tuple of Decision
        One a planned checkpoint so far, in order.
    """

    metric: str
    rule: Rule
    decisions: tuple[Decision, ...] = ()

    def at(self, tokens: float) -> Decision | None:
        """Return what was decided at the planned checkpoint of so many tokens, if it was."""
        return next((decision for decision in self.decisions if decision.tokens == tokens), None)

    def until(self, tokens: float) -> AdaptiveDesign:
        """Return the record as it stood after so many tokens."""
        kept = tuple(decision for decision in self.decisions if decision.tokens <= tokens)
        return AdaptiveDesign(metric=self.metric, rule=self.rule, decisions=kept)

    def to_json(self) -> str:
        """Return the record as JSON; :meth:`from_json` reads it. A takeoff beyond the run is null."""
        decisions = [
            {name: None if isinstance(v, float) and math.isinf(v) else v for name, v in asdict(decision).items()}
            for decision in self.decisions
        ]
        record = {"version": VERSION, "metric": self.metric, "rule": asdict(self.rule), "decisions": decisions}
        return json.dumps(record, allow_nan=False)

    @staticmethod
    def from_json(text: str, origin: str = "the record") -> AdaptiveDesign:
        """Return the record that :meth:`to_json` gave.

        Parameters
        ----------
        text : str
            JSON.
        origin : str
            How errors call the source.

        Raises
        ------
        UserError
            When it is damaged, or of another version.
        """
        try:
            record = json.loads(text)
            if record["version"] != VERSION:
                raise UserError(
                    f"{origin}: the adaptive checkpoints were recorded by version {record['version']}, this one reads "
                    f"{VERSION}; use the version that the run was made with"
                )
            rule = Rule(**{**record["rule"], "planned": tuple(record["rule"]["planned"])})
            decisions = tuple(_decision(one) for one in record["decisions"])
            return AdaptiveDesign(metric=str(record["metric"]), rule=rule, decisions=decisions)
        except UserError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = " ".join(f"{error}".split())[:80]
            raise UserError(
                f"{origin}: the record of its adaptive checkpoints ({VARIABLE}) cannot be read ({reason}); collect or "
                "copy the cube again"
            ) from None


def _decision(values: dict[str, Any]) -> Decision:
    prior = values["prior"]
    ends = {name: math.inf if values[name] is None else float(values[name]) for name in ("low", "median", "high")}
    return Decision(
        tokens=int(values["tokens"]), extra=tuple(int(t) for t in values["extra"]), **ends,
        prior=None if prior is None else Prior(**{**prior, "runs": tuple(prior["runs"])}),
    )  # fmt: skip


def designs_of(cube: xr.Dataset, origin: str = "the cube") -> dict[str, AdaptiveDesign]:
    """Return the records of a cube by run; runs whose schedule was fixed beforehand have none.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    origin : str
        How errors call the source.

    Raises
    ------
    UserError
        As :meth:`AdaptiveDesign.from_json`.
    """
    if VARIABLE not in cube.variables:
        return {}
    texts = dict(zip(map(str, cube["run"].values), map(str, cube[VARIABLE].values.ravel()), strict=True))
    return {
        run: AdaptiveDesign.from_json(text, f"{origin}, run '{run}'")
        for run, text in texts.items()
        if text.startswith("{")
    }


def with_noise_in_tokens(series: Sequence[Trajectory], cube: xr.Dataset, origin: str = "the cube") -> list[Trajectory]:
    """Return series whose noise is measured in tokens where their run's checkpoints were adaptive.

    Parameters
    ----------
    series : sequence of Trajectory
        Series of the cube.
    cube : xarray.Dataset
        A validated cube.
    origin : str
        How errors call the source.

    Raises
    ------
    UserError
        As :func:`designs_of`.
    """
    designs = designs_of(cube, origin)
    tokens = {run: np.asarray(cube["tokens"].sel(run=run), float) for run in designs}
    return [noise_in_tokens(t, tokens[t.run], designs[t.run].rule.planned) if t.run in designs else t for t in series]


def noise_in_tokens(t: Trajectory, tokens: Array, planned: Sequence[int]) -> Trajectory:
    """Return a series whose noise forgets with tokens, never with checkpoints.

    Otherwise either may be: but further checkpoints stand close together, and noise of training does not change faster
    because it is looked at more often. The unit is the usual way to or from a further checkpoint (the shortest one
    would be too short for the memory that noise can be given, and called steady growth late in .10 of series).

    Parameters
    ----------
    t : Trajectory
    tokens : array
        Checkpoints of its run, also those at which this series has no score; NaN at the end of a ragged run.
    planned : sequence of int
        Tokens of the planned checkpoints.
    """
    tokens = tokens[np.isfinite(tokens)]
    further = ~np.isin(tokens, np.array(planned, float))
    gaps = np.diff(tokens)[further[1:] | further[:-1]]
    if not len(gaps):
        return t
    unit = float(np.median(gaps))
    # as if checkpoints stood a unit apart, wherever there are some
    return replace(t, places=np.round(t.tokens / unit, 6), spacing=unit)
