"""Commands whose numbers are numbers: ``inf`` and ``nan`` are floats, but no option means them."""

from __future__ import annotations

import math
from typing import Any

from typer.core import TyperCommand

from data.errors import UserError


class Command(TyperCommand):
    """A command that refuses an option which is not finite."""

    def invoke(self, ctx: Any) -> Any:
        """Run it.

        Raises
        ------
        UserError
            Naming the option.
        """
        for parameter in self.params:
            given = ctx.params.get(parameter.name or "")
            for value in given if isinstance(given, list | tuple) else (given,):
                if isinstance(value, float) and not math.isfinite(value):
                    raise UserError(f"{parameter.opts[0]} is {value}; expected a finite number")
        return super().invoke(ctx)
