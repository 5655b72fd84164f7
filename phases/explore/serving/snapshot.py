"""One HTML file of all pages in their first state: pictures with zoom and tooltips, no server, no network."""

from __future__ import annotations

import io
import re
from base64 import b64encode
from mimetypes import guess_type
from pathlib import Path

import panel as pn
from bokeh.resources import INLINE
from panel.io.resources import CDN_DIST, DIST_DIR

from calque.data.files import replacing
from calque.data.quantities import plural
from calque.phases.explore.app import App, framed, prepare
from calque.phases.explore.elements import column, note
from calque.phases.explore.locate_button import LocateButton
from calque.phases.explore.study import Study


def save(study: Study, path: Path) -> None:
    """Write the pages to one HTML file with every script and style inside, atomically.

    Parameters
    ----------
    study : Study
        Cube and reports to show.
    path : Path
        File to write.
    """
    prepare()
    app = App(study)
    for page in app.pages:
        if isinstance(locate := getattr(page, "locate", None), LocateButton):
            locate.served = False
    tabs = pn.Tabs(
        *((page.title, column(note(page.about), *page.results())) for page in app.pages), sizing_mode="stretch_width"
    )
    metrics = ", ".join(study.shown(m) for m in app.selection.metrics)
    chosen = f"{metrics} of {len(app.selection.runs)} of {plural(len(study.runs), 'run')}"
    about = f"A snapshot of 'phases explore': {chosen}. Start it on the cube to choose others."
    frame = framed(study, about, saved=True)
    frame.add_panel("pages", tabs)
    text = io.StringIO()
    frame.save(text, title=study.name, resources=INLINE)
    with replacing(path) as partial:
        partial.write_text(embedded(text.getvalue()), encoding="utf-8")


def embedded(page: str) -> str:
    """Return the HTML ``page`` with the styles and icons of Panel's content network replaced by data URLs."""

    def data(match: re.Match[str]) -> str:
        file = DIST_DIR / match[1]
        kind = guess_type(file.name)[0] or "application/octet-stream"
        return f"data:{kind};base64,{b64encode(file.read_bytes()).decode()}"

    return re.sub(re.escape(CDN_DIST) + r"""([^"'?\\\s<>]+)(\?[^"'\\\s<>]*)?""", data, page)
