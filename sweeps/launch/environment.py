"""Environment variables that a launch takes to the processes of all nodes.

They travel inside the requests. Ray's ``runtime_env`` would do the same, and its agent writes the values of its
variables, tokens included, into a log on every node.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

PREFIXES = ("CALQUE_", "WANDB_")
NAMES = (
    "HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
    "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
)  # fmt: skip
"""What the hub and an object store are reached with; the first names what no log may contain."""
OF_A_NODE = ("CALQUE_HOME",)
"""Places on a node's own disk: a node that sets one keeps it."""


def forwarded() -> dict[str, str]:
    """Return the variables of this process that those of other nodes get."""
    return {name: value for name, value in os.environ.items() if name in NAMES or name.startswith(PREFIXES)}


def take_over(environment: Mapping[str, str]) -> None:
    """Set the variables of ``environment`` in this process; what names a place on this node's disk stays as it is."""
    for name, value in environment.items():
        if name in OF_A_NODE:
            os.environ.setdefault(name, value)
        else:
            os.environ[name] = value
