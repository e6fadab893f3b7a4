"""Populations on an accelerator: by size, by layout, and the share of its peak.

    python experiments/peers/populations_gpu.py --out populations_gpu.md --machine "one NVIDIA H100"

Runs per second against runs one after the other; the operations and the bytes of training beside
what matrix products and copies reach. `gpu.py` runs it, and measures others beside.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import time
import traceback
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from populations import added, kept_programs, swept
from populations_sides import CLASSES, jax_parts, orders, training
from populations_sides import digits as load

import paramjax as pj
from paramjax.populations import Layout

SIZES = (1, 16, 256, 4096, 16384)
WIDE = {
    "digits MLP, batch 128": ((64, 128, 128, CLASSES), 128, 4096),
    "MLP 784-1024-1024-10, batch 128": ((784, 1024, 1024, CLASSES), 128, 64),
    "MLP 784-1024-1024-10, batch 2,048": ((784, 1024, 1024, CLASSES), 2048, 64),
}
STEPS_OF_WIDE = 32


class Dense(nn.Module):
    """Layers of some widths that multiply in one type and keep their parameters in float32."""

    widths: tuple[int, ...]
    dtype: jnp.dtype

    @nn.compact
    def __call__(self, x):
        """Map rows to logits."""
        for width in self.widths[:-1]:
            x = nn.relu(nn.Dense(width, dtype=self.dtype)(x))
        return nn.Dense(self.widths[-1], dtype=self.dtype)(x).astype(jnp.float32)


def seconds(call, times=3):
    """The median of a few calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def single(steps):
    """Seconds of a run by a compiled scan, as it is called for one run after the other."""
    _, _, init, _ = jax_parts()
    train, rows = jax.jit(training()), len(load()[0])
    params = jax.jit(init)(jax.random.key(0))
    order = jnp.asarray(orders(0, rows, steps))
    jax.block_until_ready(train(1e-3, params, order))
    return seconds(lambda: train(1e-3, params, order))


def sizes(args):
    """Runs per second of populations of several sizes, by what more steps take."""
    pace = single(args.steps)
    lines = [
        f"\n## Runs per second: digits MLPs, {args.steps} steps\n",
        f"One run after the other by a compiled scan: {1 / pace:.2f} a second. Of a population: "
        "what as many steps more add to a whole sweep whose programs are in the cache.\n",
        "| runs | seconds of the sweep | runs per second | to one after the other | layout |",
        "|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    with kept_programs():
        for count in args.sizes:
            layout = swept(count, args.steps).plan.choices[0].layout
            first, more = added(count, args.steps, layout)
            rate = count / more
            line = f"| {count} | {first:.2f} | {rate:.1f} | {rate * pace:.1f} | {layout} |"
            lines.append(line)
            print(line, flush=True)
    return lines


def widths(args):
    """Runs per second of one population in calls of several widths."""
    count, steps = 4096, args.steps // 2
    lines = [
        f"\n## {count} digits MLPs by runs of a call\n",
        "| runs of a call | runs per second |\n|---|---|",
    ]
    print("\n".join(lines), flush=True)
    with kept_programs():
        for width in (32, 64, 128, 256, 512, 1024, 4096):
            _, more = added(count, steps, Layout(width))
            lines.append(f"| {width} | {count / more / 2:.0f} |")
            print(lines[-1], flush=True)
    return lines


def products(dtype, side=8192, times=10):
    """Products of square matrices of random numbers, in TFLOP/s."""
    a = jax.random.normal(jax.random.key(0), (side, side), dtype)
    b = jax.random.normal(jax.random.key(1), (side, side), dtype)
    product = jax.jit(lambda a, b: a @ b)
    product(a, b).block_until_ready()
    taken = seconds(lambda: [product(a, b) for _ in range(times)])
    return times * 2 * side**3 / taken / 1e12


def copies():
    """Bytes read and written by a pass over 2 GiB, in TB/s."""
    a = jnp.ones(2**29, jnp.float32)
    add = jax.jit(lambda a: a + 1)
    add(a).block_until_ready()
    return 10 * 2 * a.nbytes / seconds(lambda: [add(a) for _ in range(10)]) / 1e12


def wide(widths, batch, runs, dtype):
    """Seconds of a run's step in the chosen layout, and that layout."""
    model = Dense(widths[1:], dtype)
    rows = max(4 * batch, 1024)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, widths[0])).astype(np.float32)
    y = rng.integers(0, CLASSES, rows).astype(np.int32)
    result = swept(runs, STEPS_OF_WIDE, model=model, data=(x, y), batch=batch)
    found = [c for choice in result.plan.choices for c in choice.candidates if c.seconds]
    best = min(found, key=lambda c: c.seconds)
    return best.seconds, best.layout


