"""``phases cite``: the methods of an analysis, to paste into a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import check_json, emit_json


def cite_command(
    detect: Annotated[Path, typer.Argument(metavar="FILE", help="JSON of 'phases detect --json'.")],
    bibtex: Annotated[bool, typer.Option("--bibtex", help="Print the references as BibTeX instead.")] = False,
    json_file: Json = None,
) -> None:
    """Print the methods of an analysis as a paragraph to paste: versions, settings, seeds, references.

    For example: phases cite detect.json --bibtex
    """
    from calque.phases.api.cite import cite

    check_json(json_file)
    made = cite(detect)
    if emit_json(json_file, made.to_dict()):
        return
    if bibtex:
        print(made.methods.bibtex, end="")
    else:
        made.show()
