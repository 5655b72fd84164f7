"""A cube in which every name is markup that would run a script, and TeX that would be set as a formula."""

import json

import numpy as np

from calque.phases.detection.detect import detect
from calque.phases.settings import Settings
from tests.explore_cube import explored, timing

TEX = r"$$\frac{1}{2}$$"


def hostile(name):
    """Return a name that a page would run as a script, if it took it as HTML; netCDF asks for a letter at its start."""
    return f"""n<img class=injected src=x onerror="window.hits=(window.hits||[]).concat('{name}')">{name}"""


def hostile_cube():
    cube = explored(n=24)
    count = cube.sizes
    languages = [hostile(f"language{i}") for i in range(count["source"])]
    of_runs = {
        name: ("run", [hostile(f"{name}{i // 2}") for i in range(count["run"])])
        for name in ("size", "mix", "corpus", "template", "run_id")
    }
    cube = cube.assign_coords(
        run=[hostile(f"run{i}") for i in range(count["run"])], source=languages, target=languages, language=languages,
        concept=[hostile(f"concept{i}") for i in range(count["concept"])], **of_runs,
        config_json=("run", [json.dumps({hostile("key"): hostile("value")})] * count["run"]),
    )  # fmt: skip
    halves = np.arange(count["concept"]) % 2
    cube[hostile("grouping")] = ("concept", [hostile(f"group{i}") for i in halves])
    for name in (hostile("metric"), f"m {TEX}"):
        values = np.random.default_rng(0).random((count["run"], count["checkpoint"]))
        cube[name] = (("run", "checkpoint"), values, {"metric_kind": "continuous"})
    cube.attrs |= {"study_yaml": hostile("study"), "note": hostile("note"), "truth_json": hostile("truth")}
    return cube, timing(cube)


def hostile_reports(cube):
    """Return the files of other commands about the cube, with markup in every text of theirs."""
    names = ("translation", hostile("metric"))
    report = json.loads(json.dumps(detect(cube, Settings(metrics=names, boot=19)).to_dict()))
    for row in report["transitions"]:
        row["reason"] = hostile("reason")
    n = [1e6, 1e8]
    forecast = {
        "schema": 1, "metric": "translation", "size": hostile("forecast"), "n_params_non_embedding": 1e8,
        "sentences": [hostile("sentence")], "rollouts": {},
        "rows": [{"law": hostile("law"), "tokens": 2e10, "low": 1e10, "high": 4e10, "outcome": hostile("outcome"),
                  "reason": hostile("why")}],
        "curves": {hostile("law"): {"n": n, "tokens": [5e10, 2e10], "low": [4e10, 1e10], "high": [6e10, 4e10]}},
    }  # fmt: skip
    mixes = {
        "schema": 1, "metric": hostile("mixes"), "contrasts": [
            {"first": hostile("first"), "second": hostile("second"), "language": hostile("language"), "log_ratio": 0.4,
             "outcome": hostile("outcome"), "reason": hostile("reason"), "low": 0.1, "high": 0.7, "p_value": 0.1}],
    }  # fmt: skip
    plan = {
        "schema": 1, "budget": 16, "unit": hostile("unit"),
        "plans": [{"shift": None, "sizes": n, "tokens": n, "seeds": 2, "mixes": 2, "cost": 9, "sd": 1}],
    }  # fmt: skip
    return {"detect": report, "forecast": forecast, "mixes": mixes, "plan": plan}
