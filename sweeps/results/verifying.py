"""Whether the weights that runs left behind are those they wrote: at a glance, or every byte. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from calque.data import cube
from calque.data.errors import UserError
from calque.models.checkpoints.digests import digest_of
from calque.models.config.retention import kept_steps
from calque.sweeps.results.progress import read_progress, run_folder
from calque.sweeps.study.run_config import RunConfig

NAME = "step-{:08d}.safetensors"
REMEDY = (
    "what the cube holds was measured before and stands; to have the weights again, repeat the run elsewhere: "
    "sweeps trial --from results.nc --run NAME --results FOLDER (on a CPU bit for bit)"
)
Tell = Callable[[str, int, int], None]
"""Called with what is read, how many files are done, and of how many."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A file that is not what its run wrote.

    Attributes
    ----------
    run : str
    step : int or None
        Of the weights; None for the run's cube itself.
    file, what : str
    """

    run: str
    step: int | None
    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.run}: {self.file} {self.what}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What a look at the weights of runs gave.

    Attributes
    ----------
    files, checked_bytes : int
        Looked at.
    faults : tuple of Fault
    """

    files: int
    checked_bytes: int
    faults: tuple[Fault, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        faults = [fault.to_dict() for fault in self.faults]
        return {"files": self.files, "bytes": self.checked_bytes, "faults": faults}


def glance(results: Path, runs: Iterable[RunConfig]) -> Verified:
    """Look for weights that are missing or not as large as their siblings, without reading them.

    Parameters
    ----------
    results : Path
        The results folder.
    runs : iterable of RunConfig
        Whose weights are looked at.
    """
    return _look(results, runs, lambda run, weights: _odd_sizes(weights))


def verify(results: Path, runs: Iterable[RunConfig], tell: Tell = lambda name, done, of: None) -> Verified:
    """Read all weights that runs keep, and compare their SHA-256 with those in the runs' cubes.

    Parameters
    ----------
    results : Path
        The results folder.
    runs : iterable of RunConfig
        Whose weights are read.
    tell : callable
        Called with the file that is read next, how many are done, and how many there are.
    """
    runs, done = list(runs), 0
    total = sum(len(_weights(run_folder(results, run))) for run in runs)

    def differing(run: str, weights: dict[int, _File]) -> dict[int, str]:
        nonlocal done
        found = {}
        for step, file in weights.items():
            tell(f"{run}, step {step}", done, total)
            done += 1
            with suppress(FileNotFoundError):  # no longer kept
                digest = digest_of(file.path)
                if digest != file.sha256:
                    found[step] = f"is damaged or was swapped (SHA-256 {digest[:12]}, expected {file.sha256[:12]})"
        return found

    return _look(results, runs, differing)


@dataclass(frozen=True, kw_only=True)
class _File:
    path: Path
    size: int
    sha256: str


def _look(
    results: Path, runs: Iterable[RunConfig], look: Callable[[str, dict[int, _File]], dict[int, str]]
) -> Verified:  # fmt: skip
    files, size = 0, 0
    faults: list[Fault] = []
    for config in runs:
        folder = run_folder(results, config)
        if not (folder / "run.nc").exists():
            continue
        done = read_progress(results, config).state == "done"
        try:
            sha256 = _on_record(folder / "run.nc")
        except UserError as error:
            faults.append(Fault(run=config.name, step=None, file="run.nc", what=f"cannot be read ({error})"))
            continue
        weights: dict[int, _File] = {}
        for step, path in _weights(folder).items():
            with suppress(FileNotFoundError):
                if step in sha256:
                    weights[step] = _File(path=path, size=path.stat().st_size, sha256=sha256[step])
        files, size = files + len(weights), size + sum(file.size for file in weights.values())
        odd = look(config.name, weights)
        if done:  # while it trains, files come and go
            wanted = kept_steps(config.training.keep_weights, sorted(sha256), config.checkpoint_steps())
            odd |= dict.fromkeys(wanted - set(weights), "is missing")
        faults += [
            Fault(run=config.name, step=step, file=f"weights/{NAME.format(step)}", what=odd[step])
            for step in sorted(odd)
        ]
    return Verified(files=files, checked_bytes=size, faults=tuple(faults))


def _on_record(path: Path) -> dict[int, str]:
    """Return the SHA-256 of the weights of every step in a run's cube."""
    steps, sums = cube.read_columns(path, ("step", "checkpoint_sha256"))
    return dict(zip(map(int, steps[0]), map(str, sums[0]), strict=True))


def _weights(folder: Path) -> dict[int, Path]:
    paths = sorted((folder / "weights").glob("step-*.safetensors"))
    return {int(path.stem.removeprefix("step-")): path for path in paths}


def _odd_sizes(weights: dict[int, _File]) -> dict[int, str]:
    usual = max((file.size for file in weights.values()), default=0)
    return {
        step: f"is cut short ({file.size} bytes, its siblings {usual})"
        for step, file in weights.items()
        if file.size < usual
    }
