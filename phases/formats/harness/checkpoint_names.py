"""Position of a checkpoint in training, from its revision or from the name of its folder or file.

Tried in this order, and the first that names a position decides: ``revision`` in the harness's ``model_args``, the
model's own name or path there, the result file's path, innermost name first.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from calque.data.errors import UserError
from calque.phases.formats.base import brief

Found = TypeVar("Found")
LONGEST = 1000
"""Characters of a name that are looked at."""
MOST = 1e18

UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
STEP = re.compile(
    r"(?:^|[^a-z])(?:global_?)?(?:step|checkpoint|ckpt|iter|iteration)[-_=]?(\d+)(?!\d|[a-z]|\.\d)", re.I | re.A
)
TOKENS = re.compile(r"(?:^|[^a-z])tokens?[-_=]?(\d+(?:\.\d+)?)([kmbt]?)(?![a-z\d])", re.I | re.A)
DATED = re.compile(r"results_\d{4}-\d\d-\d\dT.*")
"""What the harness calls its files: a date is no position."""
STAMPS = re.compile(
    r"(?:[-_. ]*(?:eval[-_])?results?)?[-_. ]*(?<!\d)(?:\d{4}-\d\d-\d\d|\d\d-\d\d-\d{4})"
    r"(?:[T_ -]\d\d(?:[-:.]?\d\d){1,2})?(?!\d)",
    re.I,
)
"""When a result was written, as GPT-NeoX and others append it: no part of the run's name."""
CHANGING = re.compile(r"(?:epoch[-_=]?\d+)|(?:\.(?:ckpt|pt|pth|safetensors)$)", re.I)
"""What else of a checkpoint's name is not the run's."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """A position and what it was read from."""

    run: str
    source: str
    step: float | None
    tokens: float | None
    variant: str = ""
    """What a revision holds beside the position, such as ``stage1``."""


def named(whole: dict[str, Any], where: Path, pattern: re.Pattern[str] | None, root: Path) -> Named | None:
    """Return what the names of a result file tell, or None when they tell no position.

    Parameters
    ----------
    whole : dict
        The result file.
    where : Path
        The file, relative to what is imported.
    pattern : re.Pattern, optional
        Used instead of the built-in ones.
    root : Path
        What is imported; its name is the run's when nothing else is.
    """
    config = whole.get("config")
    arguments = _arguments(config.get("model_args") if isinstance(config, dict) else None)
    model = _text(arguments.get("pretrained")) or _text(arguments.get("model")) or _text(whole.get("model_name"))
    revision = _text(arguments.get("revision"))
    names = [where.stem if not DATED.match(where.stem) else "", *reversed(where.parts[:-1])]
    if revision and (found := _position(revision, pattern)):
        variant = "" if found[2] else _rest(revision, pattern)
        return Named(run=found[2] or model or _parent(where) or root.name, source=revision, step=found[0],
                     tokens=found[1], variant=variant)  # fmt: skip
    for text in (model, *names, where.as_posix() if pattern else ""):
        if text and (found := _position(text, pattern)):
            run = found[2] or _without(text, model, where, pattern) or root.name
            return Named(run=run, source=text, step=found[0], tokens=found[1])
    return None


def _text(value: Any) -> str:
    return value[:LONGEST] if isinstance(value, str) else ""


def _arguments(text: Any) -> dict[str, Any]:
    if isinstance(text, dict):
        return text
    return dict(part.split("=", 1) for part in _text(text).split(",") if "=" in part)


def _position(text: str, pattern: re.Pattern[str] | None) -> tuple[float | None, float | None, str | None] | None:
    """Return step, tokens and run found in ``text``; None without a position."""
    if pattern is None:
        step, tokens = [*STEP.finditer(text)], [*TOKENS.finditer(text)]
        if not step and not tokens:
            return None
        return (
            _amount(step[-1].group(1), "", text) if step else None,
            _amount(tokens[-1].group(1), tokens[-1].group(2), text) if tokens else None,
            None,
        )
    match = matching(lambda: pattern.search(text))
    if match is None:
        return None
    groups = match.groupdict()
    step_text, tokens_text = groups.get("step"), groups.get("tokens")
    if step_text is None and tokens_text is None:
        return None
    return (
        None if step_text is None else _quantity(step_text, text),
        None if tokens_text is None else _quantity(tokens_text, text),
        groups.get("run"),
    )


def _quantity(text: str, name: str) -> float:
    """Return ``2B``, ``1.5M`` or ``1000`` as a number."""
    match = re.fullmatch(r"([0-9][0-9_]*(?:\.[0-9]+)?)([kmbt]?)", text.strip(), re.I)
    if match is None:
        raise UserError(f"`checkpoint` found '{brief(text)}' in '{brief(name)}'; expected a number such as 1000 or 2B")
    return _amount(match.group(1).replace("_", ""), match.group(2), name)


def _amount(digits: str, unit: str, name: str) -> float:
    value = float(digits) * UNITS[unit.lower()]
    if value > MOST:
        raise UserError(f"'{brief(name)}' names a position beyond {MOST:.0e}; expected a step or tokens: rename it")
    return value


def matching(search: Callable[[], Found]) -> Found:
    """Return what a regular expression of a person finds, or refuse one that takes longer than a second for a name.

    Parameters
    ----------
    search : callable
        The search. Only in the main thread can it be ended; in others it takes its time.

    Raises
    ------
    UserError
        When it takes longer.
    """
    if threading.current_thread() is not threading.main_thread():
        return search()

    def stop(number: int, frame: object) -> None:
        raise UserError(
            "`checkpoint` takes longer than a second for one name; expected a pattern without repeats inside repeats, "
            "such as 'step(?P<step>[0-9]+)'"
        )

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        return search()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _rest(name: str, pattern: re.Pattern[str] | None) -> str:
    """Return a name without the position, what else changes from checkpoint to checkpoint, and dates."""
    if pattern is not None:
        whole = name
        return matching(lambda: pattern.sub("", whole)).strip(" -_=.")
    for found in (CHANGING, STEP, TOKENS):
        name = found.sub("", name)
    return STAMPS.sub("", name).strip(" -_=.")


def _parent(where: Path) -> str:
    return where.parent.as_posix() if where.parent != Path(".") else ""


def _without(text: str, model: str, where: Path, pattern: re.Pattern[str] | None) -> str:
    """Return the run's name: the name that held the position without it, or the folder it lies in."""
    parts = [p for p in re.split(r"[/\\]|__", text) if p]
    kept = []
    for part in parts:
        if _position(part, pattern) is None:
            kept.append(part)
            continue
        kept.append(_rest(part, pattern))
        break
    left = [p for p in kept if p]
    if text == model:
        return left[-1] if left else ""
    folders = [p for p in where.parts[:-1] if _position(p, pattern) is None and p != text]
    return "/".join([*folders, *(left[-1:] if left else [])]) or model
