"""The command ``scaling``: simulated cubes, laws across sizes and mixes, forecasts, power and plans."""

from __future__ import annotations

from calque.data.command_line.application import application
from calque.data.errors import guard
from calque.scaling.commands.calibrate import calibrate_command
from calque.scaling.commands.fit import fit_command
from calque.scaling.commands.forecast import forecast_command
from calque.scaling.commands.loss import loss_command
from calque.scaling.commands.mixes import mixes_command
from calque.scaling.commands.plan import plan_command
from calque.scaling.commands.power import power_command
from calque.scaling.commands.simulate import simulate_command

app = application(
    "scaling",
    "How the transition moves with model size and mix: simulated cubes, laws, forecasts, power and plans.",
    {
        "simulate": simulate_command,
        "fit": fit_command,
        "forecast": forecast_command,
        "calibrate": calibrate_command,
        "mixes": mixes_command,
        "loss": loss_command,
        "power": power_command,
        "plan": plan_command,
    },
)


def main() -> None:
    """Run the command line; a mistake of the user is one line on stderr and exit code 2."""
    guard("scaling", app)


if __name__ == "__main__":
    main()
