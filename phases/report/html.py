"""The report: one self-contained HTML file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from calque.data.command_line.output import check_output
from calque.data.json_files import to_json
from calque.data.metrics import LOSSES, METRICS
from calque.data.quantities import ABSENT, format_counts, format_p
from calque.phases.report.answer import answer
from calque.phases.report.forecast_pictures import forecast_svgs
from calque.phases.report.forest import MOST_ROWS, lag_forest, takeoff_forest
from calque.phases.report.inside.sections import MOST_RUNS, run_parts
from calque.phases.report.loss_pictures import loss_svgs
from calque.phases.report.methods import methods
from calque.phases.report.power_pictures import power_svgs
from calque.phases.report.residual_pictures import fits
from calque.phases.report.runs import loss_picture, run_picture, takeoffs_in
from calque.phases.report.sensitivity import NOTE
from calque.phases.report.sensitivity import sections as sensitivity_sections
from calque.phases.report.summary import by_run, caveats, headline
from calque.phases.report.tables import by_series, legend, setting_words, without_row
from calque.phases.results import DetectionReport
from calque.phases.schedules.words import ONE, UNITS
from calque.phases.series.components import TIME_ORDER
from calque.phases.wording import PLACED, delay_outcome, growth, lag_ratio, location, metric_words, outcome_words
from calque.phases.wording_of_outcomes import meanings, shown_outcomes
from calque.phases.wording_of_tests import adjusted_text

PICTURES = 40
FEW = 6
"""Runs that have a wide picture each; more stand beside each other."""
WIDE, SMALL = 8.6, 5.2
"""Widths of pictures, in inches."""
COLUMNS = ("delay", "takeoff", "t10", "t50", "width", "peak")
"""Estimands that the table of every series shows."""
PROVENANCE = ("created", "code_version", "calque_schema", "Conventions", "study", "imported_from", "title", "history")


UNSET = {"metrics": "standard set", "lags": "standard set"}
"""What a setting that was not given means, where that is not none."""


def write_report(
    report: DetectionReport, cube: xr.Dataset, path: Path, *, forecast: dict[str, Any] | None = None,
    power: dict[str, Any] | None = None, loss: dict[str, Any] | None = None, across: Sequence[str] = (),
    groups: Mapping[str, xr.Dataset] | None = None,
) -> None:  # fmt: skip
    """Write the report with its pictures as one HTML file.

    Parameters
    ----------
    report : DetectionReport
        The results.
    cube : xarray.Dataset
        The cube that was analysed, for its losses and fertilities.
    path : Path
        The file.
    forecast, power, loss : dict, optional
        What ``scaling forecast``, ``scaling power`` and ``scaling loss`` wrote with ``--json``.
    across : sequence of str
        Sentences over the runs of each condition.
    groups : mapping of str to xarray.Dataset, optional
        Groups of the cube's file, of which components and ablations are drawn.

    Raises
    ------
    UserError
        When the file cannot be written.
    """
    check_output(path)
    path.write_text(render(report, cube, forecast, power, loss, across, groups), encoding="utf-8")


def render(
    report: DetectionReport, cube: xr.Dataset, forecast: dict[str, Any] | None = None,
    power: dict[str, Any] | None = None, loss: dict[str, Any] | None = None, across: Sequence[str] = (),
    groups: Mapping[str, xr.Dataset] | None = None,
) -> str:  # fmt: skip
    """Return the report's HTML.

    Parameters
    ----------
    report : DetectionReport
        The results.
    cube : xarray.Dataset
        The cube that was analysed, for its losses and fertilities.
    forecast : dict, optional
        What ``scaling forecast --json`` wrote.
    power : dict, optional
        What ``scaling power --json`` wrote.
    loss : dict, optional
        What ``scaling loss --json`` wrote.
    across : sequence of str
        Sentences over the runs of each condition.
    groups : mapping of str to xarray.Dataset, optional
        Groups of the cube's file, of which components and ablations are drawn.

    Returns
    -------
    str
        A self-contained page.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("calque.phases.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    parts = list(dict.fromkeys((t.run, t.group) for t in report.transitions))
    sections = []
    for run, group in parts[:PICTURES]:
        curves = [c for c in report.curves if (c.run, c.group) == (run, group)]
        lags = [lag for lag in report.lags if (lag.run, lag.group) == (run, group)]
        sections.append(
            {
                "name": f"{run} {group}".strip(),
                "picture": run_picture(
                    curves,
                    takeoffs_in(report, run, group),
                    lags,
                    report.settings["scale"],
                    width=SMALL if len(parts) > FEW else WIDE,
                ),
                "sentences": by_run(report, run, group),
            }
        )
    found, probed = report.to_dict(), run_parts(report, cube, groups or {})
    settings = {k: (UNSET.get(k, "none") if v is None else setting_words(v)) for k, v in report.settings.items()}
    provenance = {k: v for k, v in (report.provenance or {}).items() if k in PROVENANCE}
    return environment.get_template("report.html.j2").render(
        report=report,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        answer=answer(report),
        overview=takeoff_forest(report),
        most_rows=MOST_ROWS,
        methods=methods(found),
        json=base64.b64encode(to_json(found).encode()).decode(),
        name=f"{Path(report.cube).stem or 'detect'}.json",
        headline=headline(report),
        across=across,
        placed=PLACED,
        series=by_series(report),
        grouped=any(group for _, group in parts),
        sections=sections,
        multiples=len(parts) > FEW,
        omitted=max(0, len(parts) - PICTURES),
        fits=fits(report.diagnostics),
        forest=lag_forest(report.lags),
        sensitivity=sensitivity_sections(report),
        sensitivity_note=NOTE,
        probed=probed[:MOST_RUNS],
        probed_more=max(0, len(probed) - MOST_RUNS),
        time_order=TIME_ORDER,
        losses=_losses(cube),
        fertility=_fertility(cube),
        forecast=_forecast(forecast),
        power=None if power is None else {"sentences": power.get("sentences") or [], "pictures": power_svgs(power)},
        loss=_loss(loss),
        caveats=caveats(report),
        settings=settings,
        provenance=provenance,
        located=location,
        outcome_words=outcome_words,
        delay_outcome=delay_outcome,
        unit=UNITS[report.settings.get("axis", "tokens")],
        one=ONE[report.settings.get("axis", "tokens")],
        growth=growth,
        words=metric_words,
        ratio=lag_ratio,
        without_row=without_row,
        legend=legend(report),
        meanings=meanings(shown_outcomes(report, COLUMNS)),
        columns=COLUMNS[1:],
        p_text=format_p,
        adjusted_text=adjusted_text,
        level=f"{100 * report.settings['level']:g}",
        rise=f"{100 * report.settings['rise']:g}",
    )


def _losses(cube: xr.Dataset) -> str | None:
    for name in LOSSES:
        if name in cube.variables and {"run", "checkpoint"} <= set(cube[name].dims):
            values = cube[name]
            other = [d for d in values.dims if d not in ("run", "checkpoint")]
            known = values.notnull().sum(other)
            mean = (values.fillna(0.0).sum(other) / known.clip(min=1)).where(known > 0)
            mean = mean.transpose("run", "checkpoint")
            if bool(mean.notnull().any()):
                tokens = np.asarray(cube["tokens"].transpose("run", "checkpoint"), float)
                runs = [str(r) for r in cube["run"].values]
                return loss_picture(runs, tokens, np.asarray(mean, float), METRICS[name].label)
    return None


def _fertility(cube: xr.Dataset) -> dict[str, Any] | None:
    """Return tokens a word and bytes a token by run and language, of runs that have any; None where none has."""
    names = ("tokens_per_word", "bytes_per_token")
    if not all(name in cube.variables and set(cube[name].dims) == {"run", "language"} for name in names):
        return None
    words, size = (np.asarray(cube[name].transpose("run", "language"), float) for name in names)
    known = np.isfinite(words).any(1)
    rows = [
        (str(run), [f"{w:.2f} / {b:.2f}" if np.isfinite(w + b) else "–" for w, b in zip(*pair, strict=True)])
        for run, keep, *pair in zip(cube["run"].values, known, words, size, strict=True)
        if keep
    ]
    return {"languages": [str(code) for code in cube["language"].values], "rows": rows} if rows else None


def _forecast(forecast: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the template shows of a forecast; absent keys are empty."""
    if forecast is None:
        return None
    rows = []
    for row in forecast.get("rows") or []:
        tokens, low, high = (row.get(k) for k in ("tokens", "low", "high"))
        texts = format_counts(tokens, low, high)
        rows.append(
            {
                "law": row.get("law") or "–",
                "tokens": texts[0],
                "interval": "–" if low is None and high is None else f"{texts[1]} to {texts[2]}",
                "outcome": outcome_words(row.get("outcome") or ABSENT),
                "reason": row.get("reason") or "",
            }
        )
    pictures = forecast_svgs(forecast)
    return {
        "size": forecast.get("size"), "sentences": forecast.get("sentences") or [], "rows": rows, "pictures": pictures,
    }  # fmt: skip


def _loss(loss: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what the template shows of a law of loss: its parameters with their intervals, and the picture."""
    if loss is None:
        return None
    rows = [
        (name, *("–" if value is None else f"{value:.4g}" for value in (row["estimate"], row["low"], row["high"])))
        for name, row in (loss.get("parameters") or {}).items()
    ]
    return {
        "formula": loss.get("formula") or loss.get("law"), "level": f"{100 * (loss.get('level') or 0.9):g}",
        "sentences": loss.get("sentences") or [], "rows": rows, "pictures": loss_svgs(loss),
    }  # fmt: skip
