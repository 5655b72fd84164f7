"""Logs of other tools, written by their own libraries where there is one, in real layouts where there is none."""

import gzip
import json

import numpy as np
import pandas as pd
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util

STEPS = np.array([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000])
PER_STEP = 2_097_152
TRIALS = 500


def correct(seed=0, steps=STEPS):
    """Right answers out of TRIALS: a floor, a takeoff near step 600, a ceiling."""
    rng = np.random.default_rng(seed)
    p = 0.02 + 0.6 / (1 + (600 / steps) ** 3)
    return rng.binomial(TRIALS, p)


def scalar(tag, value, step, *, tensor=False, wall=0.0):
    made = summary_pb2.Summary.Value(tag=tag)
    if tensor:
        made.tensor.CopyFrom(tensor_util.make_tensor_proto(np.float64(value)))
    else:
        made.simple_value = value
    return event_pb2.Event(step=int(step), wall_time=wall, summary=summary_pb2.Summary(value=[made]))


def events(folder, made, suffix=""):
    """Write event files as TensorBoard itself does."""
    writer = EventFileWriter(str(folder), filename_suffix=suffix)
    for event in made:
        writer.add_event(event)
    writer.close()
    return next(p for p in sorted(folder.iterdir(), reverse=True) if p.name.endswith(suffix))


def harness(path, acc, revision="step1000", *, model="EleutherAI/pythia-160m", task="lambada_openai", **more):
    """Write one result file of the current harness."""
    n = more.pop("n", TRIALS)
    se = float(np.sqrt(acc * (1 - acc) / (n - 1)))
    result = {"alias": task, "acc,none": acc, "acc_stderr,none": se, "perplexity,none": 0.5, "f1,none": 0.1234567}
    whole = {
        "results": {task: result},
        "group_subtasks": {task: []},
        "configs": {task: {"task": task}},
        "versions": {task: 1.0},
        "n-shot": {task: more.pop("shots", 0)},
        "higher_is_better": {task: {"acc": True, "perplexity": False}},
        "n-samples": {task: {"original": 5153, "effective": n}},
        "config": {"model": "hf", "model_args": f"pretrained={model},revision={revision},dtype=float32"},
        "date": 1734000000.0,
        "model_name": model,
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**whole, **more}))
    return path


# One log of two runs in every format, by its own conventions: what is written, and what asks for it.


def write_csv(folder):
    rows = [f"{r},{s * PER_STEP},{float(c / TRIALS)!r},{TRIALS}" for r, seed in (("a", 0), ("b", 1))
            for s, c in zip(STEPS, correct(seed), strict=True)]  # fmt: skip
    path = folder / "log.csv.gz"
    path.write_bytes(gzip.compress(("run,tokens,acc,n\n" + "\n".join(rows)).encode()))
    return {"path": path, "tokens": "tokens", "trials": "n", "run": "run", "metrics": ("acc",)}


def write_parquet(folder):
    path = folder / "parts"
    path.mkdir()
    for r, seed in (("a", 0), ("b", 1)):
        pd.DataFrame({"run": r, "step": STEPS, "acc": correct(seed)}).to_parquet(path / f"{seed}.parquet")
    return {"path": path, "tokens": "step", "tokens_per_step": PER_STEP, "trials": str(TRIALS), "run": "run",
            "metrics": ("acc",)}  # fmt: skip


def write_tensorboard(folder):
    for r, seed in (("a", 0), ("b", 1)):
        events(folder / "tb" / r, [scalar("acc", c, s, tensor=seed == 1)
                                   for s, c in zip(STEPS, correct(seed), strict=True)])  # fmt: skip
    return {"path": folder / "tb", "tokens_per_step": PER_STEP, "trials": str(TRIALS), "metrics": ("acc",)}


def write_wandb(folder):
    columns = {"Step": STEPS}
    for r, seed in (("a", 0), ("b", 1)):
        columns |= {f"{r} - acc{end}": correct(seed) for end in ("", "__MIN", "__MAX")}
    path = folder / "wandb_export_2024-05-05T10_07_23.233-04_00.csv"
    pd.DataFrame(columns).to_csv(path, index=False, quoting=1)
    return {"path": path, "tokens_per_step": PER_STEP, "trials": str(TRIALS), "metrics": ("acc",)}


def write_lm_eval(folder):
    for r, seed in (("org/a", 0), ("org/b", 1)):
        for i, (s, c) in enumerate(zip(STEPS, correct(seed), strict=True)):
            name = f"results_2024-12-{i + 1:02d}T10-00-00.123456.json"
            harness(folder / "out" / r.replace("/", "__") / name, c / TRIALS, f"step{s}", model=r)
    return {"path": folder / "out", "tokens_per_step": PER_STEP, "metrics": ("lambada_openai/acc",)}


def write_trainer(folder):
    for r, seed in (("a", 0), ("b", 1)):
        for last in (STEPS[9], STEPS[-1]):  # a state holds all that went before it
            log = []
            for s, c in zip(STEPS[STEPS <= last].tolist(), correct(seed).tolist(), strict=False):
                log += [{"loss": 3.0, "step": s}, {"eval_acc": c, "epoch": 0.1, "step": s}]
            path = folder / "trainer" / r / f"checkpoint-{last}" / "trainer_state.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps({"epoch": 1.0, "global_step": int(last), "log_history": log}, indent=1))
    return {"path": folder / "trainer", "tokens_per_step": PER_STEP, "trials": str(TRIALS), "metrics": ("eval_acc",)}


def table(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


WRITERS = {"csv": write_csv, "parquet": write_parquet, "tensorboard": write_tensorboard, "wandb": write_wandb,
           "lm-eval": write_lm_eval, "trainer": write_trainer}  # fmt: skip
