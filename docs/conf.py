"""Settings of the documentation site: `make docs` builds it, offline, with warnings as errors."""

import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "extensions"))
PROJECT = tomllib.loads((DOCS.parent / "pyproject.toml").read_text())["project"]

project = "Calque"
version = release = PROJECT["version"]
author = "The Calque authors"
copyright = "The Calque authors, Apache-2.0"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinxcontrib.bibtex",
    "myst_nb",
    "reference_pages",
    "repository_links",
    "citations",
]
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["_build", "extensions"]
bibtex_bibfiles = ["references.bib", "../phases/report/methods.bib"]

myst_heading_anchors = 3
# tables of the benchmarks begin where their page in the terminal does; what a command prints is no code; the language
# of cells that are not executed (in tests) is not known
suppress_warnings = ["myst.header", "toc.no_title", "misc.highlighting_failure", "myst-nb.lexer"]
nb_execution_mode = "cache"  # a tutorial is executed again when its cells change; of a fresh checkout, all are
nb_execution_cache_path = str(DOCS.parent / "build" / "notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_ivar = True
autosummary_generate = False

html_theme = "pydata_sphinx_theme"
html_title = "Calque"
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_center": [],  # the contents stand beside the page, under their captions
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"**": ["globaltoc.html"]}
html_show_sourcelink = False
html_show_search_summary = False  # it fetches pages, which a browser forbids where they are files
templates_path: list[str] = []
