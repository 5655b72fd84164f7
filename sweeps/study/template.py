"""A study file to start from: its runs, and the keys that studies most often change, each with what it means."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import yaml

from calque.data.errors import UserError, nearest
from calque.data.quantities import Count, format_count, parse_count
from calque.data.strict_yaml.sections import alternatives, fields
from calque.models.config.sizes import LADDER
from calque.sweeps.study.bases import BASES
from calque.sweeps.study.keys import described
from calque.sweeps.study.run_config import CORPORA, RunConfig, check_name
from calque.sweeps.study.schema import MODELINE

OFTEN: dict[str, tuple[str, ...]] = {
    "training": ("tokens", "context", "batch_size", "learning_rate", "devices", "keep_weights"),
    "checkpoints": ("log_spaced", "first", "every"),
    "evaluation": ("heldout_tokens", "concepts", "probes", "log_answers"),
    "world": ("world_seed", "cognate_rate", "glossary_share"),
    "sample": ("tokenizer", "shots", "repeat_rate"),
    "debian": ("tokenizer", "shots"),
    "text": ("folder", "languages", "tokenizer", "shots", "licence"),
    "hub": ("datasets", "languages", "text_bytes", "tokenizer", "shots"),
}
"""Keys of each section that a new study shows."""
WIDTH = 116


@dataclass(frozen=True, kw_only=True)
class Outline:
    """What a new study is asked to hold.

    Attributes
    ----------
    name : str
        The study's name.
    corpus : str
        One of ``CORPORA``.
    sizes, mixes : sequence of str
        Of the runs: every size with every mix.
    seeds : int
        Runs of each design, with seeds from 0.
    tokens : int, optional
        Training tokens of a run; the base's when None.
    folder : str, optional
        Folder of text, for the corpus ``text``.

    Raises
    ------
    UserError
        When a value is impossible, or two do not go together.
    """

    name: str
    corpus: str
    sizes: Sequence[str]
    mixes: Sequence[str]
    seeds: int
    tokens: int | None = None
    folder: str | None = None

    def __post_init__(self) -> None:
        """Check every run as its study would."""
        check_name("`name`", self.name)
        if self.corpus not in CORPORA:
            raise UserError(
                f"`corpus` is '{self.corpus}'; expected one of {', '.join(CORPORA)}{nearest(self.corpus, CORPORA)}"
            )
        for parameter, values in (("sizes", self.sizes), ("mixes", self.mixes)):
            if len(set(values)) < len(values):
                raise UserError(f"`{parameter}` names {', '.join(values)}; expected each once")
        if self.seeds < 1:
            raise UserError(f"`seeds` is {self.seeds}; expected 1 or more")
        if self.folder is not None and self.corpus != "text":
            raise UserError(f"`folder` is for the corpus text, but `corpus` is '{self.corpus}'; drop one of them")
        for run in self.runs().values():
            RunConfig.from_dict(self._whole(run))

    @property
    def base(self) -> str:
        """The corpus's base: for a GPU where a size is of the ladder, or where the corpus has no other."""
        kinds = ("gpu", "cpu") if any(size in LADDER for size in self.sizes) else ("cpu", "gpu")
        return next(name for kind in kinds if (name := f"{self.corpus}-{kind}") in BASES)

    def defaults(self) -> dict[str, Any]:
        """Return the keys of all runs that differ from the base."""
        found: dict[str, Any] = {}
        if self.tokens is not None:
            found["training"] = {"tokens": _number(self.tokens)}
        if self.corpus == "text":
            found["text"] = {"folder": self.folder or "text"}
        return found

    def runs(self) -> dict[str, dict[str, Any]]:
        """Return the keys of every run, by its name; sizes that are not named are the base's."""
        sizes = self.sizes or (BASES[self.base].get("size", "micro"),)
        mixes = self.mixes or ("uniform",)
        found = {}
        for size in sizes:
            for number, mix in enumerate(mixes, start=1):
                own = {} if size == BASES[self.base].get("size") else {"size": size}
                own |= {} if mix == "uniform" else {"mix": mix}
                name = size if len(mixes) == 1 else f"{size}-{_mix_name(mix, number)}"
                if name in found:
                    raise UserError(f"`mixes` gives two runs the name '{name}'; name runs by hand instead")
                found[name] = own | {"seeds": list(range(self.seeds))}
        return found

    def _whole(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return a run's keys with those of base and defaults, as its study merges them."""
        whole = BASES[self.base] | {"name": "run"}
        for key, value in self.defaults().items():
            whole[key] = whole.get(key, {}) | value
        return whole | {key: value for key, value in run.items() if key != "seeds"}


def study_text(outline: Outline) -> str:
    """Return the text of a new study file.

    Parameters
    ----------
    outline : Outline
        Its name, corpus and runs.
    """
    lines = [
        "#!/usr/bin/env -S sweeps run",
        MODELINE,
        *_prose(
            "`sweeps plan` says what this study costs and starts nothing; `sweeps run` runs it, and resumes. "
            "Lines that begin with # and no space are keys with the values they have now: remove the # to change one. "
            "All keys are in docs/KEYS.md; an editor with the YAML language server completes them."
        ),
        f"study: {_flow(outline.name)}",
        f"about: {_flow(_about(outline))}",
        *_prose(f"Runs state what differs from a base, one of {', '.join(BASES)}."),
        f"base: {outline.base}",
        *_prose("Where results go: a folder, or an address such as s3://bucket/full."),
        f"#results: results/{outline.name}",
        "",
        *_prose("Keys of all runs."),
        "defaults:",
        *_defaults(outline),
        "",
        *_prose(
            "The runs. With seeds a run NAME becomes NAME-s0 and so on: seeds set initialisation and order of the "
            "data. Six or more of a design let the report speak of seeds in general."
        ),
        "runs:",
        *(f"  {_flow(name)}: {_flow(own)}" for name, own in outline.runs().items()),
    ]
    return "\n".join(lines) + "\n"


def _about(outline: Outline) -> str:
    names = " and ".join(outline.sizes) or str(BASES[outline.base].get("size", "micro"))
    return f"When does translation begin? Runs of {names} on the corpus {outline.corpus}"


def _defaults(outline: Outline) -> Iterator[str]:
    whole = RunConfig.from_dict(outline._whole(next(iter(outline.runs().values()))))
    own, hints = outline.defaults(), get_type_hints(RunConfig)
    for section in ("training", "checkpoints", "evaluation", outline.corpus):
        kind = next(one for one in alternatives(hints[section]) if fields(one))
        said, types = described(kind), get_type_hints(kind, include_extras=True)
        set_here = own.get(section, {})
        yield f"  {'' if set_here else '#'}{section}:"
        told = ""
        for key in OFTEN[section]:
            value = set_here.get(key, getattr(getattr(whole, section), key))
            if isinstance(value, int) and Count in (types[key], *get_args(types[key])):
                value = _number(value)
            if said[key] != told:
                yield from _prose(said[key], "    ")
            told = said[key]
            yield f"    {'' if key in set_here else '#'}{key}: {_flow(value)}"


def _prose(text: str, before: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=f"{before}# ", subsequent_indent=f"{before}# ")


def _number(value: int) -> str | int:
    """Return a count as people write it, where that is exact and shorter."""
    short = format_count(value, 4)
    return short if parse_count(short) == value and len(short) < len(str(value)) else value


def _mix_name(mix: str, number: int) -> str:
    name = mix.replace(":", "-").replace(",", "-").replace("+", "-")
    return name if len(name) <= 24 and "." not in name else f"mix{number}"


def _flow(value: Any) -> str:
    if isinstance(value, tuple):
        value = list(value)
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
