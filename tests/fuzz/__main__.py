"""The long form of the fuzz: ``python -m tests.fuzz --seconds 600 --seed 1 --kind imports``; a table at its end."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from calque.phases.api.detect import detect
from tests.fuzz.frame import MEMORY, SECONDS, attempt, in_child
from tests.fuzz.kinds import KINDS
from tests.phases_cube import study


def main() -> int:
    """Run attempts until the time or their number is used up; return 1 where there was a fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0, help="stop after this time")
    parser.add_argument("--count", type=int, help="stop after so many inputs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="repeatable; all of them by default")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="this input alone, in this process")
    given = parser.parse_args()
    kinds = given.kind or list(KINDS)
    if given.only is not None:
        one = attempt(KINDS[kinds[0]], given.seed, given.only)
        print(one.label, in_child(one) or "no fault")
        return 0
    # compiled here, not in a child whose time is counted
    detect(study(runs=1, n=20, exposure=False)[0], boot=19, metric="copying")
    tried: Counter[tuple[str, str]] = Counter()
    faults: Counter[tuple[str, str]] = Counter()
    end, number = time.monotonic() + given.seconds, 0
    while time.monotonic() < end and (given.count is None or number < given.count):
        for kind in kinds:
            one = attempt(KINDS[kind], given.seed, number)
            fault = in_child(one, SECONDS, MEMORY)
            tried[kind, one.label] += 1
            if fault:
                faults[kind, one.label] += 1
                print(f"{kind} --seed {given.seed} --only {number} ({one.label}): {fault}", flush=True)
        number += 1
    wide = max((len(label) for _, label in tried), default=5)
    print(f"\n{'kind':10} {'input':{wide}} {'tried':>6} {'faults':>6}")
    for kind, label in sorted(tried):
        print(f"{kind:10} {label:{wide}} {tried[kind, label]:6d} {faults[kind, label]:6d}")
    print(f"{'all':10} {'':{wide}} {tried.total():6d} {faults.total():6d}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
