"""The vendored sample of real text in nine languages."""

import gzip
from importlib.resources import files


def packed(code: str) -> bytes:
    """Return the vendored file of a language, as it lies there."""
    return files(__name__).joinpath(f"{code}.txt.gz").read_bytes()


def text(code: str) -> str:
    """Return the text of a language: a paragraph a line, an empty line between documents."""
    return gzip.decompress(packed(code)).decode("utf-8")
