"""Position of a checkpoint in training, from its revision or from the name of its folder or file.

Tried in this order, and the first that names a position decides: ``revision`` in the harness's ``model_args``, the
model's own name or path there, the result file's path, innermost name first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calque.data.errors import UserError

UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
STEP = re.compile(r"(?:^|[^a-z])(?:global_?)?(?:step|checkpoint|ckpt|iter|iteration)[-_=]?(\d+)(?!\d|[a-z]|\.\d)", re.I)
TOKENS = re.compile(r"(?:^|[^a-z])tokens?[-_=]?(\d+(?:\.\d+)?)([kmbt]?)(?![a-z\d])", re.I)
DATED = re.compile(r"results_\d{4}-\d\d-\d\dT.*")
"""What the harness calls its files: a date is no position."""
CHANGING = re.compile(r"(?:epoch[-_=]?\d+)|(?:\.(?:ckpt|pt|pth|safetensors)$)", re.I)
"""What else of a checkpoint's name is not the run's."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """A position and what it was read from."""

    run: str
    source: str
    step: float | None
    tokens: float | None


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
    model = str(arguments.get("pretrained") or arguments.get("model") or whole.get("model_name") or "")
    revision = str(arguments.get("revision") or "")
    names = [where.stem if not DATED.match(where.stem) else "", *reversed(where.parts[:-1])]
    if revision and (found := _position(revision, pattern)):
        return Named(run=found[2] or model or _parent(where) or root.name, source=revision, step=found[0],
                     tokens=found[1])  # fmt: skip
    for text in (model, *names, where.as_posix() if pattern else ""):
        if text and (found := _position(text, pattern)):
            run = found[2] or _without(text, model, where, pattern) or root.name
            return Named(run=run, source=text, step=found[0], tokens=found[1])
    return None


def _arguments(text: Any) -> dict[str, Any]:
    if isinstance(text, dict):
        return text
    return dict(part.split("=", 1) for part in str(text or "").split(",") if "=" in part)


def _position(text: str, pattern: re.Pattern[str] | None) -> tuple[float | None, float | None, str | None] | None:
    """Return step, tokens and run found in ``text``; None without a position."""
    if pattern is None:
        step, tokens = [*STEP.finditer(text)], [*TOKENS.finditer(text)]
        if not step and not tokens:
            return None
        return (
            float(step[-1].group(1)) if step else None,
            float(tokens[-1].group(1)) * UNITS[tokens[-1].group(2).lower()] if tokens else None,
            None,
        )
    match = pattern.search(text)
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
    match = re.fullmatch(r"(\d[\d_]*(?:\.\d+)?)([kmbt]?)", text.strip(), re.I)
    if match is None:
        raise UserError(f"`checkpoint` found '{text}' in '{name}'; expected a number such as 1000 or 2B")
    return float(match.group(1).replace("_", "")) * UNITS[match.group(2).lower()]


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
        rest = part
        for found in (pattern,) if pattern else (CHANGING, STEP, TOKENS):
            rest = found.sub("", rest)
        kept.append(rest.strip(" -_=."))
        break
    left = [p for p in kept if p]
    if text == model:
        return left[-1] if left else ""
    folders = [p for p in where.parts[:-1] if _position(p, pattern) is None and p != text]
    return "/".join([*folders, *(left[-1:] if left else [])]) or model
