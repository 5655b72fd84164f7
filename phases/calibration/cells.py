"""The standard suite as data: one cell a design, with targets for its figures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from calque.data.errors import UserError, nearest
from calque.phases.calibration.curves import CONCAVE, CURVES, TrueCurve, aligned, later
from calque.phases.calibration.draws import NoiseSpec, Spacing
from calque.phases.calibration.outcomes import Ask
from calque.phases.calibration.pathologies.designs import Pathology, pathologies

SUITE = 1
"""Version of the suite: results of another version are not mixed with this one's."""
LAG = 0.14
"""Decades between the two takeoffs of the cells that measure the power of a lag."""


@dataclass(frozen=True)
class Target:
    """A figure and its target bounds; both are None where the figure is shown without a target."""

    figure: str
    low: float | None = None
    high: float | None = None

    @property
    def text(self) -> str:
        """The bounds as people write them."""
        if self.low is not None and self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        if self.low is not None:
            return f">= {self.low:g}"
        return f"<= {self.high:g}" if self.high is not None else "–"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One design, simulated many times.

    Attributes
    ----------
    name : str
        ``estimand/question/what``; patterns of :func:`chosen` match it.
    ask : {"delay", "takeoff", "peak", "lag", "crossover", "report"}
        The tests alone; tests and locations of one series; its peak and decline; the lag, or the crossover, of two;
        what the report says of a log.
    curve, second : TrueCurve
        True curve, and that of the second series of a lag or a crossover.
    trials : int
        Trials a checkpoint: concepts, where a design has items.
    shared : float
        Correlation of the two shifts of a lag.
    noise_second : NoiseSpec, optional
        Noise of the second series where it differs.
    schedule : str, optional
        What a report knows of the schedule.
    """

    name: str
    ask: Ask
    curve: TrueCurve
    targets: tuple[Target, ...]
    spacing: Spacing = "uniform"
    checkpoints: int = 200
    trials: int = 125
    noise: NoiseSpec = field(default_factory=NoiseSpec)
    second: TrueCurve | None = None
    noise_second: NoiseSpec | None = None
    shared: float = 0.0
    replicates: int = 1000
    schedule: str | None = None

    @property
    def digest(self) -> str:
        """Hash of the design: results of a design that has changed are not used."""
        second = None if self.second is None else (self.second.name, self.second.about)
        design = (self.ask, self.curve.name, self.curve.about, second, self.spacing, self.checkpoints, self.trials,
                  self.noise, self.noise_second, self.shared, self.schedule)  # fmt: skip
        return hashlib.sha256(repr(design).encode()).hexdigest()[:12]


BASE = NoiseSpec()
SIZE = (Target("rejected", high=0.07),)
COVERED = Target("coverage", 0.92, 0.98)
COVERED_LOOSELY = Target("coverage", 0.90)
HELD_BOUND = Target("overstated", high=0.07)


def _sizes() -> Iterator[Cell]:
    """Size of the delay test: every concave curve at three rho; three of them in every other design."""
    for curve in CONCAVE:
        for rho in (0.0, 0.6, 0.9):
            yield Cell(name=f"delay/size/{curve.name}/rho-{rho:g}", ask="delay", curve=curve, targets=SIZE,
                       noise=replace(BASE, rho=rho))  # fmt: skip
    for name in ("linear", "power-law", "rational"):
        plain = Cell(name=f"delay/size/{name}", ask="delay", curve=CURVES[name], targets=SIZE)
        yield replace(plain, name=f"{plain.name}/beta-binomial", noise=replace(BASE, icc=0.01))
        yield replace(plain, name=f"{plain.name}/concepts", noise=replace(BASE, each=8, lasting=0.7))
        yield replace(plain, name=f"{plain.name}/log-spaced", spacing="log")
        yield replace(plain, name=f"{plain.name}/40-checkpoints", checkpoints=40)
        yield replace(plain, name=f"{plain.name}/400-checkpoints", checkpoints=400)


POWER = (
    ("sharp", BASE, (Target("rejected", 0.97), Target("steep", 0.95))),
    ("stick", BASE, (Target("rejected", 0.97), Target("steep", 0.80))),
    ("gradual-1.7", BASE, (Target("rejected", 0.97), Target("steep"))),
    ("stick", replace(BASE, rho=0.9), (Target("rejected", 0.70), Target("steep"))),
    ("weak", BASE, (Target("rejected", 0.40), Target("steep"))),
)
"""Curve, noise and targets of the delay test's power; the same series answer for takeoff."""
TAKEOFFS = ("sharp", "power-law", "gradual-1.3", "gradual-1.7", "gradual-2.5", "stick", "peak", "two-phase", "weak",
            "probit", "waves", "step", "pre-rise")  # fmt: skip
