"""Adaptive checkpoints of one run: decided at every planned one, recorded with its row, never decided twice.

The rule is ``calque.phases.adaptive.rule``. Its decision at a planned checkpoint is written into ``run.nc`` together
with that checkpoint's row, in one atomic step and before training continues. A run that is killed at any moment reads
its decisions there and takes the same checkpoints again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from calque.data import cube
from calque.data.cube import CHECKPOINT_KINDS
from calque.data.cube.run_file import RunFile
from calque.data.errors import UserError
from calque.data.metrics import COUNTED, METRICS, VARIABLES
from calque.phases.adaptive.record import VARIABLE, AdaptiveDesign, designs_of
from calque.phases.adaptive.rule import Decision, Prior, Rule, Seen
from calque.phases.series.metrics import trajectories
from calque.phases.settings import Settings
from calque.sweeps.study.run_config import RunConfig

PLANNED, FURTHER = (CHECKPOINT_KINDS.index(kind) for kind in ("planned", "further"))
DIMS: dict[str, tuple[str, ...]] = {
    "checkpoint_kind": (), "forecast_takeoff": (), "forecast_takeoff_low": (), "forecast_takeoff_high": ()
}  # fmt: skip
"""Additional variables of a checkpoint in a run with adaptive checkpoints, and their dimensions."""
SCORES = tuple(v for v in VARIABLES if any(v in METRICS[name].variables for name in COUNTED))
"""Scored variables from which the metrics that can be watched are computed."""


class AdaptiveSteps:
    """The adaptive checkpoints of one run.

    Parameters
    ----------
    config : RunConfig
        With ``checkpoints.adaptive``.
    file : RunFile
        The run's cube; decisions in it are final.
    forecast : callable
        Returns the forecast of the takeoff from smaller runs, or None. It is recorded with the decision.
    recorded : str, optional
        The record of a run that is repeated: its decisions are taken over.

    Raises
    ------
    UserError
        When a record is damaged or of another schedule.
    """

    def __init__(
        self, config: RunConfig, file: RunFile, forecast: Callable[[], Prior | None], recorded: str | None = None
    ) -> None:
        assert config.checkpoints.adaptive is not None
        self.settings, self.file, self.forecast = config.checkpoints.adaptive, file, forecast
        self.steps, self.grain = config.checkpoint_steps(), config.training.tokens_per_step
        rule = Rule(
            planned=tuple(step * self.grain for step in self.steps), grain=self.grain, budget=self.settings.budget,
            rise=Settings().rise,
        )  # fmt: skip
        self.design = AdaptiveDesign(metric=self.settings.metric, rule=rule)
        self.repeated = None if recorded is None else self._checked(AdaptiveDesign.from_json(recorded), "the cube")
        if file.kept is not None:
            kept = designs_of(file.kept, str(file.path)).get(config.name)
            if kept is not None:
                self.design = self._checked(kept, str(file.path))
        self._record()

    @classmethod
    def of_run(
        cls, config: RunConfig, n: int, file: RunFile, results: Path, recorded: str | None = None
    ) -> AdaptiveSteps:
        """Return the adaptive checkpoints of a run in a results root.

        Parameters
        ----------
        config : RunConfig
            With ``checkpoints.adaptive``.
        n : int
            Non-embedding parameters.
        file : RunFile
            The run's cube.
        results : Path
            The results root with the run's siblings.
        recorded : str, optional
            The record of a run that is repeated.

        Raises
        ------
        UserError
            When a record is damaged or of another schedule.
        """
        from calque.sweeps.trial.siblings import Siblings

        settings = config.checkpoints.adaptive
        alone = settings is None or not settings.siblings
        return cls(config, file, (lambda: None) if alone else Siblings(config, n, results), recorded)

    def _checked(self, design: AdaptiveDesign, origin: str) -> AdaptiveDesign:
        if (design.metric, design.rule) != (self.design.metric, self.design.rule):
            raise UserError(
                f"{origin} holds adaptive checkpoints of another schedule or version; choose another results folder"
            )
        return design

    def row(self, step: int, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables :data:`DIMS` of a checkpoint; at a planned one, decide on the next adaptive ones.

        Parameters
        ----------
        step : int
            Optimizer steps taken.
        row : mapping
            The checkpoint's other variables, as in the cube.
        """
        if step not in self.steps:
            return {"checkpoint_kind": np.int8(FURTHER), **dict.fromkeys(list(DIMS)[1:], math.nan)}
        decision = self.design.at(step * self.grain)
        if decision is None:
            decision = self._repeated(step) or self._decide(step, row)
            decisions = sorted((*self.design.decisions, decision), key=lambda one: one.tokens)
            self.design = replace(self.design, decisions=tuple(decisions))
            self._record()
        return {
            "checkpoint_kind": np.int8(PLANNED), "forecast_takeoff": decision.median,
            "forecast_takeoff_low": decision.low, "forecast_takeoff_high": decision.high,
        }  # fmt: skip

    def further(self, step: int) -> tuple[int, ...]:
        """Return the steps of adaptive checkpoints between the planned ``step`` and the next planned one."""
        decision = self.design.at(step * self.grain)
        return () if decision is None else tuple(tokens // self.grain for tokens in decision.extra)

    def all(self) -> tuple[int, ...]:
        """Return the steps of all checkpoints known by now, planned and adaptive."""
        return tuple(sorted({*self.steps, *(extra for step in self.steps for extra in self.further(step))}))

    def _repeated(self, step: int) -> Decision | None:
        return None if self.repeated is None else self.repeated.at(step * self.grain)

    def _decide(self, step: int, row: Mapping[str, Any]) -> Decision:
        left = self.settings.budget - sum(len(one.extra) for one in self.design.decisions)
        return self.design.rule.decide(step * self.grain, self._seen(step, row), left, self.forecast())

    def _seen(self, step: int, row: Mapping[str, Any]) -> Seen:
        """Return the curve up to a checkpoint; later rows, which a resumed run may have, are left out."""
        rows = {s: kept for s, kept in self.file.rows.items() if s < step} | {step: row}
        order = sorted(rows)
        values: dict[str, Any] = {"tokens": (("run", "checkpoint"), [[float(s * self.grain) for s in order]])}
        for name in SCORES:
            stacked = np.stack([np.asarray(rows[s][name]) for s in order])[None]
            values[name] = (("run", "checkpoint", *self.file.dims[name]), stacked)
        try:
            found = trajectories(self.file.static.assign(values), [self.settings.metric])
        except UserError:  # the metric was not scored
            found = []
        if not found:
            return Seen(tokens=np.empty(0), score=np.empty(0), trials=np.empty(0))
        return Seen(tokens=found[0].tokens, score=found[0].y, trials=found[0].effective_trials)

    def _record(self) -> None:
        self.file.static = self.file.static.assign({VARIABLE: ("run", [self.design.to_json()])})
        self.file.static[VARIABLE].attrs = cube.ATTRIBUTES[VARIABLE]
