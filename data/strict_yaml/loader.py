"""YAML with few surprises: keys are words as they are written, dates are text, and numbers are of a bearable size."""

from __future__ import annotations

from typing import Any

import yaml

LARGEST = 10**18
"""Beyond any count here. A number of thousands of digits cannot even be written into a message."""


class Loader(yaml.SafeLoader):
    """Reads YAML as ``yaml.SafeLoader`` does, with three differences.

    A key is the word that was written (``no``, ``2026`` and ``010`` too). What looks like a date is text. A whole
    number beyond ``LARGEST`` is an error that names its line.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return the mapping of a node, its keys as they are written; ``deep`` makes what is below at once."""
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Return the whole number of a node."""
        try:
            number = int(super().construct_yaml_int(node))
        except ValueError:  # thousands of digits, or words of YAML's that are none, such as 0x
            number = None
        if number is None or abs(number) > LARGEST:
            raise yaml.constructor.ConstructorError(
                None, None, f"a whole number beyond {LARGEST:.0e}", node.start_mark
            )  # fmt: skip
        return number

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float:
        """Return the number of a node."""
        try:
            return float(super().construct_yaml_float(node))
        except (ValueError, OverflowError):  # a sexagesimal of thousands of places
            raise yaml.constructor.ConstructorError(None, None, "no number", node.start_mark) from None


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.yaml_constructors = {  # other tags, such as !!binary or !!set, are errors that name their line
    tag: yaml.SafeLoader.yaml_constructors[tag]
    for tag in (None, *(f"tag:yaml.org,2002:{word}" for word in ("null", "bool", "str", "seq", "map")))
}
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_yaml_int)
Loader.add_constructor("tag:yaml.org,2002:float", Loader.construct_yaml_float)
