"""The command ``sweeps``: plan, prepare, run, trial, status, collect, export, score."""

from __future__ import annotations

from calque.data.command_line.application import application
from calque.data.errors import guard
from calque.sweeps.commands.collect import collect_command
from calque.sweeps.commands.export import export_command
from calque.sweeps.commands.plan import plan_command
from calque.sweeps.commands.prepare import prepare_command
from calque.sweeps.commands.run import run_command
from calque.sweeps.commands.score import score_command
from calque.sweeps.commands.status import status_command
from calque.sweeps.commands.trial import trial_command

app = application(
    "sweeps",
    "Launch studies of pretraining runs and gather every checkpoint's metrics in one cube.",
    {
        "plan": plan_command,
        "prepare": prepare_command,
        "run": run_command,
        "trial": trial_command,
        "status": status_command,
        "collect": collect_command,
        "export": export_command,
        "score": score_command,
    },
)


def main() -> None:
    """Entry point of the console script."""
    guard("sweeps", app)


if __name__ == "__main__":
    main()
