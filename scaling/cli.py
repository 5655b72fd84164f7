"""The command ``scaling``: simulated cubes, laws across sizes and mixes, forecasts, power and plans."""

from __future__ import annotations

import typer

from calque.data.command_line.command import Command
from calque.data.errors import guard
from calque.scaling.commands.calibrate import calibrate_command
from calque.scaling.commands.fit import fit_command
from calque.scaling.commands.forecast import forecast_command
from calque.scaling.commands.loss import loss_command
from calque.scaling.commands.mixes import mixes_command
from calque.scaling.commands.plan import plan_command
from calque.scaling.commands.power import power_command
from calque.scaling.commands.simulate import simulate_command

app = typer.Typer(
    help="How the transition moves with model size and mix: simulated cubes, laws, forecasts, power and plans.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("simulate", cls=Command)(simulate_command)
app.command("fit", cls=Command)(fit_command)
app.command("forecast", cls=Command)(forecast_command)
app.command("calibrate", cls=Command)(calibrate_command)
app.command("mixes", cls=Command)(mixes_command)
app.command("loss", cls=Command)(loss_command)
app.command("power", cls=Command)(power_command)
app.command("plan", cls=Command)(plan_command)


def main() -> None:
    """Run the command line; a mistake of the user is one line on stderr and exit code 2."""
    guard("scaling", app)


if __name__ == "__main__":
    main()
