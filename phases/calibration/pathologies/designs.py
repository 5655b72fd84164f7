"""What misleads a detector, as designs: a curve, its noise and its log, and what the report must say of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from calque.phases.calibration.curves import CURVES, TrueCurve
from calque.phases.calibration.draws import TOKENS, NoiseSpec, Spacing
from calque.phases.calibration.pathologies import curves

Kind = Literal["nothing", "even", "late", "power"]
BASE = NoiseSpec()
CALMING = replace(BASE, sd=0.65, calm=0.05)
PERSISTENT = replace(BASE, rho=0.98)
QUIET = NoiseSpec(rho=0.3, sd=0.15)


@dataclass(frozen=True, kw_only=True)
class Pathology:
    """A design, and what its series are.

    Attributes
    ----------
    name : str
        ``kind of trouble/what``.
    curve : TrueCurve
        Expected score over the run.
    kind : {"nothing", "even", "late", "power"}
        Nothing rises; growth without a delayed start; growth that may be called late, with a takeoff to be located;
        growth that must be called late in a share ``power`` of series.
    schedule : str, optional
        What is known of the schedule, as ``phases detect --schedule`` takes it.
    loosely : bool
        Whether the noise is such that coverage of .90 is enough.
    power : float
        See ``kind``; the least share, .8 of what the best possible test finds (``tests.benchmarks.efficiency``).
    """

    name: str
    curve: TrueCurve
    kind: Kind
    spacing: Spacing = "uniform"
    checkpoints: int = 100
    trials: int = 125
    noise: NoiseSpec = field(default_factory=NoiseSpec)
    schedule: str | None = None
    loosely: bool = False
    power: float = 0.0


def pathologies() -> Iterator[Pathology]:
    """Yield the designs: falls, repeated values, persistent and calming noise, dips, changes of the schedule, power."""
    for curve in curves.FALLS:
        kind = curve.name.replace(" ", "-")
        plain = Pathology(name=f"falls/{kind}", curve=curve, kind="nothing")
        yield plain
        yield replace(plain, name=f"falls/{kind}/pythia", spacing="pythia", checkpoints=27)
        yield replace(plain, name=f"falls/{kind}/rho-0.9", noise=replace(BASE, rho=0.9))
    for name, noise in (("held", replace(BASE, held=4)), ("listed-twice", replace(BASE, listed=2))):
        yield Pathology(name=f"repeated/flat/{name}", curve=CURVES["flat"], kind="nothing", noise=noise)
        yield Pathology(name=f"repeated/linear/{name}", curve=CURVES["linear"], kind="even", noise=noise)
    yield Pathology(name="repeated/sharp/held", curve=CURVES["sharp"], kind="late", noise=replace(BASE, held=4))
    for name, noise in (("persistent", PERSISTENT), ("calming", CALMING)):
        yield Pathology(name=f"noise/flat/{name}", curve=CURVES["flat"], kind="nothing", noise=noise)
        for growth in ("linear", "power-law"):
            yield Pathology(name=f"noise/{growth}/{name}", curve=CURVES[growth], kind="even", noise=noise, loosely=True)
        yield Pathology(name=f"noise/sharp/{name}", curve=CURVES["sharp"], kind="late", noise=noise, loosely=True)
    yield Pathology(name="dip/saturating", curve=curves.DIP_SATURATING, kind="even")
    yield Pathology(name="dip/back", curve=curves.DIP_BACK, kind="even")
    yield Pathology(name="dip/late", curve=curves.DIP_LATE, kind="late")
    yield Pathology(
        name="schedule/anneal", curve=curves.JUMP, kind="even", schedule=f"decay@{curves.ANNEAL * TOKENS:.0f}"
    )
    yield Pathology(
        name="schedule/batch-halved", curve=curves.HALF, kind="even", schedule=f"batch@{curves.HALVED * TOKENS:.0f}"
    )
    for name, curve, power in (("sciq", curves.SCIQ, 0.61), ("sciq-steep", curves.SCIQ_STEEP, 0.8)):
        yield Pathology(name=f"power/{name}/pythia", curve=curve, kind="power", power=power, spacing="pythia",
                        checkpoints=27, trials=1000, noise=QUIET)  # fmt: skip
    yield Pathology(name="power/smooth-late/even", curve=curves.SMOOTH_LATE, kind="power", power=0.79, noise=QUIET)
    yield Pathology(name="power/smooth-late/even-loud", curve=curves.SMOOTH_LATE, kind="power", power=0.34)
