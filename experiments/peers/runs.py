"""What `fit` costs beside a scan written by hand: steps, first result, checkpoints, progress.

The digits MLP (64-128-128-10, batch 128, clipping, AdamW) on data of the digits' size.

    python experiments/peers/runs.py --out docs/benchmarks/runs.md
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import functools
import os
import platform
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ["PARAMJAX_CACHE_DIR"] = "off"  # the first result is measured with its compilation

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.logs import CSV
from paramjax.models import MLP

MODEL = MLP((128, 128, 10), activation="relu")
ROWS, BATCH = 1437, 128


def problem():
    """Data of the digits' size, and where to start."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 64)).astype(np.float32)
    data = {"x": x, "y": rng.integers(0, 10, ROWS).astype(np.int32)}
    return data, jax.jit(MODEL.init)(jax.random.key(0), x[:1])


def loss_fn(params, batch, key):
    """Cross-entropy."""
    logits = MODEL.apply(params, batch["x"])
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean(), {}


def chain():
    """The same transformation for both sides."""
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))


def by_hand(steps):
    """The run as one writes it: order, first state and steps as one jitted program."""
    tx = chain()

    def step(carry, inputs):
        params, opt_state = carry
        rows, key, data = inputs
        batch = jax.tree.map(lambda leaf: leaf[rows], data)
        loss, grads = jax.value_and_grad(lambda p: loss_fn(p, batch, key)[0])(params)
        updates, opt_state = tx.update(grads, opt_state, params)
        metrics = {"loss": loss, "grad_norm": optax.tree.norm(grads)}
        return (optax.apply_updates(params, updates), opt_state), metrics

    @jax.jit
    def train(params, data, key):
        per_epoch = ROWS // BATCH
        epochs = -(-steps // per_epoch)
        keys = jax.random.split(key, epochs)
        orders = jax.vmap(functools.partial(jax.random.permutation, x=ROWS))(keys)
        order = orders[:, : per_epoch * BATCH].reshape(-1, BATCH)[:steps]
        start = params, tx.init(params)
        return jax.lax.scan(lambda c, rows: step(c, (rows, None, data)), start, order)

    return train


def seconds(function):
    """How long a call takes until its result is there."""
    start = time.perf_counter()
    jax.block_until_ready(function())
    return time.perf_counter() - start


def interleaved(sides, rounds):
    """Seconds of each side, round by round, each first in turn."""
    for side in sides.values():
        seconds(side)
    times = {name: [] for name in sides}
    for turn in range(rounds):
        for name in list(sides)[:: 1 if turn % 2 == 0 else -1]:
            times[name].append(seconds(sides[name]))
    return times


def ratio(times, one, other):
    """The median over rounds of one / other, with its quartiles."""
    ratios = [a / b for a, b in zip(times[one], times[other], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def steady(args):
    """Microseconds a step of a run whose programs are compiled."""
    data, params = problem()
    on_device = jax.tree.map(jnp.asarray, data)
    trainer, train = pj.train_step(loss_fn, chain()), by_hand(args.steps)
    sides = {
        "ours": lambda: (
            pj.fit(
                trainer, params, data, key=jax.random.key(1), steps=args.steps, batch_size=BATCH
            ).state
        ),
        "by hand": lambda: train(params, on_device, jax.random.key(1)),
    }
    times = interleaved(sides, args.rounds)
    micro = {name: 1e6 * statistics.median(values) / args.steps for name, values in times.items()}
    return micro, ratio(times, "ours", "by hand")


def first_result(side):
    """In a process of its own: seconds from the call to the last loss, compilation included."""
    data, params = problem()
    start = time.perf_counter()
    if side == "ours":
        trainer = pj.train_step(loss_fn, chain())
        run = pj.fit(trainer, params, data, key=jax.random.key(1), steps=200, batch_size=BATCH)
        float(run.history["loss"][-1])
    else:
        _, history = by_hand(200)(params, jax.tree.map(jnp.asarray, data), jax.random.key(1))
        float(history["loss"][-1])
    print(time.perf_counter() - start)


def first_results(rounds):
    """Seconds to the first result of 200 steps, in fresh processes."""
    times = {"ours": [], "by hand": []}
    for turn in range(rounds):
        for side in list(times)[:: 1 if turn % 2 == 0 else -1]:
            words = [sys.executable, __file__, "--first", side]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            times[side].append(float(done.stdout))
    return times


def extras(args):
    """Seconds of long runs: bare, with checkpoints every 5 s, with progress and logs."""
    data, params = problem()
    trainer = pj.train_step(loss_fn, chain())
    train = functools.partial(
        pj.fit, trainer, params, data, key=jax.random.key(1), steps=args.long, batch_size=BATCH
    )

    def saving():
        with tempfile.TemporaryDirectory() as folder:
            every = datetime.timedelta(seconds=5)
            return train(
                checkpoints=pj.Checkpoints(folder, every=every),
            ).state

    def showing():
        with terminal(), tempfile.TemporaryDirectory() as folder:
            return train(logs=[CSV(Path(folder, "log.csv"))], progress=True).state

    sides = {"bare": lambda: train(progress=False).state, "saving": saving, "showing": showing}
    return interleaved(sides, args.long_rounds)


@contextlib.contextmanager
def terminal():
    """Make the standard error a terminal."""
    master, slave = pty.openpty()
    before = os.dup(2)
    os.dup2(slave, 2)

    def read():
        with contextlib.suppress(OSError):
            while os.read(master, 65536):
                pass

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(slave)
        reader.join(1)
        os.close(master)
        os.close(before)


def report(args):
    """The tables as Markdown."""
    micro, steady_ratio = steady(args)
    first = first_results(args.rounds)
    long = extras(args)
    built = {side: statistics.median(values) for side, values in first.items()}
    lines = [
        f"{args.machine}, jax {jax.__version__}, optax {optax.__version__}, Python "
        f"{platform.python_version()}; digits MLP 64-128-128-10, batch 128; medians of "
        f"{args.rounds} interleaved rounds of {args.steps} steps, and of {args.long_rounds} of "
        f"{args.long} steps; quartiles in brackets.",
        "",
        "| | ours | by hand | ratio |",
        "|---|---|---|---|",
        f"| microseconds a step, compiled before | {micro['ours']:.0f} | {micro['by hand']:.0f} | "
        f"{steady_ratio} |",
        f"| seconds to the first result of 200 steps, compilation included | {built['ours']:.2f} "
        f"| {built['by hand']:.2f} | {ratio(first, 'ours', 'by hand')} |",
        "",
        "| a long run | seconds | ratio to the bare one |",
        "|---|---|---|",
    ]
    labels = {"bare": "bare", "saving": "checkpoints every 5 s", "showing": "progress bar, CSV log"}
    for name, label in labels.items():
        middle = statistics.median(long[name])
        lines.append(f"| {label} | {middle:.1f} | {ratio(long, name, 'bare')} |")
    return "\n".join(lines) + "\n"


def main():
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    parser.add_argument("--machine", default="this machine", help="its name in the table")
    parser.add_argument("--steps", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--long", type=int, default=80_000)
    parser.add_argument("--long-rounds", type=int, default=5)
    parser.add_argument("--first", choices=("ours", "by hand"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.first:
        first_result(args.first)
        return
    text = report(args)
    print(text)
    if args.out:
        args.out.write_text(f"# What a run costs\n\n{text}")


if __name__ == "__main__":
    main()
