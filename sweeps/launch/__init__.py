"""Running a study's runs side by side under Ray. The only package that imports ray."""

from sweeps.launch.cluster import cluster_nodes
from sweeps.launch.tune import launch

__all__ = ["cluster_nodes", "launch"]
