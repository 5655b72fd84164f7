"""Values of a study that are possible but that nobody means: said before anything starts, never refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from calque.data import processes
from calque.data.quantities import format_count, plural
from calque.models.config.training import FLOAT8
from calque.sweeps.plan.placement import MOST_THREADS_A_CORE
from calque.sweeps.study.run_config import RunConfig

USUAL: dict[str, tuple[float, float]] = {
    "learning_rate": (1e-6, 0.1),
    "weight_decay": (0.0, 1.0),
    "beta1": (0.5, 1.0),
    "beta2": (0.8, 1.0),
    "epsilon": (1e-16, 1e-4),
    "gradient_clip": (0.01, 100.0),
    "z_loss": (0.0, 0.1),
    "context": (16, 131_072),
}
"""Of a key of ``training``, the least and the most that studies use, generously; 0 switches some of them off."""
OFF = ("gradient_clip",)
"""Keys whose 0 means that there is none."""
FEWEST_STEPS = 100
MOST_WARMUP = 0.5
"""Share of training after which warmup leaves too little."""
TOKENS_A_PARAMETER = (0.1, 20_000.0)


def doubts(runs: Sequence[RunConfig], here: bool, cores: int | None = None) -> tuple[str, ...]:
    """Return a sentence for each odd value of a study, with the runs that have it.

    Parameters
    ----------
    runs : sequence of RunConfig
        Of the study.
    here : bool
        Whether the runs are meant for the CPUs of this machine.
    cores : int, optional
        Of this machine; counted when None.
    """
    have: dict[str, list[str]] = {}
    for run in runs:
        odd = [*_of_training(run), *_of_size(run), *(_of_threads(run, cores or processes.cores()) if here else ())]
        for sentence in odd:
            have.setdefault(sentence, []).append(run.name)
    return tuple(f"{sentence} ({_some(names, len(runs))})" for sentence, names in have.items())


def _of_training(run: RunConfig) -> Iterator[str]:
    training = run.training
    for name, (least, most) in USUAL.items():
        value = getattr(training, name)
        if not least <= value <= most and not (name in OFF and value == 0):
            yield f"training.{name} is {value:g}; usual is {least:g} to {most:g}"
    if training.precision == FLOAT8:
        yield (
            f"training.precision is '{FLOAT8}', whose speed and memory were not measured on any device: hours and "
            "memory are those of bf16-mixed"
        )
    if training.steps < FEWEST_STEPS:
        yield f"training has {plural(training.steps, 'step')}; usual is {FEWEST_STEPS} at least"
    share = training.warmup_tokens / training.tokens
    if share > MOST_WARMUP:
        yield f"training.warmup_tokens is {share:.0%} of training.tokens; usual is {MOST_WARMUP:.0%} at most"


def _of_size(run: RunConfig) -> Iterator[str]:
    n = run.decoder(run.vocab_size()).n_params_non_embedding
    ratio, (least, most) = run.training.tokens / n, TOKENS_A_PARAMETER
    if not least <= ratio <= most:
        yield (
            f"training.tokens is {format_count(run.training.tokens)} for {format_count(n)} non-embedding parameters, "
            f"{ratio:.2g} a parameter; usual is {least:g} to {most:,.0f}"
        )


def _of_threads(run: RunConfig, cores: int) -> Iterator[str]:
    threads = run.training.threads * run.training.devices
    if threads > MOST_THREADS_A_CORE * cores:
        yield (
            f"training.threads x training.devices is {plural(threads, 'thread')}, and this machine has "
            f"{plural(cores, 'core')}: at most {MOST_THREADS_A_CORE} a core are started here"
        )
    elif threads > cores:
        yield (
            f"training.threads x training.devices is {plural(threads, 'thread')}, and this machine has "
            f"{plural(cores, 'core')}: they share its cores"
        )


def _some(names: Sequence[str], total: int) -> str:
    if len(names) == total and total > 1:
        return "all runs"
    return names[0] if len(names) == 1 else f"{names[0]} and {plural(len(names) - 1, 'other run')}"
