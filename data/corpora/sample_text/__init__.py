"""The vendored sample of real text in nine languages."""

import gzip
from importlib.resources import files


def packed(code: str) -> bytes:
    """Return the vendored file of a language, still compressed.

    Parameters
    ----------
    code : str
        Code of one of the nine languages.

    Returns
    -------
    bytes
        A gzip file.
    """
    return files(__name__).joinpath(f"{code}.txt.gz").read_bytes()


def text(code: str) -> str:
    """Return the text of a language: a paragraph a line, an empty line between documents.

    Parameters
    ----------
    code : str
        Code of one of the nine languages.

    Returns
    -------
    str
        The text.
    """
    return gzip.decompress(packed(code)).decode("utf-8")