WIDTHS = {"sharp": (Target("width", high=0.06),), "stick": (Target("width", high=0.12),)}
T50 = {"two-phase": (Target("t50_coverage", 0.92, 0.98),), "waves": (Target("t50_coverage"),)}


def _takeoffs() -> Iterator[Cell]:
    """Takeoff of every curve at rho = .6, then other designs; the delay test's power has its targets here."""
    power = {(name, noise.rho): targets for name, noise, targets in POWER}
    shown = (Target("rejected"),)
    for name in TAKEOFFS:
        targets = (COVERED, *WIDTHS.get(name, (Target("width"),)), *T50.get(name, ()), *power.get((name, 0.6), shown))
        yield Cell(name=f"takeoff/{name}/rho-0.6", ask="takeoff", curve=CURVES[name], targets=targets)
    for name in ("sharp", "stick", "gradual-1.7", "peak"):
        targets = (COVERED_LOOSELY, Target("width"), *power.get((name, 0.9), shown))
        yield Cell(name=f"takeoff/{name}/rho-0.9", ask="takeoff", curve=CURVES[name], targets=targets,
                   noise=replace(BASE, rho=0.9))  # fmt: skip
    plain = (COVERED, Target("width"), *shown)
    sharp = Cell(name="takeoff/sharp/missing-0.2", ask="takeoff", curve=CURVES["sharp"], targets=plain,
                 noise=replace(BASE, missing=0.2))  # fmt: skip
    yield sharp
    yield replace(sharp, name="takeoff/sharp/40-checkpoints", checkpoints=40, noise=BASE)
    yield replace(sharp, name="takeoff/sharp/40-trials", trials=40, noise=BASE)


def _elasticities() -> Iterator[Cell]:
    """Delayed growth of finite elasticity: the bound must not lie above it."""
    for name in ("log-logistic-1.5", "log-logistic-2", "cloglog-2", "square"):
        yield Cell(name=f"delay/elasticity/{name}", ask="delay", curve=CURVES[name],
                   targets=(HELD_BOUND, Target("rejected")))  # fmt: skip


LOUD = replace(BASE, sd=0.6)
QUIET = replace(BASE, sd=0.2)
SIMULTANEOUS = aligned(CURVES["gradual-1.7"], CURVES["sharp"])
"""Of another shape than ``sharp``, and taking off when it does."""


def _lags() -> Iterator[Cell]:
    """Two series of one run, at the same time and ``LAG`` decades apart."""
    designs: tuple[tuple[str, TrueCurve, TrueCurve, NoiseSpec, NoiseSpec, float], ...] = (
        ("independent", CURVES["sharp"], CURVES["sharp"], BASE, BASE, 0.0),
        ("shared-shocks", CURVES["sharp"], CURVES["sharp"], BASE, BASE, 0.7),
        ("threefold-noise", CURVES["sharp"], CURVES["sharp"], QUIET, LOUD, 0.0),
        ("shapes", CURVES["sharp"], SIMULTANEOUS, BASE, BASE, 0.0),
    )
    for what, first, second, noise, other, shared in designs:
        null = Cell(
            name=f"lag/size/{what}", ask="lag", curve=first, second=second, noise=noise, noise_second=other,
            shared=shared, targets=(Target("rejected", high=0.07), COVERED, Target("width")),
        )  # fmt: skip
        yield null
        yield replace(null, name=f"lag/power/{what}", second=later(second, LAG),
                      targets=(Target("rejected", 0.95), COVERED, Target("width")))  # fmt: skip
    for name in ("stick", "weak"):  # where the law of the likelihood ratio is farthest from its limit
        yield Cell(name=f"lag/size/{name}", ask="lag", curve=CURVES[name], second=CURVES[name],
                   targets=(Target("rejected", high=0.07), COVERED, Target("width")))  # fmt: skip


