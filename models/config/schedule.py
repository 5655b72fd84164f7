"""The schedule of checkpoints, and that of the learning rate (warmup-stable-decay)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from calque.data.errors import UserError
from calque.data.quantities import Count
from calque.models.config.adaptive import Adaptive

MOST_CHECKPOINTS = 100_000


@dataclass(frozen=True, kw_only=True)
class CheckpointSchedule:
    """Training positions, in tokens, of the checkpoints: the union of the parts below.

    Attributes
    ----------
    every : int, optional
        Tokens from one checkpoint to the next.
    log_spaced : int, optional
        Number of checkpoints evenly spaced in log tokens, from ``first`` to the end of training.
    first : int, optional
        Where the log-spaced series begins; by default a thousandth of the training tokens.
    explicit : tuple of int
        Further positions.
    initial : bool
        Whether the untrained model (position 0) is a checkpoint too: the floor of every curve.
    adaptive : Adaptive, optional
        Checkpoints that are decided during training; :meth:`steps` does not contain them.
    """

    every: Count | None = None
    log_spaced: int | None = None
    first: Count | None = None
    explicit: tuple[Count, ...] = ()
    initial: bool = True
    adaptive: Adaptive | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("every", "log_spaced", "first"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"checkpoints.{name} is {value}; expected 1 or more")
        if self.log_spaced is not None and self.log_spaced > MOST_CHECKPOINTS:
            raise UserError(f"checkpoints.log_spaced is {self.log_spaced}; expected at most {MOST_CHECKPOINTS}")
        if any(tokens < 0 for tokens in self.explicit):
            raise UserError(f"checkpoints.explicit holds {min(self.explicit)}; expected tokens from 0 up")

    def steps(self, total_tokens: int, tokens_per_step: int) -> tuple[int, ...]:
        """Return the optimizer steps of the checkpoints: ascending, unique, the last step included.

        Parameters
        ----------
        total_tokens, tokens_per_step : int
            Length of training, and batch x context.

        Raises
        ------
        UserError
            When a position is beyond the end of training, or there are too many.
        """
        last = total_tokens // tokens_per_step
        wanted = {last} | ({0} if self.initial else set())
        if self.every:
            if total_tokens // self.every > MOST_CHECKPOINTS:
                raise UserError(
                    f"checkpoints.every is {self.every}: {total_tokens // self.every} checkpoints in {total_tokens} "
                    f"tokens; expected at most {MOST_CHECKPOINTS}"
                )
            wanted |= {round(k * self.every / tokens_per_step) for k in range(1, total_tokens // self.every + 1)}
        if self.log_spaced:
            first = self.first or max(tokens_per_step, total_tokens // 1000)
            wanted |= {round(t / tokens_per_step) for t in np.geomspace(first, total_tokens, self.log_spaced)}
        beyond = [tokens for tokens in self.explicit if tokens > total_tokens]
        if beyond:
            raise UserError(f"checkpoints.explicit holds {beyond[0]} tokens, beyond training's {total_tokens}; drop it")
        wanted |= {round(tokens / tokens_per_step) for tokens in self.explicit}
        return tuple(sorted(step for step in wanted if (step > 0 or self.initial) and step <= last))


def warmup_stable_decay(step: int, *, steps: int, warmup: int, decay: int, final: float = 0.0) -> float:
    """Return the learning-rate factor at ``step``: linear up, constant, then linear down to ``final``.

    Parameters
    ----------
    step, steps : int
        Steps taken and steps in total.
    warmup, decay : int
        Lengths of the first and the last phase, in steps.
    final : float
        Factor at the last step.
    """
    up = min(1.0, (step + 1) / max(1, warmup))
    down = 1.0 if decay <= 0 else final + (1 - final) * min(1.0, (steps - step) / decay)
    return min(up, down) if math.isfinite(up) else down
