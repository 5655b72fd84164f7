"""What a clean paragraph is: tidy, mostly words, in the right script, not English left untranslated."""

from __future__ import annotations

import re
import unicodedata

from calque.data.languages import language

DENSE = ("Hans", "Jpan", "Kore")
SCRIPT = {
    "Latn": re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]"),
    "Cyrl": re.compile(r"[\u0400-\u04ff]"),
    "Hans": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]"),
    "Jpan": re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]"),
    "Kore": re.compile(r"[\uac00-\ud7af]"),
}
IN_SCRIPT = {"Latn": 0.95, "Cyrl": 0.6, "Hans": 0.6, "Jpan": 0.6, "Kore": 0.6}  # share of letters, at least
SHORTEST = {"Latn": 20, "Cyrl": 20, "Hans": 8, "Jpan": 8, "Kore": 10}  # letters
LONGEST = 6_000  # characters: longer ones are lists and tables without breaks
LETTERS = 0.7  # of what is not a space, at least
CODE = re.compile(r"[{}\[\]<>\\|=_^~#$*@+/%&]")
MOST_CODE = 0.03  # of all characters
ENDS = {True: 20, False: 48}  # letters at either end that make a template (dense scripts, others)
KANA = re.compile(r"[\u3040-\u30ff]")
LETTER = re.compile(r"[^\W\d_]")
INVISIBLE = re.compile(
    r"[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffd\x00-\x08\x0b-\x1f\x7f-\x9f\ue000-\uf8ff]"
)
HAN_COMMA = re.compile(r"(?<=[\u4e00-\u9fff])[,;:](?=[\u4e00-\u9fff])")
WIDE_SIGN = "[\\u3000-\\u303f\\u3040-\\u30ff\\u4e00-\\u9fff\\uff00-\\uffef]"
HAN_GAP = re.compile(f"(?<={WIDE_SIGN}) (?={WIDE_SIGN})")
WIDE = {",": "，", ";": "；", ":": "："}
ENGLISH = frozenset(
    "the of and to is are for with that this from by be it as you can not when will if has have your was which or an "
    "in on at all any should must use used using".split()
)
QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|「[^」]*」|『[^』]*』|‘[^’]*’|`[^'`]*['`]")
LATIN_WORD = re.compile(r"[A-Za-z][\w.:/-]*")
NAME = re.compile(r"(?<!^)\b[A-ZÇĞİÖŞÜÄ][\w.:/-]*|\b\w*[_/.-]\w[\w.:/-]*")


def is_dense(code: str) -> bool:
    """Whether one letter of the language's script stands for a syllable or a word.

    Parameters
    ----------
    code : str
        Code of a language.

    Returns
    -------
    bool
        True for Chinese, Japanese and Korean scripts.
    """
    return language(code).script in DENSE


def tidy(text: str, code: str) -> str:
    """Return ``text`` in NFC with plain spaces, nothing invisible, no space before a comma.

    Chinese gets full-width commas between characters; Chinese and Japanese lose the spaces that line breaks left.

    Parameters
    ----------
    text : str
        A paragraph.
    code : str
        Code of its language.

    Returns
    -------
    str
        The tidy paragraph, on one line.
    """
    text = INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    text = " ".join(text.split())
    if code in ("zh", "ja"):
        text = HAN_GAP.sub("", text)
        return HAN_COMMA.sub(lambda found: WIDE[found.group()], text) if code == "zh" else text
    return re.sub(r" +([.,;:!?](?= |$))", r"\1", text)


def normalised(text: str) -> str:
    """Return the letters of ``text``, case folded: paragraphs with the same letters count as one."""
    return "".join(LETTER.findall(unicodedata.normalize("NFKC", text).casefold()))


def templates(text: str, code: str) -> tuple[str, ...]:
    """Return what ``text`` shares with other uses of its template.

    That is its form, with what differs blanked (numbers, quotations, names; German writes all nouns with a capital,
    so there only names with a dot, hyphen or underscore), and, of a longer text, its first and its last letters.

    Parameters
    ----------
    text : str
        A tidy paragraph.
    code : str
        Code of its language.

    Returns
    -------
    tuple of str
        The form, and for longer texts the first and last letters.
    """
    form = QUOTED.sub("□", text)
    if language(code).script != "Latn":
        form = LATIN_WORD.sub("□", form)
    elif code != "de":
        form = NAME.sub("□", form)
    letters, ends = normalised(text), ENDS[is_dense(code)]
    whole = re.sub(r"(?:\d[\d.,:]*|[□ ])+", "□", form)
    return (whole, f"^{letters[:ends]}", f"{letters[-ends:]}$") if len(letters) > 1.25 * ends else (whole,)


def fault(text: str, code: str) -> str | None:
    """Return why a tidy paragraph is not running text of a language, in a word, or None when it is.

    Parameters
    ----------
    text : str
    code : str
        Of the language.

    Returns
    -------
    str or None
        ``short``, ``long``, ``symbols`` (too few letters), ``code``, ``script`` or ``english``.
    """
    script = language(code).script
    letters = LETTER.findall(text)
    if len(letters) < SHORTEST[script]:
        return "short"
    if len(text) > LONGEST:
        return "long"
    if len(letters) < LETTERS * (len(text) - text.count(" ")):
        return "symbols"
    if len(CODE.findall(text)) > MOST_CODE * len(text) or "://" in text:
        return "code"
    if len(SCRIPT[script].findall(text)) < IN_SCRIPT[script] * len(letters):
        return "script"
    if (code == "ja") != bool(KANA.search(text)) and code in ("ja", "zh"):
        return "script"
    if script not in DENSE and " " not in text:
        return "code"
    if script == "Latn" and code != "en":
        words = re.findall(r"[^\W\d_]+", text.casefold())
        if sum(word in ENGLISH for word in words) >= max(2, 0.15 * len(words)):
            return "english"
    return None
