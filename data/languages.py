"""The nine languages: codes, names in English and in themselves, script and family (ISO 639-1, ISO 15924)."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.errors import UserError, nearest


@dataclass(frozen=True, kw_only=True)
class Language:
    """One language.

    Attributes
    ----------
    code : str
        ISO 639-1.
    name, native_name : str
        In English, and as its speakers write it (used in prompts).
    script : str
        ISO 15924.
    family : str
        First-order family.
    spaces : bool
        Whether words are separated by spaces.
    """

    code: str
    name: str
    native_name: str
    script: str
    family: str
    spaces: bool = True


LANGUAGES: dict[str, Language] = {
    language.code: language
    for language in (
        Language(code="en", name="English", native_name="English", script="Latn", family="Indo-European"),
        Language(code="de", name="German", native_name="Deutsch", script="Latn", family="Indo-European"),
        Language(code="ru", name="Russian", native_name="Русский", script="Cyrl", family="Indo-European"),
        Language(code="zh", name="Chinese", native_name="中文", script="Hans", family="Sino-Tibetan", spaces=False),
        Language(code="ja", name="Japanese", native_name="日本語", script="Jpan", family="Japonic", spaces=False),
        Language(code="ko", name="Korean", native_name="한국어", script="Kore", family="Koreanic"),
        Language(code="tr", name="Turkish", native_name="Türkçe", script="Latn", family="Turkic"),
        Language(code="fi", name="Finnish", native_name="Suomi", script="Latn", family="Uralic"),
        Language(code="id", name="Indonesian", native_name="Bahasa Indonesia", script="Latn", family="Austronesian"),
    )
}


def language(code: str) -> Language:
    """Return the language with this code.

    Raises
    ------
    UserError
        When the code is unknown; names the known ones and the nearest.
    """
    try:
        return LANGUAGES[code]
    except KeyError:
        known = list(LANGUAGES)
        raise UserError(
            f"unknown language '{code}'; expected one of {', '.join(known)}{nearest(code, known)}"
        ) from None