def units(args):
    """Operations and bytes of training beside the peaks."""
    peak = {"float32": products(jnp.float32), "bfloat16": products(jnp.bfloat16)}
    moved = copies()
    lines = [
        "\n## Share of the peak\n",
        f"Products of 8,192 x 8,192 matrices: {peak['float32']:.0f} TFLOP/s in float32 (as XLA "
        f"multiplies them by default), {peak['bfloat16']:.0f} in bfloat16; a pass over memory: "
        f"{moved:.2f} TB/s. The least that a step moves is the parameters, their two moments and "
        "the gradient, read and written once each in float32.\n",
        "| population | type | us for each run and step | TFLOP/s | of the peak | of the memory's "
        "| layout |\n|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name, (widths, batch, runs) in WIDE.items():
        weights = [a * b for a, b in itertools.pairwise(widths)]
        operations = batch * (6 * sum(weights) - 2 * weights[0])
        for dtype in (jnp.float32, jnp.bfloat16):
            taken, layout = wide(widths, batch, runs, dtype)
            rate, kind = operations / taken / 1e12, jnp.dtype(dtype).name
            least = 8 * 4 * sum(weights) / taken / 1e12
            lines.append(
                f"| {runs} x {name} | {kind} | {1e6 * taken:.2f} | {rate:.1f} | "
                f"{rate / peak[kind]:.1%} | {least / moved:.0%} | {layout} |"
            )
            print(lines[-1], flush=True)
    return lines


def rows(args):
    """The same trainings mapped and one after the other, row by row."""
    lines = [f"\n## Two layouts, row by row\n\n16 runs of {args.steps} steps.\n"]
    for precision in ("default", "highest"):
        with jax.default_matmul_precision(precision):
            both = [
                swept(16, args.steps, execution=pj.Execution(layout=Layout(width))).to_frame()
                for width in (16, 1)
            ]
        mapped, single = (frame["loss"].to_numpy() for frame in both)
        apart = np.abs(mapped - single) / np.maximum(np.abs(single), 1e-6)
        same = both[0][["trial", "seed"]].equals(both[1][["trial", "seed"]])
        lines.append(
            f"Matrix products in {precision} precision: final losses apart by "
            f"{np.median(apart):.1e} of their size (median), {apart.max():.1e} at most; trials "
            f"and seeds identical: {same}.\n"
        )
    return lines


SECTIONS = {
    "units": units,
    "sizes": sizes,
    "rows": rows,
    "widths": widths,
}


def main():
    """Measure, print, and write where asked; a section that fails says why."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    parser.add_argument("--machine", default=str(jax.devices()[0].device_kind))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES, help="runs")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS))
    args = parser.parse_args()
    version = f"jax {jax.__version__}, Python {platform.python_version()}"
    text = f"# Populations on an accelerator\n\n{args.machine}, {version}.\n"
    for name in args.only:
        try:
            text += "\n".join(SECTIONS[name](args)) + "\n"
        except Exception:
            text += f"\n{name} failed:\n\n```text\n{traceback.format_exc()}```\n"
            traceback.print_exc()
        if args.out:
            args.out.write_text(text)


if __name__ == "__main__":
    main()
