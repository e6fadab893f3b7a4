"""Ten thousand small fits beside scipy, optimistix and the best form by hand; a million in blocks.

Fits y = b1 exp(-b2 x) + b3 to 64 points in float64. Warm rounds are interleaved, first calls are
apart; time and memory of larger numbers are those of processes of their own, which read the
responses from a memory map:

    python experiments/peers/estimates.py --out docs/benchmarks/estimates.md
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np
from estimates_sides import TIGHT, by_hand, by_optimistix, by_ours, by_scipy, responses

SIZES = (10_000, 100_000, 1_000_000)


def timed(call, y):
    """Seconds of a call, and what it gives."""
    start = time.perf_counter()
    found = call(y)
    return time.perf_counter() - start, found


def interleaved(sides, y, rounds):
    """First calls, medians and quartiles of warm ones in turn, and the last results."""
    first, results, taken = {}, {}, {name: [] for name in sides}
    for name, side in sides.items():
        first[name], results[name] = timed(side, y)
    for turn in range(rounds):
        order = list(sides) if turn % 2 else list(sides)[::-1]
        for name in order:
            if name.startswith("scipy") and turn >= 2:
                continue
            taken[name].append(timed(sides[name], y)[0])
    return first, taken, results


def comparison(m, rounds):
    """The table of all sides."""
    sides = {
        "scipy.optimize.curve_fit, a loop": by_scipy,
        "optimistix.LevenbergMarquardt under vmap": by_optimistix(),
        "by hand, for this model alone": by_hand(),
        "least_squares_many": by_ours(),
        "least_squares_many, float32": by_ours(dtype=np.float32),
    }
    y = responses(m)
    first, taken, found = interleaved(sides, y, rounds)
    reference = by_scipy(y[:2000], **TIGHT)
    pace = {name: statistics.median(times) for name, times in taken.items()}
    ours = pace["least_squares_many"]
    lines = [
        "| side | first call, s | us a fit | quartiles | to ours | apart from scipy |",
        "|---|---|---|---|---|---|",
    ]
    for name, result in found.items():
        low, high = np.percentile(taken[name], [25, 75]) / m * 1e6
        theta = getattr(result, "theta", result)
        lines.append(
            f"| {name} | {first[name]:.2f} | {pace[name] / m * 1e6:.2f} | {low:.2f} to {high:.2f} "
            f"| {pace[name] / ours:.2f} | {apart(theta, reference):.1e} |"
        )
    est = found["least_squares_many"]
    lines.append(
        f"\nHow ours ended: {', '.join(f'{n:,} {how}' for how, n in est.outcomes.items())}."
    )
    return lines


def apart(theta, reference):
    """The largest distance of a parameter from scipy's at its tightest, where that converges."""
    known = np.isfinite(reference).all(axis=1)
    some = theta[: len(reference)][known]
    return float(np.max(np.abs(some - reference[known]) / (np.abs(reference[known]) + 1e-3)))


def alone(m, out):
    """One size in this process: seconds, and the largest memory, without mapped files' pages."""
    y = np.load(Path(out) / "y.npy", mmap_mode="r")[:m]
    ours = by_ours(out=Path(out) / f"found-{m}")
    ours(np.array(y[: 2**16]))
    before = memory("RssAnon")
    seconds, est = timed(ours, y)
    after, peak, converged = memory("RssAnon"), memory("VmHWM"), est.where("converged").sum()
    print(json.dumps([seconds, before, after, peak, int(converged)]))


def memory(kind):
    """MiB of this process: RssAnon without the pages of files, VmHWM the most at any time."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(kind))


def growth(sizes):
    """The table of larger numbers, from a memory map into files."""
    lines = [
        "| fits | s | us a fit | MiB before | MiB after | peak with the files' pages | converged |",
        "|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as out:
        shape = (max(sizes), 64)
        y = np.lib.format.open_memmap(Path(out) / "y.npy", "w+", np.float64, shape)
        for low in range(0, len(y), 100_000):
            y[low : low + 100_000] = responses(min(100_000, len(y) - low), seed=low)
        y.flush()
        for m in sizes:
            command = [sys.executable, __file__, "--alone", str(m), "--folder", out]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds, before, after, peak, converged = json.loads(done.stdout.splitlines()[-1])
            lines.append(
                f"| {m:,} | {seconds:.2f} | {seconds / m * 1e6:.2f} | {before:.0f} | {after:.0f} "
                f"| {peak:.0f} | {converged:,} |"
            )
    return lines


def page(args):
    """The whole page."""
    cores = len(os.sched_getaffinity(0))
    machine = args.machine or f"{cores} cores ({platform.machine()})"
    return [
        "# Many fits at once\n",
        f"{machine}, jax {jax.__version__}, Python {platform.python_version()}. "
        f"{args.fits:,} fits of y = b1 exp(-b2 x) + b3 to 64 points in float64: medians of "
        f"{args.rounds} interleaved warm rounds (scipy's of 2), first calls with compilation "
        "apart. The last column is the largest distance of a parameter of the first 2,000 fits "
        "from scipy's at its tightest tolerance with exact derivatives, over its size plus "
        "0.001. Ours gives covariances and a status for each fit, too.\n",
        *comparison(args.fits, args.rounds),
        "\n## By the number of fits\n",
        "Responses in a memory map, results into files; each size in a process of its own, which "
        "has fitted one block before.\n",
        *growth(args.sizes),
    ]


def main():
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    parser.add_argument("--machine", help="what to call this machine")
    parser.add_argument("--fits", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        alone(args.alone, args.folder)
        return
    text = "\n".join(page(args)) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
