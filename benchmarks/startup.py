"""What `%load_ext nbassist` costs beside `import openai`, each in fresh processes: python benchmarks/startup.py

Prints the median of both in milliseconds, measured inside IPython, and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

CODE = """
import time
from IPython.testing.globalipapp import start_ipython
shell = start_ipython()
began = time.perf_counter()
{what}
print("took", (time.perf_counter() - began) * 1000)
"""
SIDES = {
    "%load_ext nbassist": "shell.extension_manager.load_extension('nbassist')",
    "import openai": "import openai",
}


def milliseconds(what: str) -> float:
    done = subprocess.run([sys.executable, "-c", CODE.format(what=what)], capture_output=True, text=True, check=True)
    return float(done.stdout.rpartition("took ")[2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3 processes a side in place of 15")
    rounds = 3 if parser.parse_args().quick else 15
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(rounds):  # alternately, so that both sides meet the same noise
        for side, what in SIDES.items():
            times[side].append(milliseconds(what))
    ours, theirs = (statistics.median(times[side]) for side in SIDES)
    for side in SIDES:
        print(f"{side:<20} {statistics.median(times[side]):8.1f} ms (median of {rounds})")
    print(f"ratio {ours / theirs:.3f}")


if __name__ == "__main__":
    main()
