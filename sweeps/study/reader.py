"""Reading the runs of a study file: each stated as its difference from a base, or from the run that it leaves."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import ValidationError

from calque.data.errors import TYPO, UserError, nearest, shown
from calque.data.strict_yaml.document import Document, Place
from calque.data.strict_yaml.sections import elsewhere, fields
from calque.data.strict_yaml.validation import boolean_mistake, first_mistake
from calque.sweeps.study.bases import BASES
from calque.sweeps.study.branch import KEY as FROM
from calque.sweeps.study.branch import Branch, check_branch, read_branch
from calque.sweeps.study.run_config import RunConfig, adapter
from calque.sweeps.study.synonyms import synonym

RUN_ONLY_KEYS = ("base", "seeds", FROM)


class StudyReader:
    """Reads the runs of a study file.

    Parameters
    ----------
    document : Document
    """

    def __init__(self, document: Document) -> None:
        self.document = document

    def where(self, place: Place, keys: Place) -> Place:
        """Return where a run's value stands: with the run, at ``place``, or with the defaults.

        Parameters
        ----------
        place : tuple of str
            Keys down to the run.
        keys : tuple of str
            Keys of the value within it.
        """
        lines = self.document.lines
        parts = (keys[:n] for n in range(len(keys), 0, -1))
        return next((p for k in parts for p in ((*place, *k), ("defaults", *k)) if p in lines), (*place, *keys))

    def check_keys(self, mapping: dict[str, Any], place: Place, known: tuple[str, ...]) -> None:
        """Refuse a key of the ``mapping`` at ``place`` that is not ``known``, with the one that was meant."""
        for key in mapping:
            if key not in known:
                hint = nearest(key, known, TYPO) or synonym(key, "defaults.") or elsewhere(key, RunConfig)
                if key == "name":
                    hint = "; did you mean 'study'?"
                elif key in (*fields(RunConfig), *RUN_ONLY_KEYS):
                    hint = f"; did you mean 'defaults.{key}'?"
                hint = hint or nearest(key, known)
                message = f"unknown key '{key}'; expected one of {', '.join(known)}{hint}"
                raise self.document.error((*place, key), message)

    def runs(self, name: str, own: Any, content: dict[str, Any]) -> list[RunConfig]:
        """Return the runs of the entry ``name``: one, one a seed, or those that leave the runs of another entry.

        Parameters
        ----------
        name : str
            Key of the entry.
        own : object
            What the file says under it.
        content : dict
            The whole file.
        """
        if not isinstance(own, dict) or FROM not in own:
            return self._plain(name, own, content)
        place = ("runs", name)
        try:
            branch = read_branch(own[FROM])
            entry = self._entry_of(branch.run, content)
        except UserError as error:
            raise self.document.error((*place, FROM), str(error)) from None
        theirs = content["runs"][entry] or {}
        runs = self._plain(entry, theirs, content)
        if branch.run != entry:
            runs = [run for run in runs if run.name == branch.run]
        for key in ("seeds", "init_seed", "data_seed", "base"):
            if key in own:
                message = f"'{key}' is that of run '{branch.run}', which this one goes on with; drop it"
                raise self.document.error((*place, key), message)
        if isinstance(own.get("training"), dict) and "decay_fraction" in own["training"]:
            message = "a branch decays from its first step to its last; drop 'decay_fraction'"
            raise self.document.error((*place, "training", "decay_fraction"), message)
        found = []
        for parent in runs:
            called = name if parent.name in (entry, branch.run) else name + parent.name.removeprefix(entry)
            found.append(self._branched(called, (name, own), theirs, content, parent, branch.step))
        return found

    def _entry_of(self, name: Any, content: dict[str, Any]) -> str:
        """Return the entry that ``name`` is, or one of whose seeds it is."""
        plain = {key: own or {} for key, own in content["runs"].items() if not isinstance(own, dict) or FROM not in own}
        if name in plain:
            return str(name)
        for key, own in plain.items():
            defaults = content.get("defaults")
            seeds = next(
                (each["seeds"] for each in (own, defaults) if isinstance(each, dict) and "seeds" in each), None
            )
            if isinstance(seeds, list) and name in [f"{key}-s{seed}" for seed in seeds]:
                return str(key)
        raise UserError(
            f"from.run is {shown(name)}; expected a run that itself begins at its first step, such as "
            f"{', '.join(list(plain)[:5])}{nearest(str(name), list(plain))}"
        )

    def _branched(
        self, name: str, entry: tuple[str, dict[str, Any]], theirs: dict[str, Any], content: dict[str, Any],
        parent: RunConfig, step: int,
    ) -> RunConfig:  # fmt: skip
        """Return the run ``name``, which leaves ``parent`` at ``step`` and decays from there.

        ``entry`` is what the file says of it, and under which key; ``theirs`` what it says of ``parent``.
        """
        key, own = entry
        place, seed = ("runs", key), {"init_seed": parent.init_seed, "data_seed": parent.data_seed}
        theirs = {key: value for key, value in theirs.items() if key != "seeds"}
        mine = {key: value for key, value in own.items() if key != FROM}
        checkpoints = theirs.get("checkpoints")
        if isinstance(checkpoints, dict):
            theirs = theirs | {"checkpoints": {one: value for one, value in checkpoints.items() if one != "adaptive"}}
        defaults = {one: value for one, value in (content.get("defaults") or {}).items() if one != "seeds"}
        unseeded = content | {"defaults": defaults}
        (run,) = self._plain(key, merge(merge(theirs, mine), seed), unseeded)
        decay = max(0.0, (run.training.steps - step) / run.training.steps)
        branch = Branch(run=parent.name, step=step)
        try:
            if run.checkpoints.adaptive is not None:
                raise UserError("a branch has no adaptive checkpoints; drop them").at("checkpoints", "adaptive")
            run = replace(run, name=name, branch=branch, training=replace(run.training, decay_fraction=decay))
            check_branch(run, parent)
        except UserError as error:
            raise self.document.error(self.where(place, error.place or (FROM,)), str(error)) from None
        return run

    def _plain(self, name: str, own: Any, content: dict[str, Any]) -> list[RunConfig]:
        error, place = self.document.error, ("runs", name)
        defaults = content.get("defaults")
        defaults = {} if defaults is None else defaults
        for where, value in ((("defaults",), defaults), (place, own)):
            if not isinstance(value, dict):
                raise error(where, f"'{where[-1]}' is {shown(value)}; expected keys and values")
        if "base" in defaults:
            message = "'base' in defaults sets nothing; move it to the first level of the file, or into runs"
            raise error(("defaults", "base"), message)
        base_place = (*place, "base") if "base" in own else ("base",)
        base = own.get("base", content.get("base", "world-cpu"))
        if not isinstance(base, str) or base not in BASES:
            hint = nearest(base, list(BASES)) if isinstance(base, str) else ""
            raise error(base_place, f"unknown base {shown(base)}; expected one of {', '.join(BASES)}{hint}")
        seeds = own.get("seeds", defaults.get("seeds"))
        if seeds is not None:
            for key in ("init_seed", "data_seed"):
                if key in own:
                    raise error((*place, key), f"'seeds' sets init_seed and data_seed; drop seeds or {key}")
            if not isinstance(seeds, list) or not seeds or not all(type(s) is int and s >= 0 for s in seeds):
                message = f"seeds is {shown(seeds)}; expected a list of whole numbers such as [0, 1, 2]"
                raise error(self.where(place, ("seeds",)), message)
        merged = merge(merge(BASES[base], defaults), own)
        for key in RUN_ONLY_KEYS:
            merged.pop(key, None)
        if "branch" in merged:
            raise error(self.where(place, ("branch",)), "unknown key 'branch'; did you mean 'from'?")
        if "name" in merged:
            raise error((*place, "name"), "unknown key 'name'; a run's name is its key under 'runs'")
        if seeds is None:
            return [self.config({**merged, "name": name}, place)]
        first = {"name": f"{name}-s{seeds[0]}", "init_seed": seeds[0], "data_seed": seeds[0]}
        checked = self.config(merged | first, place)  # what the others are checked for is the same
        return [replace(checked, name=f"{name}-s{seed}", init_seed=seed, data_seed=seed) for seed in seeds]

    def config(self, values: dict[str, Any], place: Place) -> RunConfig:
        """Return the configuration of ``values``, stated at ``place``; the first mistake is raised with its line."""
        mistake = boolean_mistake(values, RunConfig)
        if mistake is None:
            try:
                return adapter().validate_python(values)
            except ValidationError as error:
                line = partial(self._line, place)
                mistake = first_mistake(error, RunConfig, line, RUN_ONLY_KEYS, synonym)
        raise self.document.error(self.where(place, mistake.place), mistake.message)

    def _line(self, place: Place, keys: Place) -> int:
        return self.document.line(self.where(place, keys))


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of ``base`` with those of ``over`` in their place, section by section."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict) and key != "mix"
        merged[key] = merge(merged[key], value) if both else value
    return merged
