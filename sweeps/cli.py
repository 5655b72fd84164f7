"""The command ``sweeps``: plan, prepare, run, trial, status, collect, export, score."""

from __future__ import annotations

import typer

from calque.data.command_line.command import Command
from calque.data.errors import guard
from calque.sweeps.commands.collect import collect_command
from calque.sweeps.commands.export import export_command
from calque.sweeps.commands.plan import plan_command
from calque.sweeps.commands.prepare import prepare_command
from calque.sweeps.commands.run import run_command
from calque.sweeps.commands.score import score_command
from calque.sweeps.commands.status import status_command
from calque.sweeps.commands.trial import trial_command

app = typer.Typer(
    help="Launch studies of pretraining runs and gather every checkpoint's metrics in one cube.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
)  # fmt: skip
app.command("plan", cls=Command)(plan_command)
app.command("prepare", cls=Command)(prepare_command)
app.command("run", cls=Command)(run_command)
app.command("trial", cls=Command)(trial_command)
app.command("status", cls=Command)(status_command)
app.command("collect", cls=Command)(collect_command)
app.command("export", cls=Command)(export_command)
app.command("score", cls=Command)(score_command)


def main() -> None:
    """Entry point of the console script."""
    guard("sweeps", app)


if __name__ == "__main__":
    main()
