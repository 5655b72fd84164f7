"""The hardware of a cost estimate: its peak, its memory, and the share of the peak that is reached."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.errors import UserError
from calque.models.config.devices import check_precision, find_device

LEAST_PEAK, MOST_PEAK = 1e6, 1e24


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """The hardware of a cost estimate.

    Attributes
    ----------
    device : str, optional
        A name of ``calque.models.config.devices``; by default ``cpu`` for a run in float32, ``h200`` for others.
    flops : float, optional
        Peak FLOP/s, for a device that is not in the table; used instead of the table's.
    utilisation : float
        Share of the peak FLOP/s that training reaches.
    """

    device: str | None = None
    flops: float | None = None
    utilisation: float = 0.4

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not 0 < self.utilisation <= 1:
            raise UserError(f"`utilisation` is {self.utilisation:g}; expected a share of the peak, such as 0.4")
        if self.flops is not None and not LEAST_PEAK <= self.flops <= MOST_PEAK:
            raise UserError(
                f"`flops` is {self.flops:g}; expected the peak FLOP/s of a device, such as 989e12 ({LEAST_PEAK:g} to "
                f"{MOST_PEAK:g})"
            )
        if self.device is not None:
            find_device(self.device)

    def of(self, precision: str) -> tuple[str, float, float | None]:
        """Return the device's name, peak FLOP/s and bytes of memory for a run of ``precision``, if it has that."""
        if self.device is not None:
            check_precision(self.device, precision)
        name = self.device or ("cpu" if precision == "32-true" else "h200")
        if self.flops is not None:
            return (self.device or "given", self.flops, find_device(self.device).memory if self.device else None)
        return name, find_device(name).peak(precision), find_device(name).memory
