"""What it costs to put a large value into a prompt: `{{ x | json }}`, `markdown`, `head` and none, beside the library.

`python benchmarks/values.py` takes tables of ten million rows and a text of 300 MB; `--quick` a tenth of them. Prints
seconds and the most memory that was taken, of the first of several runs and of the best; beside it what the library's
own conversion takes for the whole of a table of a hundredth of the rows.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

from nbassist.context.template import fill

FORMATS = ("", "| json", "| markdown", "| head 20")
TABLES = ("pandas", "polars", "dask")


def values(rows: int) -> dict[str, Any]:
    """Return the values by name: tables of three libraries, an array, a list, a text and one of a single line."""
    import dask.dataframe
    import numpy as np
    import pandas as pd
    import polars

    columns = {name: np.arange(rows) / 3 for name in "abcdef"}
    table = pd.DataFrame({**columns, "text": "some words"})
    return {
        "pandas": table,
        "polars": polars.DataFrame(columns),
        "dask": dask.dataframe.from_pandas(table.head(rows // 100), npartitions=4),
        "numpy": columns["a"],
        "list": list(range(rows)),
        "text": "a line of a text\n" * rows,
        "one line": "q" * (30 * rows),
    }


def measured(work: Callable[[], Any]) -> tuple[float, float, float]:
    """Return the seconds of the first run and of the best of five, and the most memory in MB."""
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    tracemalloc.start()
    work()
    most = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return seconds[0], min(seconds), most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    rows = 1_000_000 if parser.parse_args().quick else 10_000_000
    given = values(rows)
    print(f"{rows:,} rows; first, best (s), memory (MB)")
    worst = (0.0, 0.0)
    for name, value in given.items():
        line = []
        for form in FORMATS if name in TABLES else ("", "| json", "| head 20"):
            first, best, most = measured(lambda form=form, value=value: fill(f"{{{{ x {form} }}}}", {"x": value}))  # type: ignore[misc]
            worst = max(worst[0], first), max(worst[1], most)
            line.append(f"{form or 'as it is':>12}: {first:6.3f} {best:6.3f} {most:5.1f}")
        print(f"{name:<9}", *line)
    small = given["pandas"].head(rows // 100)
    started = time.perf_counter()
    small.to_json()
    whole = time.perf_counter() - started
    print(f"pandas' own to_json of {len(small):,} rows: {whole:.3f} s")
    print(f"the dearest of ours: {worst[0]:.3f} s, {worst[1]:.1f} MB")


if __name__ == "__main__":
    main()
