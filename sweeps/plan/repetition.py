"""How often runs read their text: epochs by language, and a warning where runs that are compared differ in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from calque.data.mixes.repetition import repetition, unequal
from calque.data.quantities import plural
from calque.data.tokens.choice import expected_bytes_per_token
from calque.sweeps.study.run_config import RunConfig


@dataclass(frozen=True, kw_only=True)
class Text:
    """Training text of a run, by language.

    Attributes
    ----------
    tokens : mapping of str to float
    text_bytes : mapping of str to float
        Of UTF-8; empty for the simulated world, whose text is tokens.
    measured : bool
        Whether it was counted in shards; otherwise expected from the configuration.
    """

    tokens: Mapping[str, float]
    text_bytes: Mapping[str, float]
    measured: bool


def expected_text(run: RunConfig) -> Text | None:
    """Return the text that a run will have, as far as its configuration tells; None where it does not.

    Text of the hub is cut at ``hub.text_bytes``; ``tekken``'s bytes a token are those of the vendored sample. What the
    other corpora have is known when they are prepared.
    """
    languages = run.languages()
    if run.corpus == "world":
        shares = run.parsed_mix().shares
        whole = run.world.train_tokens * (1 - run.world.glossary_share)
        return Text(tokens={code: whole * shares[code] for code in languages}, text_bytes={}, measured=False)
    if run.corpus != "hub":
        return None
    tokens, sizes = {}, {}
    for code in languages:
        per_token = expected_bytes_per_token(run.hub.tokenizer, code, run.parsed_mix().romanised)
        size = run.hub.bytes_of(code)
        if per_token is None or size is None:
            return None
        sizes[code] = size * (1 - run.hub.heldout)
        tokens[code] = sizes[code] / per_token
    return Text(tokens=tokens, text_bytes=sizes, measured=False)


def epochs(run: RunConfig, text: Text) -> dict[str, float]:
    """Return how often a run reads the ``text`` of each language that it has a share of.

    Parameters
    ----------
    run : RunConfig
    text : Text
    """
    mix = run.parsed_mix({code: text.text_bytes.get(code, n) for code, n in text.tokens.items()})
    fixed = run.world.glossary_share if run.corpus == "world" else mix.parallel + mix.entries
    tokens = run.training.trained_tokens * (1 - fixed)
    return {code: tokens * share / max(1.0, text.tokens[code]) for code, share in mix.shares.items() if share > 0}


def differing(runs: Iterable[RunConfig], read: Mapping[str, Mapping[str, float] | None]) -> tuple[str, ...]:
    """Return a warning for each group of runs that are compared and read their text unequally often.

    Compared are runs of one corpus and size with several mixes. What counts is the language that a run repeats most;
    text that is read once or in part is not repeated.

    Parameters
    ----------
    runs : iterable of RunConfig
    read : mapping of str to mapping of str to float, or None
        Epochs by run and language; None where they are not known.
    """
    groups: dict[tuple[str, str], dict[str, float]] = {}
    for run in runs:
        known = read.get(run.name)
        if known:
            of_mix, name = groups.setdefault((run.corpus, run.size), {}), run.parsed_mix().name
            of_mix[name] = max(repetition(known.values()), of_mix.get(name, 0.0))
    found: dict[str, list[str]] = {}
    for (corpus, size), of_mix in groups.items():
        said = unequal(of_mix)
        if said is not None:
            found.setdefault(said + ("; set hub.text_bytes by language" if corpus == "hub" else ""), []).append(size)
    return tuple(f"{said} ({plural(len(sizes), 'size')}: {', '.join(sizes)})" for said, sizes in found.items())
