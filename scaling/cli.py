"""The command ``scaling``: simulated cubes, laws across sizes and mixes, forecasts, power and plans."""

from __future__ import annotations

import typer

from data.errors import guard
from scaling.commands.calibrate import calibrate_command
from scaling.commands.fit import fit_command
from scaling.commands.forecast import forecast_command
from scaling.commands.loss import loss_command
from scaling.commands.mixes import mixes_command
from scaling.commands.plan import plan_command
from scaling.commands.power import power_command
from scaling.commands.simulate import simulate_command

app = typer.Typer(
    help="How the transition moves with model size and mix: simulated cubes, laws, forecasts, power and plans.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("simulate")(simulate_command)
app.command("fit")(fit_command)
app.command("forecast")(forecast_command)
app.command("calibrate")(calibrate_command)
app.command("mixes")(mixes_command)
app.command("loss")(loss_command)
app.command("power")(power_command)
app.command("plan")(plan_command)


def main() -> None:
    """Run the command line; a mistake of the user is one line on stderr and exit code 2."""
    guard("scaling", app)


if __name__ == "__main__":
    main()
