"""The address of a page: what was chosen, in words, so that a link or a bookmark shows the same again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode

ON, OFF = "yes", "no"


def read(query: str) -> dict[str, list[str]]:
    """Return the values by name in a ``query``, with or without its question mark."""
    return parse_qs(query.removeprefix("?"), keep_blank_values=True)


def write(values: Mapping[str, Sequence[str]]) -> str:
    """Return the query of an address.

    Parameters
    ----------
    values : mapping of str to sequence of str
        Values by name; a name without any stands with an empty one.
    """
    pairs = [(name, value) for name, of in values.items() for value in (of or [""])]
    return f"?{urlencode(pairs)}" if pairs else ""


def values_of(widget: Any) -> list[str]:
    """Return what is chosen in a ``widget``, as text."""
    value = widget.value
    if isinstance(value, list):
        return [text_of(one) for one in value]
    return [text_of(value)]


def choose(widget: Any, texts: Sequence[str]) -> list[str]:
    """Choose in a widget what an address says, and return what of it the widget does not offer.

    Parameters
    ----------
    widget : Panel widget
        A menu, a list, a slider over places, or a box.
    texts : sequence of str
        Values as :func:`values_of` gives them; nothing changes where the widget offers none of them.
    """
    if isinstance(widget.value, bool):
        known = {ON: True, OFF: False}
    else:
        offered = widget.options
        known = {text_of(v): v for v in (offered.values() if isinstance(offered, Mapping) else offered)}
    found = [known[text] for text in dict.fromkeys(texts) if text in known]
    several = isinstance(widget.value, list)
    if several and (found or list(texts) == [""]):
        widget.value = found
    elif found and not several:
        widget.value = found[0]
    return [text for text in texts if text not in known and text]


def text_of(value: Any) -> str:
    """Return a ``value`` of a widget as it stands in an address."""
    if isinstance(value, bool):
        return ON if value else OFF
    return f"{value:.15g}" if isinstance(value, float) else str(value)
