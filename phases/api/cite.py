"""The methods of an analysis, to paste into a paper: the function behind ``phases cite``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.data.arguments import checked
from calque.data.errors import UserError
from calque.data.result import Result, Rows
from calque.phases.api.detect import Detection
from calque.phases.json_files import read_json
from calque.phases.report.methods import Methods, methods

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MethodsParagraph(Result):
    """The methods of one analysis.

    Attributes
    ----------
    methods : Methods
        Its paragraph, references and BibTeX.
    """

    methods: Methods

    def to_dict(self) -> dict[str, Any]:
        """Return what ``phases cite --json`` writes."""
        made = self.methods
        return {"schema": 1, "methods": made.text, "references": list(made.references), "bibtex": made.bibtex}

    def tables(self) -> dict[str, Rows]:
        """Return ``references``, a row each."""
        rows = [{"number": i, "reference": text} for i, text in enumerate(self.methods.references, start=1)]
        return {"references": Rows(rows, ("number",), ("reference",))}

    def renderables(self) -> Sequence[RenderableType]:
        """Return the paragraph and its references."""
        from rich.text import Text

        return [Text(self.methods.text), Text(""), *(Text(reference) for reference in self.methods.references)]

    def plot(self, *, backend: str = "matplotlib") -> Any:
        """Refuse: a paragraph has no picture.

        Parameters
        ----------
        backend : {"matplotlib", "hvplot"}
            As other results take it.

        Raises
        ------
        UserError
            Always.
        """
        raise UserError("a paragraph has no picture; print it, or plot the result of calque.detect")


@checked
def cite(detect: str | os.PathLike[str] | Detection) -> MethodsParagraph:
    """Return the methods of an analysis as a paragraph to paste, with its references.

    Parameters
    ----------
    detect : path or Detection
        What ``calque.detect`` returned, or the file that ``phases detect --json`` wrote.

    Returns
    -------
    MethodsParagraph
        Of the settings, seeds and versions of that analysis.

    Raises
    ------
    UserError
        When the file is missing, or another command's.
    """
    answer = detect.to_dict() if isinstance(detect, Detection) else read_json("detect", Path(detect))
    return MethodsParagraph(methods=methods(answer))
