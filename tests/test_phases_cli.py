"""The command line: words, exit codes, files, the report's pictures, speed of --help."""

import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calque.data import cube as cubes
from calque.phases.cli import main
from tests.phases_cube import study


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


def phases(*words):
    """Run the command line in this process, as the console script does."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["phases", *map(str, words)])
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def cube_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("cube") / "results.nc"
    made, _ = study(seed=2, runs=1, languages=4, concepts=18)
    made["loss"] = (("run", "checkpoint", "language"), 5 + np.zeros((1, made.sizes["checkpoint"], 2)))
    cubes.write(made, path)
    return path


def refused(done, *words):
    assert done.returncode == 2, done.stderr
    line = done.stderr.strip()
    assert line.startswith("phases: ") and "\n" not in line and "Traceback" not in line
    for word in words:
        assert word in line


def test_detect_writes_table_json_and_report(cube_file, tmp_path):
    forecast = tmp_path / "forecast.json"
    forecast.write_text(
        json.dumps(
            {
                "schema": 1, "size": "1.7b", "sentences": ["Two sizes are <too few>."],
                "rows": [
                    {"law": "power", "tokens": 1.2e10, "low": None, "high": None, "outcome": "none", "reason": "few"}
                ],
            }
        )
    )  # fmt: skip
    html, out, csv = tmp_path / "report.html", tmp_path / "r.json", tmp_path / "r.csv"
    done = phases(
        "detect", cube_file, "--boot", 39, "--json", out, "--html", html, "--forecast", forecast, "--by", "run,size",
        "--csv", csv,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Transitions" in done.stdout and "Lags" in done.stdout and str(html) in done.stdout
    found = json.loads(out.read_text())
    rows = pd.read_csv(csv)
    assert rows["outcome"].tolist() == [t["outcome"] for t in found["transitions"]]
    np.testing.assert_array_equal(rows["tokens"], [t["tokens"] or np.nan for t in found["transitions"]])
    assert found["settings"]["boot"] == 39 and {t["group"] for t in found["transitions"]} == {"size=nano"}
    text = html.read_text()
    assert (
        text.count("<svg") == text.count("</svg>") == 4 + 5
    )  # the run, the lags, the losses; the residuals of five series
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert "Two sizes are &lt;too few&gt;." in text and "12B" in text and "fewer than 6 seeds" in text
    assert not re.search(r'(src|href)="https?:', text) and "@import" not in text
    points = len(re.findall(r"<use ", text))
    assert points > 3 * 44  # every checkpoint of three metrics is drawn


def test_json_on_standard_output_is_pure(cube_file):
    done = phases("detect", cube_file, "--boot", 19, "--metric", "copying", "--json", "-")
    assert done.returncode == 0 and json.loads(done.stdout)["transitions"][0]["metric"] == "copying"
    assert "Transitions" in done.stderr
    again = phases("detect", cube_file, "--boot", 19, "--metric", "copying", "--json", "-", "--quiet")
    assert again.stdout == done.stdout and again.stderr == ""


def test_bad_cubes_are_one_line(cube_file, tmp_path):
    refused(phases("detect", tmp_path / "none.nc"), "missing")
    cut = tmp_path / "cut.nc"
    cut.write_bytes(cube_file.read_bytes()[:20000])
    refused(phases("detect", cut), "truncated")
    made = cubes.read(cube_file)
    without = tmp_path / "without.nc"
    made.drop_vars("tokens").to_netcdf(without)
    refused(phases("detect", without), "no variable 'tokens'")
    for name, value in (("nan", np.nan), ("falling", -1.0)):
        bad = made.copy(deep=True)
        bad["tokens"].values[0, 5] = value
        path = tmp_path / f"{name}.nc"
        bad.to_netcdf(path)
        refused(phases("detect", path), "tokens")


def test_bad_words_are_one_line(cube_file, tmp_path):
    refused(phases("detect", cube_file, "--metric", "translaton"), "did you mean 'translation'")
    refused(phases("detect", cube_file, "--level", "1.5"), "--level is 1.5; expected a coverage")
    refused(phases("detect", cube_file, "--boot", 5), "--boot is 5; expected 19 to 100000 replicates")
    refused(phases("detect", cube_file, "--scale", "log", "--by", "sorce"), "--by has 'sorce'")
    refused(phases("detect", cube_file, "--family", "kinks"), "dictionary")
    refused(phases("detect", cube_file, "--by", "soruce"), "did you mean 'source'")
    refused(phases("detect", cube_file, "--html", tmp_path / "no" / "r.html", "--boot", 19), "folder")
    refused(phases("detect", cube_file, "--html", tmp_path / "r.html", "--forecast", cube_file), "JSON")
    wrong = phases("detect", cube_file, "--nonsense")
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr


def test_help_is_complete_and_light():
    done = phases("detect", "--help")
    assert done.returncode == 0
    for flag in (
        "--metric",
        "--by",
        "--boot",
        "--seed",
        "--level",
        "--rise",
        "--scale",
        "--family",
        "--html",
        "--json",
    ):
        assert flag in done.stdout
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, calque.phases.cli; print(' '.join(sys.modules))"],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent,
    ).stdout.split()  # fmt: skip
    assert not {"numpy", "xarray", "scipy", "matplotlib", "pandas", "torch", "ray"} & set(loaded)
