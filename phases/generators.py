"""Random generators derived from a seed and the name of what is simulated, never from the order of work."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np


def generator(seed: int, *names: object) -> np.random.Generator:
    """Return the generator of a named thing.

    Parameters
    ----------
    seed : int
        At least 0.
    names : object
        What it is for; their texts are hashed with SHA-256.
    """
    digest = hashlib.sha256("\x1e".join(map(str, names)).encode()).digest()
    return np.random.default_rng(np.random.SeedSequence([seed, int.from_bytes(digest[:8], "big")]))


def classical_generator(seed: int, name: str) -> np.random.Generator:
    """Return the generator of a series for the classical models: their results were published with CRC-32 of the name.

    Parameters
    ----------
    seed : int
        At least 0.
    name : str
        Of the series.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(name.encode())]))
