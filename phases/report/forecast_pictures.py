"""Pictures of a forecast from what ``scaling forecast --json`` wrote: laws, and their errors on sizes left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calque.data.quantities import format_count
from calque.phases.report.figures import INK, STYLE, figure, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HUES = {"power": "#d58a00", "floor": "#2aa198", "average": "#2f86e0"}


def law_figure(forecast: dict[str, Any]) -> Figure | None:
    """Return takeoff against size: runs, laws, the target, and the largest size as the smaller ones forecast it.

    Parameters
    ----------
    forecast : dict
        As :func:`draw_laws` takes it.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where no law gives a forecast.
    """
    import matplotlib as mpl

    if not forecast.get("curves"):
        return None
    with mpl.rc_context(STYLE):
        made, axes = figure(4.2)
        draw_laws(axes, forecast)
    return made


def draw_laws(axes: Axes, forecast: dict[str, Any]) -> Axes:
    """Draw what :func:`law_figure` shows.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        Where to draw.
    forecast : dict
        Its ``curves``, ``transitions`` and ``metric``; ``rows``, ``rollouts``, ``size`` and ``n_params_non_embedding``
        where a size was forecast.

    Returns
    -------
    matplotlib.axes.Axes
        ``axes``.
    """
    curves = forecast["curves"]
    for law, curve in sorted(curves.items(), key=lambda pair: pair[0] != "average"):
        hue, strong = HUES.get(law, INK), law == "average" or len(curves) == 1
        axes.plot(curve["n"], curve["tokens"], color=hue, lw=2.4 if strong else 1.4, label=law)
        if strong:
            words = "expected takeoff, were this the law"
            axes.fill_between(curve["n"], curve["low"], curve["high"], color=hue, alpha=0.15, lw=0, label=words)
    _runs(axes, forecast.get("transitions") or [])
    _held_out(axes, (forecast.get("rollouts") or {}).get("average") or [])
    target = forecast.get("n_params_non_embedding")
    if target:
        axes.axvline(target, color=INK, lw=0.7, ls=(0, (4, 3)))
        axes.annotate(
            str(forecast.get("size") or ""), (target, 1.01), xycoords=("data", "axes fraction"), ha="center", fontsize=9
        )
        row = _forecast(forecast)
        if row is not None:
            hue, ends = HUES.get(row["law"], INK), [row["low"] or row["tokens"], row["high"] or row["tokens"]]
            axes.plot([target, target], ends, color=hue, lw=2.4, solid_capstyle="butt")
            axes.plot([target], [row["tokens"]], "D", ms=7, color=hue, label="forecast and its interval")
    axes.set_xscale("log")
    axes.set_yscale("log")
    _token_axis(axes)
    axes.set_xlabel("non-embedding parameters")
    axes.set_ylabel(f"tokens at takeoff of {forecast.get('metric') or 'the metric'}".replace("_", " "))
    axes.legend(fontsize=9, loc="lower left")  # larger models take off earlier: the data are not there
    return axes


def _forecast(forecast: dict[str, Any]) -> dict[str, Any] | None:
    """Return the row of the forecast of the size not run, by the average of the laws or the only law there is."""
    strong = "average" if "average" in forecast["curves"] else next(iter(forecast["curves"]))
    return next((r for r in forecast.get("rows") or [] if r.get("law") == strong and r.get("tokens")), None)


def law_layers(forecast: dict[str, Any]) -> list[Any]:
    """Return the laws as interactive lines, the average with its band and its forecast of the size not run.

    Parameters
    ----------
    forecast : dict
        Its ``curves``; ``rows``, ``size`` and ``n_params_non_embedding`` where a size was forecast.

    Returns
    -------
    list of holoviews.Element
        Over the dimensions ``x`` and ``tokens``.
    """
    import holoviews as hv

    layers: list[Any] = []
    curves = forecast["curves"]
    strong = "average" if "average" in curves else next(iter(curves))
    for law, curve in curves.items():
        if law == strong:
            band = hv.Area((curve["n"], curve["low"], curve["high"]), "x", ["tokens", "high"])
            layers.insert(0, band.opts(color=HUES.get(law, "#888888"), alpha=0.15, line_alpha=0, show_legend=False))
        width = 2.4 if law == strong else 1.3
        line = hv.Curve((curve["n"], curve["tokens"]), "x", "tokens", label=f"law: {law}")
        layers.append(line.opts(color=HUES.get(law, "#888888"), line_width=width))
    row = _forecast(forecast)
    if row is not None:
        n, hue = forecast["n_params_non_embedding"], HUES.get(strong, "#888888")
        layers.append(
            hv.Segments([(n, row["low"], n, row["high"])], ["x", "tokens", "x1", "y1"]).opts(color=hue, line_width=3)
        )
        point = hv.Points([(n, row["tokens"])], ["x", "tokens"], label=f"forecast for {forecast.get('size')}")
        layers.append(point.opts(color=hue, marker="diamond", size=13))
    return layers


def rollout_figure(forecast: dict[str, Any]) -> Figure | None:
    """Return the ratio of found and forecast tokens on sizes left out, with what parameters and seeds explain.

    Parameters
    ----------
    forecast : dict
        What ``scaling forecast --json`` wrote.

    Returns
    -------
    matplotlib.figure.Figure or None
        The picture; None where no size was left out.
    """
    import matplotlib as mpl
    import numpy as np

    rollouts = {law: rows for law, rows in (forecast.get("rollouts") or {}).items() if rows}
    if not rollouts:
        return None
    sizes = sorted({row["n"] for rows in rollouts.values() for row in rows})
    with mpl.rc_context(STYLE):
        made, axes = figure(2.8)
        for i, (law, rows) in enumerate(rollouts.items()):
            place = [sizes.index(row["n"]) + 0.16 * (i - (len(rollouts) - 1) / 2) for row in rows]
            ratio = [row["tokens"] / row["forecast"] for row in rows]
            reach = [np.exp(1.645 * row["sd"]) for row in rows]
            low = [r - r / f for r, f in zip(ratio, reach, strict=True)]
            high = [r * f - r for r, f in zip(ratio, reach, strict=True)]
            axes.errorbar(place, ratio, [low, high], fmt="o", ms=5, lw=2, color=HUES.get(law, INK), label=law)
        axes.axhline(1, color=INK, lw=0.8, ls=(0, (4, 3)))
        axes.set_yscale("log")
        least, most = axes.get_ylim()
        ticks = [
            t for t in (0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0) if least <= t <= most
        ]
        axes.set_yticks(ticks, [f"{t:g}" for t in ticks])
        axes.minorticks_off()
        axes.set_xticks(range(len(sizes)), [format_count(n) for n in sizes])
        axes.set_xlim(-0.5, len(sizes) - 0.5)
        axes.set_xlabel("size left out and forecast from the smaller ones, non-embedding parameters")
        axes.set_ylabel("tokens found / forecast")
        axes.legend(fontsize=9)
    return made


def forecast_svgs(forecast: dict[str, Any]) -> list[str]:
    """Return the pictures that the forecast holds data for, as SVG elements."""
    drawn = (("law", law_figure(forecast)), ("rollouts", rollout_figure(forecast)))
    return [svg(made, f"forecast-{name}") for name, made in drawn if made is not None]


def _runs(axes: Axes, transitions: list[dict[str, Any]]) -> None:
    for row in transitions:
        n, tokens, low, high = (row.get(k) for k in ("n", "tokens", "low", "high"))
        if n and tokens:
            ends = [[tokens - (low or tokens)], [(high or tokens) - tokens]]
            axes.errorbar([n], [tokens], ends, fmt="o", ms=5, lw=1, color=INK, alpha=0.8)
        elif n and row.get("kind") == "right" and low:
            axes.plot([n], [low], "^", ms=6, mfc="none", color=INK)


def _held_out(axes: Axes, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    row = max(rows, key=lambda r: r["n"])
    import numpy as np

    reach = np.exp(1.645 * row["sd"])
    ends = [[row["forecast"] - row["forecast"] / reach], [row["forecast"] * reach - row["forecast"]]]
    axes.errorbar(
        [row["n"] * 0.93], [row["forecast"]], ends, fmt="D", ms=5, mfc="none", lw=1.2, color="#d6456b",
        label="largest size, from the smaller",
    )  # fmt: skip


def _token_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda v, _: format_count(v)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda v, _: format_count(v) if f"{v:.0e}"[0] in "235" else ""))
