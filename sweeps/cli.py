"""The command ``sweeps``: init, plan, prepare, run, trial, status, collect, export, push, score, probe."""

from __future__ import annotations

from calque.data.command_line.application import application
from calque.data.errors import guard
from calque.sweeps.commands.collect import collect_command
from calque.sweeps.commands.export import export_command
from calque.sweeps.commands.init import init_command
from calque.sweeps.commands.plan import plan_command
from calque.sweeps.commands.prepare import prepare_command
from calque.sweeps.commands.probe import probe_command
from calque.sweeps.commands.push import push_command
from calque.sweeps.commands.run import run_command
from calque.sweeps.commands.score import score_command
from calque.sweeps.commands.status import status_command
from calque.sweeps.commands.trial import trial_command

app = application(
    "sweeps",
    "Launch studies of pretraining runs and gather every checkpoint's metrics in one cube.",
    {
        "init": init_command,
        "plan": plan_command,
        "prepare": prepare_command,
        "run": run_command,
        "trial": trial_command,
        "status": status_command,
        "collect": collect_command,
        "export": export_command,
        "push": push_command,
        "score": score_command,
        "probe": probe_command,
    },
)


def main() -> None:
    """Entry point of the console script."""
    guard("sweeps", app)


if __name__ == "__main__":
    main()
