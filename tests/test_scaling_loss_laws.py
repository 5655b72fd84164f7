"""The contract of loss laws: shapes, derivatives, exact recovery."""

from pathlib import Path

import numpy as np
import pytest

from calque.data.errors import UserError
from calque.scaling.loss.fit import fit_loss
from calque.scaling.loss.law import LAWS, loss_law
from calque.scaling.loss.objective import Objective
from calque.scaling.loss.points import Points, read_points

NAMES = [*LAWS, "broken:2"]
TRUE = {
    "chinchilla": [0.6, 6.0, 7.5, 0.34, 0.37],
    "share": [0.6, 6.0, 7.5, 0.34, 0.37, 0.08],
    "repeated": [0.6, 6.0, 7.5, 0.34, 0.37, np.log(12.0)],
    "transfer": [0.6, 6.0, 7.5, 0.34, 0.37, np.log(0.15)],
    "broken": [0.4, 5.7, 0.25, 0.3, np.log(8e9), np.log(0.3)],
    "broken:2": [0.4, 5.7, 0.25, 0.3, np.log(2e9), np.log(0.2), -0.35, np.log(5e10), np.log(0.3)],
}


def design(count: int = 120, seed: int = 0) -> Points:
    rng = np.random.default_rng(seed)
    d = 10 ** rng.uniform(8.5, 11.5, count)
    return Points(
        n=10 ** rng.uniform(7, 9.5, count), d=d, loss=np.ones(count), run=np.arange(count).astype(str),
        share=rng.uniform(0.02, 1, count), unique=d / rng.choice([1, 2, 4, 10, 40], count),
        other=10 ** rng.uniform(8, 12, count),
    )  # fmt: skip


def drawn(name: str, sd: float, count: int = 120, seed: int = 0) -> Points:
    points, law = design(count, seed), loss_law(name)
    log_loss = law.evaluate(np.array([TRUE[name]]), law.prepare(points))[0][0]
    noise = sd * np.random.default_rng(seed + 1).normal(size=count)
    parts = {f: getattr(points, f) for f in ("n", "d", "run", "share", "unique", "other")}
    return Points(loss=np.exp(log_loss + noise), **parts)


@pytest.mark.contract
@pytest.mark.parametrize("name", NAMES)
def test_law_contract(name: str) -> None:
    law, points = loss_law(name), design(9)
    prepared, rng = law.prepare(points), np.random.default_rng(1)
    p = len(law.coordinates)
    assert law.name == name and len(law.parameters) == p and law.formula.startswith("L = ")
    theta = np.array(TRUE[name]) + 0.05 * rng.normal(size=(4, p))
    value, slopes = law.evaluate(theta, prepared)
    assert value.shape == (4, 9) and slopes.shape == (4, p, 9)
    for i in range(p):
        step = np.zeros(p)
        step[i] = 1e-6
        numeric = (law.evaluate(theta + step, prepared)[0] - law.evaluate(theta - step, prepared)[0]) / 2e-6
        np.testing.assert_allclose(slopes[:, i], numeric, atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(law.evaluate(theta[1:2], prepared)[0][0], value[1])
    assert law.public(theta).shape == (4, p) and np.isfinite(law.public(theta)).all()
    starts = law.starts(prepared, np.log(np.linspace(2, 4, 9)))
    assert starts.shape[1] == p and len(starts) > 100 and np.isfinite(starts).all()


def by_formula(name: str, p: dict[str, float], at: Points) -> np.ndarray:
    """The formulas of the docstrings, written out again."""
    if name.startswith("broken"):
        fall = p["B"] * at.d ** -p["c0"]
        for i in range(1, (len(p) - 3) // 3 + 1):
            fall = fall * (1 + (at.d / p[f"d{i}"]) ** (1 / p[f"f{i}"])) ** (-p[f"c{i}"] * p[f"f{i}"])
        return p["E"] + fall
    d = at.d
    if name == "share":
        d = at.d + at.other  # type: ignore[operator]
    if name == "transfer":
        d = at.d + p["k"] * at.other  # type: ignore[operator]
    if name == "repeated":
        r = at.d / at.unique - 1  # type: ignore[operator]
        d = at.unique * (1 + p["R"] * (1 - np.exp(-r / p["R"])))
    loss = p["E"] + p["A"] * at.n ** -p["alpha"] + p["B"] * d ** -p["beta"]
    return loss * at.share ** -p["gamma"] if name == "share" else loss  # type: ignore[operator]


@pytest.mark.contract
@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_formula(name: str) -> None:
    law, points = loss_law(name), design(20)
    theta = np.array([TRUE[name]])
    parameters = dict(zip(law.parameters, law.public(theta)[0].tolist(), strict=True))
    fitted = np.exp(law.evaluate(theta, law.prepare(points))[0][0])
    np.testing.assert_allclose(fitted, by_formula(name, parameters, points), rtol=1e-10)


@pytest.mark.golden
@pytest.mark.parametrize("name", NAMES)
def test_exact_points_give_the_law_back(name: str) -> None:
    points = drawn(name, 0.0)
    fitted = fit_loss(points, name, boot=20, objective=Objective(kind="gaussian"))
    np.testing.assert_allclose(fitted.predict(points)[0], points.loss, rtol=1e-6)
    if name != "broken:2":  # two breaks may trade places and widths
        true = loss_law(name).public(np.array([TRUE[name]]))[0]
        np.testing.assert_allclose(list(fitted.parameters.values()), true, rtol=2e-3)


def test_unknown_laws_and_missing_columns_are_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'chinchilla'"):
        loss_law("chinchila")
    with pytest.raises(UserError, match="broken:K with K breaks"):
        loss_law("broken:9")
    file = tmp_path / "p.csv"
    file.write_text("n,d,loss\n1e7,1e9,3\n")
    with pytest.raises(UserError, match="share law needs the column 'share'"):
        fit_loss(read_points(file), "share")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("n,d,los\n1,2,3\n", "no column 'loss'.*did you mean 'los'"),
        ("n,d,loss\n", "holds no rows"),
        ("n,d,loss\n1e7,1e9,-3\n", "loss is -3 in row 1; expected a number above 0"),
        ("n,d,loss\n1e7,1e9,3\n1e7,much,3\n", "d is 'much' in row 2"),
        ("n,d,loss,share\n1e7,1e9,3,1.2\n", "share is 1.2 in row 1; expected a share"),
    ],
)
def test_bad_rows_are_one_line(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "p.csv"
    file.write_text(text)
    with pytest.raises(UserError, match=words):
        read_points(file)
    with pytest.raises(UserError, match="cannot read"):
        read_points(tmp_path / "absent.csv")
