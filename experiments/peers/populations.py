"""Populations of digits MLPs: share of the peak, tiny models, growth, memory.

    python experiments/peers/populations.py --out docs/benchmarks/populations.md

What they cost beside others is a row of all.py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ["PARAMJAX_CACHE_DIR"] = "off"  # whole processes are measured with their compilation

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental.compilation_cache import compilation_cache
from populations_sides import BATCH, jax_parts
from populations_sides import digits as load

import paramjax as pj
from paramjax._cache import enable_cache

HERE = Path(__file__).parent


def peak():
    """Products of 2,000 x 2,000 matrices, in GFLOP/s."""
    a = jnp.ones((2000, 2000))
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    start = time.perf_counter()
    for _ in range(10):
        product(a).block_until_ready()
    return 10 * 2 * 2000**3 / (time.perf_counter() - start) / 1e9


def swept(runs, steps, *, model=None, data=None, batch=BATCH, **settings):
    """A population in this process, that of the digits MLPs unless another is given."""
    x, y = load() if data is None else data
    loss_fn, chain, init, _ = jax_parts(model, x)
    return pj.sweep(
        lambda hp: pj.train_step(loss_fn, chain(hp["learning_rate"])),
        {"learning_rate": pj.log_uniform(1e-5, 1e-2)},
        pj.Problem(init=init, data={"x": x, "y": y}, batch_size=batch),
        trials=runs,
        seeds=1,
        steps=steps,
        key=jax.random.key(0),
        **settings,
    )


def added(count, steps, layout):
    """Seconds of a sweep with programs in the cache, and what as many steps more add to it."""
    taken = []
    for own in (steps, 2 * steps):
        swept(count, own, execution=pj.Execution(layout=layout))
        start = time.perf_counter()
        swept(count, own, execution=pj.Execution(layout=layout))
        taken.append(time.perf_counter() - start)
    return taken[0], taken[1] - taken[0]


@contextlib.contextmanager
def kept_programs():
    """Let XLA keep what it compiles in a folder of its own, for a while."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PARAMJAX_CACHE_DIR"] = folder
        enable_cache()
        try:
            yield
        finally:
            os.environ["PARAMJAX_CACHE_DIR"] = "off"
            jax.config.update("jax_compilation_cache_dir", None)
            compilation_cache.reset_cache()


def utilisation(args):
    """The share of the peak of matrix products that training reaches, measured in turns."""
    operations = 6 * 128 * (64 * 128 + 128 * 128 + 128 * 10) - 2 * 128 * 64 * 128
    shares = []
    with kept_programs():
        for _ in range(args.rounds):
            before = peak()
            layout = swept(48, args.steps).plan.choices[0].layout
            _, more = added(48, args.steps, layout)
            reached = 48 * args.steps * operations / more / 1e9
            shares.append((reached, 2 * reached / (before + peak())))
    reached, share = (statistics.median(column) for column in zip(*shares, strict=True))
    return [
        "",
        f"Training reaches {reached:.0f} GFLOP/s, {share:.0%} of what products of 2,000 x 2,000 "
        f"matrices reach on all cores (each of the rounds: "
        f"{', '.join(f'{own:.0%}' for _, own in shares)}).",
    ]


def tiny(args):
    """XOR MLPs of 4,000 steps."""
    data = {
        "x": jnp.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]),
        "y": jnp.array([[0], [1], [1], [0.0]]),
    }
    runs = args.tiny

    def forward(params, x):
        hidden = jnp.tanh(x @ params["w"] + params["b"][None])
        return hidden @ params["v"] + params["c"][None]

    def loss_fn(params, batch, key):
        return optax.losses.sigmoid_binary_cross_entropy(
            forward(params, batch["x"]), batch["y"]
        ).mean(), {}

    def init(key):
        one, two = jax.random.split(key)
        return {"w": jax.random.normal(one, (2, 4)), "b": jnp.zeros(4),
                "v": jax.random.normal(two, (4, 1)), "c": jnp.zeros(1)}  # fmt: skip

    start = time.perf_counter()
    result = pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"])),
        {"rate": pj.log_uniform(0.1, 1.0)},
        pj.Problem(init=init, data=data, batch_size=1),
        trials=runs // 4,
        seeds=4,
        steps=4000,
        key=jax.random.key(0),
    )
    taken = time.perf_counter() - start
    solved = sum(record.metrics["loss"] < 0.1 for record in result.records)
    return [
        "",
        "## Tiny models",
        "",
        f"{runs} XOR MLPs 2-4-1, batch 1, 4,000 steps each, in {taken:.1f} s with compilation: "
        f"{3600 * runs / taken / 1e6:.2f} million trainings an hour ({solved} solved).",
        "",
        f"```text\n{result.plan.describe()}\n```",
    ]


def growth(args):
    """Time of whole sweeps against the number of runs, with programs in the cache."""
    counts, times = [8, 16, 32, 64, 128, 256, 512, 1024], {}
    with kept_programs():
        for count in counts:
            layout = swept(count, 100).plan.choices[0].layout
            start = time.perf_counter()
            swept(count, 100, execution=pj.Execution(layout=layout))
            times[count] = time.perf_counter() - start
    slope = np.polyfit(np.log(counts), np.log(list(times.values())), 1)[0]
    steep = np.polyfit(np.log(counts[4:]), np.log(list(times.values())[4:]), 1)[0]
    return [
        "",
        "## Growth with the number of runs",
        "",
        "| runs | " + " | ".join(map(str, counts)) + " |",
        "|---|" + "---|" * len(counts),
        "| seconds (100 steps) | " + " | ".join(f"{t:.2f}" for t in times.values()) + " |",
        "",
        f"Slope of a log-log fit: {slope:.2f}; from 128 runs on {steep:.2f}.",
    ]


def memory(args):
    """What plans say beside what the process took at most."""
    lines = [
        "",
        "## Memory",
        "",
        "| runs | limit | planned, MiB | taken, MiB | ratio | results |",
        "|---|---|---|---|---|---|",
    ]
    for count, limit in ((64, 0), (512, 0), (2048, 0), (64, 2**30), (2048, 2**30), (8192, 2**30)):
        words = [sys.executable, str(HERE / "populations_memory.py"), str(count), str(limit)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        planned, taken, on_disk = json.loads(done.stdout.splitlines()[-1])
        name = "1 GiB" if limit else "auto"
        where = "file" if on_disk else "memory"
        lines.append(
            f"| {count} | {name} | {planned / 2**20:.0f} | {taken / 2**20:.0f} | "
            f"{taken / planned:.2f} | {where} |"
        )
    return lines


def main():
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    parser.add_argument("--machine", default="this machine", help="its name in the table")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", type=int, default=8192)
    parser.add_argument("--only", nargs="*", default=["utilisation", "tiny", "growth", "memory"])
    args = parser.parse_args()
    head = (
        f"{args.machine}, jax {jax.__version__}, Python {platform.python_version()}; medians of "
        f"{args.rounds} interleaved rounds."
    )
    lines = ["# Populations", "", head, ""]
    for name in args.only:
        lines += globals()[name](args)
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text)


if __name__ == "__main__":
    main()
