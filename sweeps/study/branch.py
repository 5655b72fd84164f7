"""Where a run leaves another one: a checkpoint of its stable phase, from which it decays at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from calque.data.errors import UserError, shown

if TYPE_CHECKING:
    from calque.sweeps.study.run_config import RunConfig

KEY = "from"
"""Of a study file; a field of Python cannot be called so."""
OWN_TRAINING = frozenset({
    "tokens", "decay_fraction", "keep_weights", "keep_states", "devices", "strategy", "micro_batch_size",
    "activation_checkpointing", "threads", "compile", "tensorboard", "profile", "attribution",
})  # fmt: skip
"""Keys of training in which a branch may differ from its run: none changes a step that both have."""
OWN = frozenset({"name", "branch", "training", "checkpoints", "evaluation"})
"""Keys of a run in which it may."""
NEAREST = 3


@dataclass(frozen=True, kw_only=True)
class Branch:
    """Where a run leaves another one, with which it has all steps before in common.

    Attributes
    ----------
    run : str
        The other run of the study.
    step : int
        Optimizer steps they have in common; a planned checkpoint of the other.
    """

    run: str
    step: int


def read_branch(value: Any) -> Branch:
    """Return the branch that the ``value`` of the key ``from`` says.

    Raises
    ------
    UserError
        When it is no mapping of ``run`` and ``step``.
    """
    keys = ("run", "step")
    if not isinstance(value, dict) or set(value) != set(keys):
        raise UserError(f"from is {shown(value)}; expected a run and a step of it, such as {{run: first, step: 4000}}")
    run, step = (value[key] for key in keys)
    if not isinstance(run, str) or type(step) is not int or step < 1:
        raise UserError(f"from is {shown(value)}; expected the name of a run, and a step of 1 or more")
    return Branch(run=run, step=step)


def check_branch(run: RunConfig, parent: RunConfig) -> None:
    """Refuse a branch that does not go on where its parent stands.

    Parameters
    ----------
    run : RunConfig
        With a branch.
    parent : RunConfig

    Raises
    ------
    UserError
        Whose place is the key.
    """
    assert run.branch is not None
    step, of = run.branch.step, parent.training
    for name in sorted(set(asdict(run)) - OWN):
        if getattr(run, name) != getattr(parent, name):
            raise UserError(f"a branch goes on with run '{parent.name}', and cannot change '{name}'; drop it").at(name)
    for name in sorted(set(asdict(of)) - OWN_TRAINING):
        if getattr(run.training, name) != getattr(of, name):
            raise UserError(
                f"a branch goes on with run '{parent.name}', and cannot change 'training.{name}'; drop it"
            ).at("training", name)
    warmup, decay = of.warmup_tokens // of.tokens_per_step, of.steps - round(of.decay_fraction * of.steps)
    planned = [one for one in parent.checkpoint_steps() if warmup <= one <= decay and one]
    if step not in planned:
        near = ", ".join(map(str, sorted(sorted(planned, key=lambda one: abs(one - step))[:NEAREST]))) or "none"
        raise UserError(
            f"from.step is {step}; expected a checkpoint of run '{parent.name}' in its stable phase, steps {warmup} to "
            f"{decay}; the nearest: {near}"
        ).at(KEY)
    if run.training.steps <= step:
        raise UserError(
            f"training.tokens is {run.training.tokens}, of {run.training.steps} steps; expected more than the {step} "
            f"steps at which the branch begins, {step * of.tokens_per_step} tokens"
        ).at("training", "tokens")
