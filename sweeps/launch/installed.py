"""The code that is installed on a node, compared with that of the launch: a study of two codes compares two things."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from calque.data.version import code_version
from calque.sweeps.trial.provenance import commit


@dataclass(frozen=True)
class Installed:
    """Calque as it is installed somewhere.

    Attributes
    ----------
    version : str
    commit : str or None
        None outside a checkout.
    """

    version: str
    commit: str | None

    def __str__(self) -> str:
        return f"Calque {self.version}" + (f" at commit {self.commit}" if self.commit else "")

    def difference(self, here: Installed) -> str | None:
        """Return in one line how the code ``here`` differs from this, that of the launch; None where it does not."""
        known = self.commit is not None and here.commit is not None
        if self.version == here.version and not (known and self.commit != here.commit):
            return None
        return f"this node has {here}, and the launch {self}; install the same on every node and run the same again"


@cache
def installed() -> Installed:
    """Return what is installed here."""
    return Installed(code_version(), commit())
