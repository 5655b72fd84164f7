"""Draw copying, false copying and translation in every arm of a study: the mean over its runs, and their range.

``python docs/findings/arms.py docs/findings/copying.nc docs/images/copying_arms.png``; names of arms may follow, for
those alone.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

import calque
from calque.data.metrics import HEADLINE, METRICS


def draw(cube: str, picture: str, *wanted: str) -> None:
    """Draw the runs of ``cube`` into the file ``picture``, one panel a mix; the mixes ``wanted``, or all of them."""
    data = calque.read(cube)
    mixes = data["mix"].values.astype(str)
    data = data.isel(run=np.flatnonzero(np.isin(mixes, wanted or mixes)))
    rates = {metric: data.calque.rates(metric) for metric in HEADLINE}
    arms = list(dict.fromkeys(data["mix"].values.astype(str)))
    columns = min(3, len(arms))
    rows = -(-len(arms) // columns)
    size = (3.1 * columns, 2.3 * rows + 0.2)
    figure, panels = plt.subplots(
        rows, columns, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    for panel, arm in zip(panels.flat, arms, strict=False):
        for metric, found in rates.items():
            own = found.isel(run=np.flatnonzero(data["mix"].values == arm))
            tokens = own["tokens"].values
            seen = (np.isfinite(tokens) & (tokens > 0)).all(0)
            rate = own["rate"].values[:, seen]
            at, hue = tokens[0, seen] / 1e6, METRICS[metric].colour
            panel.fill_between(at, rate.min(0), rate.max(0), color=hue, alpha=0.2, lw=0)
            panel.plot(at, rate.mean(0), color=hue, label=metric.replace("_", " "))
        panel.set(title=f"{arm} ({own.sizes['run']} runs)", ylim=(0, 1))
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels.flat[len(arms) :]:
        panel.set_visible(False)
    figure.supxlabel("training tokens, millions", fontsize=10)
    figure.supylabel("share of answers", fontsize=10)
    panels[0, 0].legend(frameon=False, fontsize=8)
    figure.savefig(picture, dpi=80, pil_kwargs={"optimize": True})


if __name__ == "__main__":
    draw(*sys.argv[1:])
