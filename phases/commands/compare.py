"""``phases compare``: two analyses of one design."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import check_json, emit_json


def compare_command(
    found: Annotated[Path, typer.Argument(metavar="FILE", help="JSON of 'phases detect --json'.")],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE", help="The same of another run of the design.")],
    json_file: Json = None,
) -> None:
    """Say whether two analyses of one design found the same places, within their intervals.

    For example: phases compare results/quick/detect.json docs/findings/quick.json
    """
    from calque.phases.api.compare import compare

    check_json(json_file)
    made = compare(found, reference)
    if not emit_json(json_file, made.to_dict()):
        made.show()
