"""The plan of full.yaml against docs/PLAN.md, and both against arithmetic that uses none of Calque's functions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from calque.sweeps.api.plan import plan
from calque.sweeps.study.study import read_study

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "PLAN.md").read_text()
SHAPES = {"1.7b": (2048, 24), "880m": (1536, 18), "612m": (1280, 15), "410m": (1024, 12), "261m": (768, 9),
          "152m": (512, 6), "69m": (256, 3)}  # fmt: skip
RUNS = {"1.7b": 1, "880m": 1, "612m": 2, "410m": 3 + 6, "261m": 3 + 18, "152m": 3 + 18, "69m": 3}
V, T = 131_072, 4_096
TOKENS = 37_000_000_000 // (128 * T) * (128 * T)
PEAK = 989.4e12 * 0.4
LANGUAGES = ("en", "de", "ru", "zh", "ja", "ko", "tr", "fi", "id")
TEXT = (110, 81, 30, 40, 51, 57, 26, 24, 29)
BYTES = (4.86, 4.30, 6.30, 3.10, 4.03, 4.49, 3.39, 3.11, 3.79)
ROMANISED = (4.86, 4.18, 4.63, 1.93, 3.15, 2.19, 3.34, 3.15, 3.79)
WITHIN = 0.05


def row(first: str) -> list[str]:
    """Cells of the line of the page whose first cell is this."""
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def params(size: str) -> float:
    n, layers = SHAPES[size]
    return layers * 11.25 * n**2 + 2 * V * n


def per_token(size: str) -> float:
    n, layers = SHAPES[size]
    return 6 * layers * 11.25 * n**2 + 6 * layers * n * T + 6 * V * n


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Without shards of the study, which the plan would count."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CALQUE_HOME", str(tmp_path_factory.mktemp("home")))
        patched.delenv("CALQUE_SHARDS", raising=False)
        return plan(ROOT / "sweeps" / "full.yaml", device="h200", results="s3://bucket/full").to_dict()


def first(bill: dict[str, Any], size: str) -> dict[str, Any]:
    return next(r for r in bill["runs"] if r["size"] == size)


@pytest.mark.parametrize("size", SHAPES)
def test_flops_and_hours(bill: dict[str, Any], size: str) -> None:
    planned = first(bill, size)
    flops = per_token(size) * TOKENS
    scored = 240 * (9 * 262_144 + 81 * 223 * 19) * per_token(size) / 3
    by_hand = (*SHAPES[size], per_token(size) / 1e9, flops, flops / PEAK / 3600, scored / (0.47 * PEAK) / 3600)
    assert list(map(float, row(size))) == pytest.approx(by_hand, rel=WITHIN)
    assert planned["flops"] == pytest.approx(flops, rel=WITHIN)
    assert planned["hours"] == pytest.approx(by_hand[4], rel=WITHIN)
    assert planned["scoring_hours"] == pytest.approx(by_hand[5], rel=WITHIN)
    assert planned["wall_hours"] == pytest.approx((by_hand[4] + by_hand[5]) / (8 if size == "1.7b" else 1), rel=WITHIN)
    assert (planned["steps"], planned["checkpoints"]) == (70_571, 240)


def test_the_whole_study(bill: dict[str, Any]) -> None:
    hours = sum(RUNS[size] * per_token(size) * TOKENS / PEAK / 3600 for size in SHAPES)
    disk = 2 * params("1.7b") * 240 + 24 * params("1.7b")
    disk += sum(RUNS[size] * params(size) * (61 * 2 + 24) for size in SHAPES if size != "1.7b")
    assert bill["total"]["runs"] == sum(RUNS.values()) == 58
    assert bill["total"]["device_hours"] == pytest.approx(hours, rel=WITHIN)
    assert bill["total"]["disk_bytes"] == pytest.approx(disk, rel=WITHIN)
    said = {name: float(re.search(pattern, PAGE)[1].replace(",", "")) for name, pattern in {  # type: ignore[index]
        "hours": r"58 runs, ([\d,]+) device-hours", "disk": r"All runs: ([\d.]+) TB", "shards": r"236 GB: (\d+) GB",
        "wall": r"/ 8 = ([\d.]+) hours", "local": r"28 P: ([\d.]+) GB",
    }.items()}  # fmt: skip
    large = first(bill, "1.7b")
    assert said["hours"] == pytest.approx(hours, rel=WITHIN) and said["disk"] * 1e12 == pytest.approx(disk, rel=WITHIN)
    assert said["wall"] == pytest.approx(large["wall_hours"], rel=WITHIN)
    assert said["local"] * 1e9 == pytest.approx(28 * params("1.7b"), rel=WITHIN)
    assert large["local_bytes"] == pytest.approx(28 * params("1.7b"), rel=WITHIN)
    assert said["shards"] * 1e9 == pytest.approx(bill["total"]["shard_bytes"], rel=WITHIN)


def test_memory_of_the_large_run(bill: dict[str, Any]) -> None:
    n, layers, tokens, p = 2048, 24, 8 * T, params("1.7b")
    layer, outside = 11.25 * n**2, 2 * V * n
    by_hand = {
        "weights": 4 * p / 8 + 4 * outside + 2 * 2 * layer,
        "gradients": 4 * p / 8 + 4 * p,
        "optimizer": 8 * p / 8,
        "activations": tokens * (layers * (16 * n + 2 * (4 * n + n + 4 * 2.75 * n) + 4 * 18) + 10 * n),
        "logits": 2_048 * V * 8 + 6 * V * n + 4 * n * tokens,
    }
    planned = first(bill, "1.7b")
    assert planned["rows"] == 8
    for name, value in by_hand.items():
        assert planned["memory_bytes"][name] == pytest.approx(value, rel=WITHIN), name
        assert float(row(name)[-1].split("=")[-1]) * 1e9 == pytest.approx(value, rel=WITHIN), name
    assert planned["memory_bytes"]["total"] == pytest.approx(sum(by_hand.values()), rel=WITHIN)
    assert float(row("together")[-1].split()[0]) * 1e9 == pytest.approx(sum(by_hand.values()), rel=WITHIN)


def test_shards_and_epochs(bill: dict[str, Any]) -> None:
    plain = {c: 0.99 * t * 1e9 / b for c, t, b in zip(LANGUAGES, TEXT, BYTES, strict=True)}
    latin = {c: 0.99 * 21e9 / b for c, b in zip(LANGUAGES, ROMANISED, strict=True)}
    assert [float(cell) for cell in row("tokens, B")] == pytest.approx([n / 1e9 for n in plain.values()], rel=WITHIN)
    assert [float(cell) for cell in row("text, GB")] == list(TEXT) and [float(c) for c in row("bytes a token")] == list(
        BYTES
    )
    assert [float(cell) for cell in row("romanised: tokens of 21 GB, B")] == pytest.approx(
        [n / 1e9 for n in latin.values()], rel=WITHIN
    )
    sizes = [4 * sum(plain.values()), 4 * sum(latin.values())]
    assert [each["shard_bytes"] for each in bill["data_sets"]] == pytest.approx(sizes, rel=WITHIN)
    english = dict.fromkeys(LANGUAGES, 0.05) | {"en": 0.6}
    shares = {
        "uniform": dict.fromkeys(LANGUAGES, 1 / 9), "mostly English": english,
        "drop:en": dict.fromkeys(LANGUAGES[1:], 1 / 8), "romanised": dict.fromkeys(LANGUAGES, 1 / 9),
    } | {
        f"only:{','.join(codes)}": dict.fromkeys(codes, 1 / len(codes))
        for codes in (("en", "de"), ("zh", "ja", "ko"), ("en", "de", "tr", "fi", "id"))
    }  # fmt: skip
    planned = {r["mix"]: r["epochs"] for r in bill["runs"]}
    assert len(planned) == len(shares) == 7
    for mix, share in shares.items():
        text = latin if mix == "romanised" else plain
        by_hand = {code: TOKENS * part / text[code] for code, part in share.items()}
        name = mix if mix in planned else next(name for name in planned if name.startswith("en:0.6"))
        assert planned[name] == pytest.approx(by_hand, rel=WITHIN), mix
        written = dict(zip(LANGUAGES, row(mix), strict=True))
        assert {code: float(cell) for code, cell in written.items() if cell} == pytest.approx(by_hand, abs=0.006), mix


def test_the_page_is_of_the_study() -> None:
    runs = read_study(ROOT / "sweeps" / "full.yaml").runs
    assert {run.size for run in runs} == set(SHAPES)
    assert dict(zip(LANGUAGES, (t * 10**9 for t in TEXT), strict=True)) == runs[0].hub.text_bytes
