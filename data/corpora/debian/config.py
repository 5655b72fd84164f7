"""The dials of the ``debian`` corpus."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.corpora.real_text import RealTextConfig


@dataclass(frozen=True, kw_only=True)
class DebianConfig(RealTextConfig):
    """Text from Debian packages: the dials of all real text, none of its own.

    The cleaned text is the same whatever is set here; where packages come from is said by ``CALQUE_DEBS`` (a folder
    of ``.deb`` files), else they are fetched with ``apt-get``.
    """