def _peaks() -> Iterator[Cell]:
    """Peak and decline of scores that come down again."""
    held = (Target("peak_coverage", 0.92, 0.98), Target("decline_coverage", 0.92, 0.98), Target("peak_width"),
            Target("decline_width"), Target("reported"))  # fmt: skip
    loosely = (Target("peak_coverage", 0.90), Target("decline_coverage", 0.90), *held[2:])
    for name in ("peak", "narrow", "slight", "tent"):
        plain = Cell(name=f"peak/{name}/rho-0.6", ask="peak", curve=CURVES[name], targets=held)
        yield plain
        if name == "peak":
            yield replace(plain, name="peak/peak/rho-0.9", noise=replace(BASE, rho=0.9), targets=loosely)
            yield replace(plain, name="peak/peak/log-spaced", spacing="log")
            yield replace(plain, name="peak/peak/40-checkpoints", checkpoints=40)


def _crossovers() -> Iterator[Cell]:
    """One score overtakes another."""
    copying, translation = CURVES["peak"], CURVES["probit"]
    plain = Cell(name="crossover/independent", ask="crossover", curve=copying, second=translation,
                 targets=(COVERED, Target("width")))  # fmt: skip
    yield plain
    yield replace(plain, name="crossover/shared-shocks", shared=0.7)
    yield replace(
        plain, name="crossover/rho-0.9", noise=replace(BASE, rho=0.9), targets=(COVERED_LOOSELY, Target("width"))
    )
    yield replace(plain, name="crossover/growing", curve=CURVES["weak"], second=CURVES["square"])


def _pathologies() -> Iterator[Cell]:
    """Yield what the report is asked about logs that mislead."""
    for p in pathologies():
        yield Cell(name=f"pathology/{p.name}", ask="report", curve=p.curve, targets=_held(p), spacing=p.spacing,
                   checkpoints=p.checkpoints, trials=p.trials, noise=p.noise, schedule=p.schedule)  # fmt: skip


def _held(p: Pathology) -> tuple[Target, ...]:
    late, placed = Target("late", high=0.07), Target("covered_if_reported", 0.92, 0.98)
    placed = Target("covered_if_reported", 0.90) if p.loosely else placed
    return {
        "nothing": (late, Target("reported", high=0.05)), "even": (late, placed), "late": (Target("late"), placed),
        "power": (Target("late", p.power), placed),
    }[p.kind]  # fmt: skip


STANDARD: tuple[Cell, ...] = (
    *_sizes(), *_elasticities(), *_takeoffs(), *_peaks(), *_lags(), *_crossovers(), *_pathologies()
)  # fmt: skip
SUITES = {"standard": STANDARD}


def chosen(suite: str, patterns: Iterable[str] = ()) -> tuple[Cell, ...]:
    """Return the cells of a suite whose names match any of the shell-style ``patterns``; all of them without one.

    Raises
    ------
    UserError
        For an unknown suite, or a pattern that matches no cell.
    """
    if suite not in SUITES:
        raise UserError(f"`suite` is '{suite}'; expected {', '.join(SUITES)}" + nearest(suite, tuple(SUITES)))
    cells, patterns = SUITES[suite], tuple(patterns)
    for pattern in patterns:
        if not any(fnmatchcase(cell.name, pattern) for cell in cells):
            names = tuple(cell.name for cell in cells)
            raise UserError(f"`cells` has '{pattern}'; no cell has that name" + nearest(pattern, names))
    return tuple(c for c in cells if not patterns or any(fnmatchcase(c.name, p) for p in patterns))
