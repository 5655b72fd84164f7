"""The record of an adaptive schedule in the cube, and the noise model of series with such a schedule."""

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
        Metric whose takeoff the rule watches.
    rule : Rule
        Planned checkpoints, budget and limits.
    decisions : tuple of Decision
        One for each planned checkpoint so far, in order.
    """

    metric: str
    rule: Rule
    decisions: tuple[Decision, ...] = ()

    def at(self, tokens: float) -> Decision | None:
        """Return the decision at the planned checkpoint of ``tokens``; None where there is none."""
        return next((decision for decision in self.decisions if decision.tokens == tokens), None)

    def until(self, tokens: float) -> AdaptiveDesign:
        """Return the record with the decisions up to ``tokens`` alone."""
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
            Name of the source in errors.

        Raises
        ------
        UserError
            When the record is damaged, or of another version.
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
    """Return the records of a cube by run; runs with a schedule fixed in advance have none.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube.
    origin : str
        Name of the cube in errors.

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
        Name of the cube in errors.

    Raises
    ------
    UserError
        As :func:`designs_of`.
    """
    designs = designs_of(cube, origin)
    tokens = {run: np.asarray(cube["tokens"].sel(run=run), float) for run in designs}
    return [noise_in_tokens(t, tokens[t.run], designs[t.run].rule.planned) if t.run in designs else t for t in series]


def noise_in_tokens(t: Trajectory, tokens: Array, planned: Sequence[int]) -> Trajectory:
    """Return a series whose noise has its autocorrelation over tokens, never over checkpoints.

    For a fixed schedule either is possible. But additional checkpoints stand close together, and the noise of training
    does not decorrelate faster when it is measured more often. The unit of distance is the median distance to or from
    an additional checkpoint. (With the shortest one, the autocorrelations on the grid reach too few tokens: the delay
    test then rejected .10 of series with steady growth.)

    Parameters
    ----------
    t : Trajectory
        The series.
    tokens : array, shape (m,)
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
    # both distances of the noise model, over checkpoints and over tokens, are then in units of tokens
    return replace(t, places=np.round(t.tokens / unit, 6), spacing=unit)
