"""The record of an adaptive schedule: the rule, and what it decided when, from the cube and back."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import xarray as xr

from data.errors import UserError
from phases.densify import Decision, Prior, Rule

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
