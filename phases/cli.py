"""The command line ``phases``: it asks when a capability began in training."""

from __future__ import annotations

from calque.data.command_line.application import application
from calque.data.errors import guard
from calque.phases.commands.acquisition import acquisition
from calque.phases.commands.calibrate import calibrate
from calque.phases.commands.cite import cite_command
from calque.phases.commands.compare import compare_command
from calque.phases.commands.detect import detect
from calque.phases.commands.edit import edit
from calque.phases.commands.explore import explore
from calque.phases.commands.importing import import_
from calque.phases.commands.pool import pool

app = application(
    "phases",
    "When did a capability begin in training? Takeoffs, delays and lags with calibrated intervals.",
    {
        "detect": detect,
        "compare": compare_command,
        "cite": cite_command,
        "calibrate": calibrate,
        "import": import_,
        "edit": edit,
        "pool": pool,
        "acquisition": acquisition,
        "explore": explore,
    },
)


def main() -> None:
    """Run the command line; mistakes of the user become one line and exit code 2."""
    guard("phases", app)


if __name__ == "__main__":
    main()
