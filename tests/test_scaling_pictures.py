"""Pictures: drawn from what the JSON holds, written whole, refused in one line; and in the report."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from calque.data.errors import UserError
from calque.data.quantities import format_count
from calque.phases.report.forecast_pictures import forecast_svgs, law_figure, rollout_figure
from calque.phases.report.loss_pictures import isoflop_figure
from calque.scaling.cli import app
from calque.scaling.commands.pictures import save
from calque.scaling.forecast.forecast import forecast
from calque.scaling.loss.fit import fit_loss
from calque.scaling.loss.isoflop import isoflop_view
from calque.scaling.observations import Observation
from tests.test_scaling_loss_laws import drawn

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    rng = np.random.default_rng(3)
    runs = []
    for n in np.repeat((2e7, 6e7, 1.8e8, 5.4e8), 2):
        tokens = (4e9 + 5.8e14 * n**-0.6) * math.exp(0.03 * rng.normal())
        runs.append(
            Observation(
                run=f"{n:g}",
                size=format_count(n),
                n=float(n),
                kind="located",
                tokens=tokens,
                low=tokens / 1.05,
                high=tokens * 1.05,
            )
        )
    runs.append(Observation(run="late", size="7M", n=7e6, kind="right", low=3e10, outcome="censored"))
    made = forecast(runs, "1.7b", draws=200).to_dict()
    return dict(json.loads(json.dumps(made, allow_nan=False)))


def test_curves_and_rollouts_are_those_of_the_rows(report: dict[str, Any]) -> None:
    rows = {row["law"]: row for row in report["rows"]}
    assert set(report["curves"]) == {"power", "floor", "average"}
    for law, curve in report["curves"].items():
        assert curve["n"][0] == 2e7 and curve["n"][-1] == pytest.approx(report["n_params_non_embedding"])
        assert all(a <= b <= c for a, b, c in zip(curve["low"], curve["tokens"], curve["high"], strict=True))
        assert curve["tokens"][-1] == pytest.approx(rows[law]["tokens"], rel=0.02)
        errors = [math.log(r["tokens"] / r["forecast"]) for r in report["rollouts"][law]]
        assert rows[law]["rollout_rms"] == pytest.approx(math.sqrt(np.mean(np.square(errors))))
    assert [r["n"] for r in report["rollouts"]["power"]] == [5.4e8, 1.8e8]


def test_pictures_name_what_they_show(report: dict[str, Any]) -> None:
    law, misses = forecast_svgs(report)
    for words in ("tokens at takeoff of translation", "1.7b", "average", "largest size, from the smaller"):
        assert words in law
    assert "tokens found / forecast" in misses and "180M" in misses and "540M" in misses
    assert law_figure({"rows": []}) is None and rollout_figure({}) is None and forecast_svgs({"sentences": []}) == []


def test_files_are_written_or_refused(tmp_path: Path, report: dict[str, Any]) -> None:
    save(law_figure(report), str(tmp_path / "a.png"), "")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(UserError, match=r"--picture a.gif: expected a name ending in .png"):
        save(law_figure(report), "a.gif", "")
    with pytest.raises(UserError, match="nothing to draw: no law"):
        save(None, str(tmp_path / "b.svg"), "no law")


def test_isoflop_view_and_commands(tmp_path: Path) -> None:
    points = drawn("chinchilla", 0.01, 60)
    fitted = fit_loss(points, boot=20)
    made = isoflop_figure({"isoflop": isoflop_view(fitted)})
    assert made is not None and made.axes[0].get_ylabel() == "held-out loss, nats a token"
    file = tmp_path / "p.csv"
    np.savetxt(file, np.column_stack([points.n, points.d, points.loss]), delimiter=",", header="n,d,loss", comments="")
    settings = ["--boot", "19", "--picture", str(tmp_path / "i.svg"), "--json", str(tmp_path / "i.json")]
    done = CliRunner().invoke(app, ["loss", str(file), *settings, "--at", "3b,60b"])
    assert done.exit_code == 0, done.output
    assert "would reach a loss of" in done.output and "least loss" in done.output
    assert (tmp_path / "i.svg").read_text().startswith("<?xml")
    prediction = json.loads((tmp_path / "i.json").read_text())["prediction"]
    assert prediction["low"] < prediction["loss"] < prediction["high"]
    truth = str(ROOT / "docs/examples/truth.yaml")
    done = CliRunner().invoke(app, ["power", truth, "--picture", str(tmp_path / "p.pdf")])
    assert done.exit_code == 0 and (tmp_path / "p.pdf").read_bytes()[:4] == b"%PDF"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--at", "3b"], "--at '3b' is no run"),
        (["--at", "3b,lots"], "--at 'lots' is no amount"),
        (["--loss", "hubr"], "did you mean 'huber'"),
        (["--language", "de"], "expected a column 'language' first"),
        (["--drop-highest", "99"], "there are 60 rows"),
        (["--law", "share"], "needs the column 'share'"),
        (["--law", "broken", "--picture", "x.png"], "the isoFLOP view is of a fitted chinchilla law"),
    ],
)
def test_mistakes_with_losses_are_one_line(tmp_path: Path, words: list[str], message: str) -> None:
    points = drawn("chinchilla", 0.01, 60)
    file = tmp_path / "p.csv"
    np.savetxt(file, np.column_stack([points.n, points.d, points.loss]), delimiter=",", header="n,d,loss", comments="")
    wrong = CliRunner().invoke(app, ["loss", str(file), "--boot", "19", *words])
    assert isinstance(wrong.exception, UserError) and message in str(wrong.exception)


def test_far_and_flat_predictions_are_refused_with_the_run_that_would_help(tmp_path: Path) -> None:
    points = drawn("chinchilla", 0.01, 60)
    file = tmp_path / "p.csv"
    np.savetxt(file, np.column_stack([points.n, points.d, points.loss]), delimiter=",", header="n,d,loss", comments="")
    done = CliRunner().invoke(app, ["loss", str(file), "--boot", "50", "--at", "1t,1000t"])
    assert "No point prediction" in done.output and "too far to extrapolate" in done.output
    assert "would leave" in done.output
