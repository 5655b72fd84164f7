"""Settings of the ``debian`` corpus."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.corpora.real_text import RealTextConfig


@dataclass(frozen=True, kw_only=True)
class DebianConfig(RealTextConfig):
    """Text from Debian packages: the settings of all real text, and no others.

    The cleaned text does not depend on them. Packages are read from the folder ``CALQUE_DEBS`` of ``.deb`` files;
    without that variable they are fetched with ``apt-get``.
    """
