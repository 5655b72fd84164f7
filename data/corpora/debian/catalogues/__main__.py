"""Make the word list of the ``debian`` corpus and show it: ``python -m calque.data.corpora.debian.catalogues``.

Arguments are codes of languages (all nine by default). It prints how many concepts all of them have, how many words
were dropped for which reason, and how many entries training text may have. With ``out=FOLDER`` it also writes
``words.tsv``, the list itself, ``dropped.tsv``, every dropped word with its reason, and ``licences.tsv``, what
copyright files state.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

from calque.data.corpora.debian.catalogues.lexicon import CatalogueLexicon
from calque.data.corpora.debian.catalogues.questions import entries, held_out_pairs
from calque.data.corpora.debian.catalogues.selection import Selection, select
from calque.data.corpora.debian.config import DebianConfig
from calque.data.corpora.debian.corpus import DebianCorpus
from calque.data.errors import UserError
from calque.data.files import make_folder
from calque.data.languages import LANGUAGES, language
from calque.data.quantities import plural
from calque.data.words.words import normalise

OUT = "out="


def leaks(lexicon: CatalogueLexicon, languages: Sequence[str]) -> int:
    """Return how many entries of training text pair two strings that are held out, over all ``languages``."""
    found = 0
    for first, second in permutations(languages, 2):
        barred = held_out_pairs(lexicon, first, second)
        found += sum((normalise(one), normalise(other)) in barred for one, other in entries(lexicon, first, second))
    return found


def summary(lexicon: CatalogueLexicon, chosen: Selection) -> list[str]:
    """Return what is told of a list, in lines: the selection ``chosen`` from ``lexicon``."""
    told = [word for word in lexicon.words if word.word in set(chosen.concepts) and word.parts]
    counts = {
        f"{first}-{second}": sum(1 for _ in entries(lexicon, first, second))
        for first, second in permutations(chosen.languages, 2)
    }
    fewest, most = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    forms = sum(map(len, chosen.forms.values()))
    return [
        f"{plural(len(chosen.concepts), 'concept')} in {', '.join(chosen.languages)}, {forms} accepted forms, "
        f"{len(told)} with a part of speech, {len(chosen.held_out)} held out",
        *(f"{count:6} dropped: {reason}" for reason, count in chosen.dropped_counts().items()),
        f"entries for training: {counts[fewest]} ({fewest}) to {counts[most]} ({most}) for each ordered pair of "
        f"languages, {sum(counts.values())} in all; {leaks(lexicon, chosen.languages)} that are held out",
        *(
            f"{facts['entries']:6} entries of {name}, {', '.join(package['name'] for package in facts['packages'][:3])}"
            + (" and others" if len(facts["packages"]) > 3 else "")
            for name, facts in lexicon.projects.items()
        ),
    ]


def write_words(path: Path, lexicon: CatalogueLexicon, chosen: Selection) -> None:
    """Write the list: the selection ``chosen`` from ``lexicon`` as a table at ``path``."""
    by_name = {word.word: word for word in lexicon.words}
    rows: list[tuple[str, ...]] = [("concept", "held_out", "part", "language", "forms", "projects", "uses")]
    for concept in sorted(chosen.concepts):
        word = by_name[concept]
        for code in chosen.languages:
            known = {form.text: form for form in word.forms[code]}
            forms = [known[text] for text in chosen.forms[code, concept]]
            rows.append(
                (
                    concept,
                    "yes" if concept in chosen.held_out else "no",
                    "|".join(word.parts),
                    code,
                    *("|".join(str(getattr(form, name)) for form in forms) for name in ("text", "projects", "uses")),
                )
            )
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def main(given: Sequence[str]) -> None:
    """Run the command with the arguments ``given``; a mistake in them is one line and exit code 2."""
    try:
        codes = tuple(language(one).code for one in given if not one.startswith(OUT)) or tuple(LANGUAGES)
        corpus = DebianCorpus(DebianConfig(languages=codes))
        lexicon = corpus.lexicon(lambda what, done, of: print(f"{what} ({done} of {of})", file=sys.stderr, flush=True))
        chosen = select(lexicon, codes)
        print("\n".join(summary(lexicon, chosen)))
        for one in given:
            if one.startswith(OUT):
                write_tables(Path(one.removeprefix(OUT)).expanduser(), lexicon, chosen)
    except UserError as error:
        print(f"catalogues: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def write_tables(folder: Path, lexicon: CatalogueLexicon, chosen: Selection) -> None:
    """Write the three tables of the selection ``chosen`` from ``lexicon`` into ``folder``, which is made."""
    make_folder(folder)
    write_words(folder / "words.tsv", lexicon, chosen)
    dropped = [f"{word}\t{reason}\n" for word, reason in sorted(chosen.dropped.items())]
    (folder / "dropped.tsv").write_text("".join(["word\treason\n", *dropped]), encoding="utf-8")
    stated = [f"{name}\t{', '.join(facts['licences'])}\n" for name, facts in sorted(lexicon.projects.items())]
    (folder / "licences.tsv").write_text("".join(["project\tlicences\n", *stated]), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
