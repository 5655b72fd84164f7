"""Layers: lens, alignment and linear probes by depth over training."""

from __future__ import annotations

from typing import Any

import pandas as pd

from calque.phases.explore.elements import note, picture, shown, table
from calque.phases.explore.pages.parts import PartsPage
from calque.phases.explore.pictures.cells import cell_map
from calque.phases.series.components import scores_of_depth
from calque.phases.series.probed import numbers


class LayersPage(PartsPage):
    """Depth by tokens."""

    key, group, probes = "layers", "components", "layers"
    title = "Layers"
    about = (
        "What the residual stream holds at each depth: 0 is the embedding, d what d blocks have made of it. That a "
        "word can be read at a depth does not show that the model uses it there."
    )

    def scores(self) -> dict[str, str]:
        """Return the scores over depth."""
        if self.data is None or "depth" not in self.data.dims:
            return {}
        return {shown(name): name for name in scores_of_depth(self.data)}

    def show(self) -> list[Any]:
        """Return the map of depth over training, that above the control, and the last checkpoint as a table."""
        if not self.scores():
            return self.missing()
        if self.run.value is None:
            return [note("Of the chosen runs no layers were probed: choose others at the left.")]
        name, at = self.score.value, self.probed(self.score.value)
        if not at:
            return [note("This run was not probed for this score.")]
        data, text = self.of_run(), f"{shown(name)} of {self.run.value}"
        score, control = (numbers(data[f"{name}{end}"], "depth", "checkpoint")[:, at] for end in ("", "_control"))
        depths, places = self.labels("depth"), self.named(at)
        maps = [
            cell_map(values, depths, places, title, "training tokens", "depth", score=said, around=around, height=300)
            for values, title, said, around in (
                (score, text, shown(name), None), (score - control, f"{text} above its control", "above control", 0.0),
            )
        ]  # fmt: skip
        rows = []
        last = data.isel(checkpoint=at[-1])
        for depth in range(len(depths)):
            row: dict[str, Any] = {"depth": depths[depth]}
            for column, end in (("score", ""), ("low", "_low"), ("high", "_high"), ("control", "_control"),
                                ("p adjusted", "_p_adjusted")):  # fmt: skip
                row[column] = float(f"{float(last[f'{name}{end}'].isel(depth=depth)):.3g}")
            rows.append(row)
        about = str(data[name].attrs.get("long_name", shown(name)))
        said = f"At {places[-1]} tokens: {about}; control: {data[name].attrs.get('control', 'none')}."
        return [*map(picture, maps), note(said), table(pd.DataFrame(rows))]
