"""Run the benchmarks of this folder and write their tables: ``python -m tests.benchmarks [--out docs/benchmarks]``."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.benchmarks import throughput


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    throughput.main(parser.parse_args().out)


if __name__ == "__main__":
    main()
