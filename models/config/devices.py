"""Peak FLOP/s and memory of devices, by name."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.errors import UserError, nearest
from calque.models.config.training import FLOAT8


@dataclass(frozen=True, kw_only=True)
class Device:
    """Peak rates and memory of a device.

    Attributes
    ----------
    bf16, float32 : float
        Peak FLOP/s of matrix products, dense: bfloat16 on tensor cores, float32 without TF32.
    memory : float, optional
        Bytes, as the maker states them.
    source : str
    float8 : bool
        Whether it has matrix products of float8; a CPU computes them in float32.
    """

    bf16: float
    float32: float
    memory: float | None
    source: str
    float8: bool = True

    def peak(self, precision: str) -> float:
        """Return the peak FLOP/s at ``precision``, a value of ``training.precision``.

        With float8 factors it is that of bfloat16, because what they gain was not measured.
        """
        return self.float32 if precision == "32-true" else self.bf16


DEVICES = {
    "cpu": Device(bf16=0.1e12, float32=0.1e12, memory=None, source="one core, measured: float32 product of 1024^3"),
    "a100": Device(bf16=312e12, float32=19.5e12, memory=80e9, source="NVIDIA A100 datasheet, SXM, 80 GB", float8=False),
    "h100": Device(bf16=989.4e12, float32=66.9e12, memory=80e9, source="NVIDIA H100 datasheet, SXM; half of sparse"),
    "h200": Device(bf16=989.4e12, float32=66.9e12, memory=141e9, source="NVIDIA H200 datasheet, SXM; half of sparse"),
    "b200": Device(bf16=2250e12, float32=75e12, memory=180e9, source="NVIDIA HGX B200 datasheet; half of sparse"),
}
"""Devices by name."""


def check_precision(name: str, precision: str) -> None:
    """Refuse a ``precision`` that the device called ``name`` does not have."""
    if precision == FLOAT8 and not find_device(name).float8:
        having = ", ".join(known for known, device in DEVICES.items() if device.float8)
        raise UserError(
            f"`device` is '{name}', which has no matrix products of float8, and training.precision of a run is "
            f"'{FLOAT8}'; expected one of {having}, or precision 'bf16-mixed'"
        )


def find_device(name: str) -> Device:
    """Return the device called ``name``.

    Raises
    ------
    UserError
        When it is not in the table.
    """
    if name not in DEVICES:
        hint = nearest(name, list(DEVICES))
        raise UserError(f"`device` is '{name}'; expected one of {', '.join(DEVICES)}, or the `flops` of another{hint}")
    return DEVICES[name]


def peak_of_name(name: str, precision: str) -> float | None:
    """Return the peak FLOP/s of the device whose driver calls it ``name``, such as ``NVIDIA H200``; None if unknown.

    Parameters
    ----------
    name : str
    precision : str
        A value of ``training.precision``.
    """
    words = name.lower().replace("-", " ").split()
    return next((device.peak(precision) for known, device in DEVICES.items() if known in words), None)
