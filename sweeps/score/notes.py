"""What a person is told about scored revisions besides their flags: changes of architecture, and what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import xarray as xr

from calque.data.quantities import plural
from calque.models.huggingface.config_file import brief
from calque.models.scoring.selection import TASKS
from calque.sweeps.score.file import Fingerprint

NAMES = {"words": "word questions", "nonce": "invented words", "minimal_pairs": "minimal pairs", "loss": "loss"}
"""Of the tasks, for a person."""


def left_out_note(names: Sequence[str], final: str | None) -> list[str]:
    """Return a line that names revisions whose names give no position; none where there are none.

    Parameters
    ----------
    names : sequence of str
        The revisions.
    final : str, optional
        Name of the model that a Trainer leaves beside its checkpoints.
    """
    if not names:
        return []
    shown = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    told = f"; '{final}' is the final model in the folder itself: give its position in `positions`"
    return [f"left out, since their names give no position: {shown}{told if final in names else ''}"]


def architecture_changes(fingerprints: Mapping[str, Fingerprint]) -> list[str]:
    """Return a line for every revision whose architecture differs from that of the one before, at most three.

    Parameters
    ----------
    fingerprints : mapping of str to Fingerprint
        By revision, in the order of training.
    """
    lines = []
    for (one, before), (other, after) in pairwise(fingerprints.items()):
        what = _changed(before, after)
        if what:
            lines.append(f"the architecture changes from '{brief(one, 40)}' to '{brief(other, 40)}': {what}")
    more = len(lines) - 3
    return lines if more <= 0 else [*lines[:3], f"the architecture changes at {plural(more, 'more revision')}"]


def _changed(before: Fingerprint, after: Fingerprint) -> str:
    if before.config_sha256 == after.config_sha256 or not (before.settings_json and after.settings_json):
        return ""
    old, new = (json.loads(one.settings_json) for one in (before, after))
    names = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    shown = [f"{brief(name, 30)} {_value(old, name)}, then {_value(new, name)}" for name in names[:3]]
    return "; ".join(shown) + (f"; and {len(names) - 3} settings more" if len(names) > 3 else "")


def _value(settings: Mapping[str, Any], name: str) -> str:
    return brief(json.dumps(settings[name]), 30) if name in settings else "absent"


def selection_note(static: xr.Dataset) -> list[str]:
    """Return what of the questions was left out, a line for items and one for the loss.

    Parameters
    ----------
    static : xarray.Dataset
        The cube's part that no checkpoint changes; its coordinate ``items_json`` says how many items were asked of how
        many.
    """
    if "items_json" not in static.coords:
        return []
    counts = json.loads(str(static["items_json"].values[0]))
    parts = [f"{asked} of {there} {NAMES[task]}" for task in TASKS
             if task != "loss" and (asked := counts[task][0]) < (there := counts[task][1])]  # fmt: skip
    asked = [f"asked at every checkpoint, the same ones: {', '.join(parts)}"] if parts else []
    return asked if counts["loss"][0] else [*asked, "no loss is measured"]
