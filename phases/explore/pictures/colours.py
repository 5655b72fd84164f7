"""Colours of lines: of metrics by name, on a scale where the labels are ordered, else far apart from each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calque.data.metrics import COLOURS

# glasbey_category10 of colorcet (Glasbey et al., 2007), without the colours too pale for a line on white
CYCLE = ("#1f77b3", "#ff7e0e", "#2ba02b", "#d62628", "#9367bc", "#8c564b", "#e277c1", "#7e7e7e", "#3a0182", "#004201",
         "#b80080", "#6b6400", "#004d52", "#7c0100", "#6026ff")  # fmt: skip
DASHES = ("solid", "dashed", "dotted", "dashdot")
"""After as many labels as there are colours, the colours begin again with the next of these."""


def palette(labels: Sequence[str], ordered: bool = False) -> dict[str, str]:
    """Return a colour for each label: that of the metric of that name, or another that no label has yet.

    Parameters
    ----------
    labels : sequence of str
        Names, each once; metrics under the names that they have in the cube.
    ordered : bool
        Whether the labels are ordered, such as sizes: three or more then lie on a scale.

    Returns
    -------
    dict of str
        ``#rrggbb`` by label. Up to ``len(CYCLE)`` labels have different colours; after these, see :func:`dash`.
    """
    if ordered and len(labels) > 2:
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        places = np.linspace(0.05, 0.88, len(labels))
        return {label: to_hex(colormaps["viridis"](x)) for label, x in zip(labels, places, strict=True)}
    others = [label for label in labels if label not in COLOURS]
    # next to metrics with colours of their own, a colour of the cycle that is theirs would say that two are one
    free = CYCLE if len(others) == len(labels) else [hue for hue in CYCLE if hue not in COLOURS.values()]
    spare = {label: free[i % len(free)] for i, label in enumerate(others)}
    return {label: spare.get(label, COLOURS.get(label, "")) for label in labels}


def dash(order: int) -> str:
    """Return the line style of the label at ``order`` in a palette, which differs where colours come again."""
    return DASHES[order // len(CYCLE) % len(DASHES)]
