"""The command line ``phases``: it asks when a capability began in training."""

from __future__ import annotations

import typer

from calque.data.command_line.command import Command
from calque.data.errors import guard
from calque.phases.commands.acquisition import acquisition
from calque.phases.commands.calibrate import calibrate
from calque.phases.commands.detect import detect
from calque.phases.commands.explore import explore
from calque.phases.commands.importing import import_
from calque.phases.commands.pool import pool

app = typer.Typer(
    name="phases",
    help="When did a capability begin in training? Takeoffs, delays and lags with calibrated intervals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def phases() -> None:
    """When did a capability begin in training? Takeoffs, delays and lags with calibrated intervals."""


app.command(cls=Command)(detect)
app.command(cls=Command)(calibrate)
app.command("import", cls=Command)(import_)
app.command(cls=Command)(pool)
app.command(cls=Command)(acquisition)
app.command(cls=Command)(explore)


def main() -> None:
    """Run the command line; mistakes of the user become one line and exit code 2."""
    guard("phases", app)


if __name__ == "__main__":
    main()
