"""Try inputs on every target for some minutes, and keep in the corpus what fails: `make fuzz`.

Usage: python tests/fuzz/fuzz.py [--minutes 10] [--seed 0] [TARGET ...]
"""

import argparse
import hashlib
import sys
import tempfile
import time
import traceback
from pathlib import Path

from bounds import TooSlowError, bounded
from hypothesis import HealthCheck, Phase, given, seed, settings
from targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
_BATCH = 2000
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # where files cost no disk


def tried(target, data):
    """Try one input, in a folder of its own."""
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder, bounded(len(data)):
        target.check(data, Path(folder))


def run(target, seconds, number):
    """How many inputs were tried, and those that failed."""
    until, count, found = time.monotonic() + seconds, 0, {}

    def attempt(data):
        nonlocal count
        if time.monotonic() < until:
            count += 1
            try:
                tried(target, data)
            except (Exception, TooSlowError) as error:
                place = traceback.extract_tb(error.__traceback__)[-1]
                found.setdefault((type(error).__name__, place.filename, place.lineno), (data, error))

    while time.monotonic() < until:
        number += 1
        quiet = settings(
            max_examples=_BATCH,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seed(number)(quiet(given(target.inputs)(attempt)))()
    return count, found


def keep(target, data):
    folder = CORPUS / target.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    chosen = [one for one in TARGETS if not asked.targets or one.name in asked.targets]
    print(f"seed {asked.seed}")
    failed = 0
    for target in chosen:
        count, found = run(target, 60 * asked.minutes / len(chosen), asked.seed * 1_000_000)
        print(f"{target.name:<12} {count:>7,} inputs, {len(found)} findings", flush=True)
        for (name, file, line), (data, error) in found.items():
            print(f"  {name} at {file}:{line}: {str(error)[:300]}")
            keep(target, data)
        failed += len(found)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
