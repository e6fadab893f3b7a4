"""Many small fits on an accelerator beside its machine's processor: fits per second by size.

Fits y = b1 exp(-b2 x) + b3 to 64 points, 10,000 to 1,000,000 times, in float64 and float32, from
numpy arrays and from arrays that lie on the device already; beside scipy's loop, optimistix under
vmap where it is installed, and the same call on the processor. Each line is written when it is
there:

    python experiments/peers/estimates_gpu.py --out docs/benchmarks
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import statistics
import sys
import time
import traceback
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

import jax
import numpy as np
from estimates_sides import TIGHT, by_optimistix, by_ours, by_scipy, responses

SIZES = (10_000, 100_000, 1_000_000)
BUDGET = 200.0
"""Seconds after which no further line begins."""


class Table:
    """Lines of Markdown that are printed and appended to a file at once."""

    def __init__(self, path):
        self.path = path
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")

    def add(self, line):
        """Write a line."""
        print(line, flush=True)
        if self.path:
            with self.path.open("a") as file:
                file.write(line + "\n")


def seconds(call, rounds=5):
    """The first call with its compilation, and the median of some more, and the last result."""
    taken = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        result = call()
        taken.append(time.perf_counter() - start)
    return taken[0], statistics.median(taken[1:]), result


def row(table, name, m, call, reference=None, rounds=5):
    """Measure one side."""
    first, median, found = seconds(call, rounds)
    theta = getattr(found, "theta", found)
    apart = ""
    if reference is not None:
        some = reference[: len(theta)]
        known = np.isfinite(some).all(axis=1)
        off = np.abs(theta[: len(some)] - some)[known] / (np.abs(some[known]) + 1e-3)
        apart = f"{np.max(off):.1e}"
    ended = ", ".join(f"{n} {how}" for how, n in getattr(found, "outcomes", {}).items())
    table.add(
        f"| {name} | {m:,} | {first:.2f} | {median:.4f} | {m / median:,.0f} | {apart} | {ended} |"
    )


def sides(kind):
    """Ours, by name: where it runs, and in which type of numbers."""
    cpu = jax.devices("cpu")[:1]
    found = {"ours, processor, float64": (by_ours(devices=cpu, threads=_cores()), None)}
    if kind != "cpu":
        for dtype in (np.float64, np.float32):
            name = f"ours, {kind}, {np.dtype(dtype).name}"
            found[name] = (by_ours(dtype=dtype), None)
            found[f"{name}, data on the device"] = (by_ours(dtype=dtype), dtype)
    return found


def _cores():
    return len(os.sched_getaffinity(0))


def measure(table, sizes):
    """All lines; one that fails says why."""
    begin = time.perf_counter()
    kind = jax.default_backend()
    few = responses(1_000)
    reference = by_scipy(few, **TIGHT)
    row(table, "scipy.optimize.curve_fit, a loop", 1_000, lambda: by_scipy(few), reference, 1)
    for m in sizes:
        y = responses(m)
        y[: len(few)] = few
        for name, (side, on_device) in sides(kind).items():
            guarded(table, begin, name, m, side, y, on_device, reference)
        if importlib.util.find_spec("optimistix") is None:
            table.add(f"| optimistix under vmap, {kind} | {m:,} | not installed here | | | | |")
        elif m < 1_000_000:
            name = f"optimistix under vmap, {kind}, float64"
            guarded(table, begin, name, m, by_optimistix(), y, None, reference)


def guarded(table, begin, name, m, side, y, on_device, reference):
    """A line within the budget of time; an error is a line of its own."""
    if time.perf_counter() - begin > BUDGET:
        table.add(f"| {name} | {m:,} | no time was left | | | | |")
        return
    try:
        with jax.enable_x64(True):
            data = (
                y
                if on_device is None
                else jax.block_until_ready(jax.device_put(y.astype(on_device)))
            )
        row(table, name, m, lambda: side(data), reference, 5 if m < 1_000_000 else 3)
    except Exception as error:
        traceback.print_exc()
        table.add(f"| {name} | {m:,} | {type(error).__name__}: {str(error)[:80]} | | | | |")


def main():
    """Measure, print, and write line by line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="a folder for estimates_gpu.md")
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--machine", default=str(jax.devices()[0].device_kind))
    args = parser.parse_args()
    table = Table(args.out and args.out / "estimates_gpu.md")
    table.add("# Many fits on an accelerator\n")
    table.add(
        f"{args.machine} and {_cores()} cores of its machine, jax {jax.__version__}, Python "
        f"{platform.python_version()}. y = b1 exp(-b2 x) + b3 on 64 points; seconds of the first "
        "call with its compilation, the median of further calls, and the largest distance of a "
        "parameter from scipy's at its tightest tolerance, over its size plus 0.001, among the "
        "first 1,000 fits.\n"
    )
    table.add("| side | fits | first call, s | s | fits per second | apart | ended |")
    table.add("|---|---|---|---|---|---|---|")
    measure(table, args.sizes)


if __name__ == "__main__":
    main()
