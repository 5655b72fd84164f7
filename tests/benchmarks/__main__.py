"""Run benchmarks and write their tables to docs/benchmarks: ``python -m tests.benchmarks [NAME ...]``, by default all.

Each is a module of this folder with a help of its own. Run them on an idle machine; all take hours.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

COMMANDS: dict[str, tuple[str, ...]] = {
    "train": (),
    "throughput": (),
    "learning_rate": (),
    "scoring": (),
    "loading": ("--megabytes", "48", "--rounds", "3"),
    "speed": ("--runs", "2"),
    "peers": (),
    "efficiency": ("-o", "docs/benchmarks/efficiency.json"),
    "pathologies": ("--series", "1000"),
    "misleading": (),
    "adaptive_checkpoints": ("--series", "200"),
    "explore": (),
    "browser": (),
    "chinchilla": (),
    "sampler": (),
    "components": (),
    "components_power": (),
    "instruments": (),
    "ray_cost": (),
    "many_runs": (),
    "many_pairs": (),
    "memory": (),
}
"""Modules that write a table, with the arguments that the committed one was made with."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(COMMANDS))
    names = parser.parse_args().names or list(COMMANDS)
    if unknown := [name for name in names if name not in COMMANDS]:
        parser.error(f"no benchmark '{unknown[0]}'; expected {', '.join(COMMANDS)}")
    failed = []
    for name in names:
        print(f"\n== {name} ==", flush=True)
        if subprocess.run([sys.executable, "-m", f"tests.benchmarks.{name}", *COMMANDS[name]], check=False).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
