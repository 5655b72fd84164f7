"""Files about the project say what its pyproject.toml says."""

from __future__ import annotations

import tomllib

import yaml

from tests.readme import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == PROJECT["version"] and citation["license"] == PROJECT["license"]
    assert {"message", "title", "authors", "type"} <= set(citation)
    assert citation["references"][0]["identifiers"][0] == {"type": "other", "value": "arXiv:2604.17633"}
