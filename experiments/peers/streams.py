"""What `fit` on a stream costs beside double-buffered loops written by hand.

Two models: the digits MLP (64-128-128-10, batch 128), and one on batches of 1.5 MB (128 images of
32x32x3 for an MLP), where the copy to the device matters; each on a stream that only slices an
array, and on one that takes a while for each batch.

    python experiments/peers/streams.py --out docs/benchmarks/streams.md
"""

from __future__ import annotations

import argparse
import collections
import functools
import itertools
import platform
import queue
import statistics
import threading
import time
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.models import MLP

BATCH = 128


class Work(NamedTuple):
    """What is trained, and for how long."""

    params: object
    loss_fn: object
    x: np.ndarray
    y: np.ndarray
    steps: int


def work(shape, features, rows, steps):
    """An MLP on the features of made-up inputs."""
    model, rng = MLP((128, 128, 10), activation="relu"), np.random.default_rng(0)
    x = rng.normal(size=(rows, *shape)).astype(np.float32)
    y = rng.integers(0, 10, rows).astype(np.int32)

    def loss_fn(params, batch, key):
        logits = model.apply(params, features(batch["x"]))
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"])
        return losses.mean(), {}

    params = jax.jit(model.init)(jax.random.key(0), features(x[:1]))
    return Work(params, loss_fn, x, y, steps)


def flat(x):
    """All pixels, [batch, 3072]."""
    return x.reshape(len(x), -1)


def stream(work, seconds=0.0):
    """Batches in an order drawn anew each epoch; each takes at least so long."""
    rng = np.random.default_rng(1)
    while True:
        order = rng.permutation(len(work.x))
        for first in range(0, len(order) - BATCH + 1, BATCH):
            if seconds:
                time.sleep(seconds)
            rows = order[first : first + BATCH]
            yield {"x": work.x[rows], "y": work.y[rows]}


def chain():
    """The same transformation for all sides."""
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))


def hand_step(work):
    """The step as one writes it, which takes its state over."""
    tx = chain()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, opt_state, key, batch):
        key, own = jax.random.split(key)
        loss, grads = jax.value_and_grad(lambda p: work.loss_fn(p, batch, own)[0])(params)
        updates, opt_state = tx.update(grads, opt_state, params)
        metrics = {"loss": loss, "grad_norm": optax.tree.norm(grads)}
        return optax.apply_updates(params, updates), opt_state, key, metrics

    return tx, step


def prefetched(batches, size=2):
    """Two batches on the device while a step runs, as flax's `prefetch_to_device` does it."""
    ready = collections.deque()
    for batch in batches:
        ready.append(jax.device_put(batch))
        if len(ready) == size:
            yield ready.popleft()
    yield from ready


def read_by_thread(batches, size=2):
    """The same by a thread of its own."""
    ready = queue.Queue(size)

    def read():
        for batch in batches:
            ready.put(jax.device_put(batch))
        ready.put(None)

    threading.Thread(target=read, daemon=True).start()
    return iter(ready.get, None)


def by_hand(work, ahead, step, tx, batches):
    """A loop over the stream, which keeps its metrics as `fit` does."""
    params = jax.tree.map(jnp.copy, work.params)
    opt_state, key, history = tx.init(params), jax.random.key(1), []
    for batch in ahead(itertools.islice(batches, work.steps)):
        params, opt_state, key, metrics = step(params, opt_state, key, batch)
        history.append(metrics)
    return params, jax.device_get(history)


def sides(work, seconds):
    """Functions that train to the end."""
    trainer, (tx, step) = pj.train_step(work.loss_fn, chain()), hand_step(work)
    batches = functools.partial(stream, work, seconds)

    def ours():
        key = jax.random.key(1)
        return pj.fit(trainer, work.params, batches(), key=key, steps=work.steps).state.params

    def alone():
        for _ in itertools.islice(batches(), work.steps):
            pass

    hand = functools.partial(by_hand, work, step=step, tx=tx)
    return {
        "ours": ours,
        "double-buffered": lambda: hand(prefetched, batches=batches()),
        "reading thread": lambda: hand(read_by_thread, batches=batches()),
        "the stream alone": alone,
    }


def interleaved(sides, rounds):
    """Seconds of each side, round by round, each first in turn."""
    times = {name: [] for name in sides}
    for turn in range(-1, rounds):
        for name in list(sides)[:: 1 if turn % 2 == 0 else -1]:
            start = time.perf_counter()
            jax.block_until_ready(sides[name]())
            if turn >= 0:  # the first round compiles
                times[name].append(time.perf_counter() - start)
    return times


def ratio(times, one, other):
    """The median over rounds of one / other, with its quartiles."""
    ratios = [a / b for a, b in zip(times[one], times[other], strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def row(label, work, seconds, rounds):
    """One line of the table."""
    times = interleaved(sides(work, seconds), rounds)
    micro = {name: 1e6 * statistics.median(taken) / work.steps for name, taken in times.items()}
    cells = [f"{micro[name]:.0f}" for name in times]
    cells += [ratio(times, "ours", name) for name in times if name != "ours"]
    return f"| {label} | {' | '.join(cells)} |"


def report(args):
    """The table as Markdown."""
    digits = work((64,), lambda x: x, 1437, args.steps)
    images = work((32, 32, 3), flat, 2048, args.steps // 5)
    cases = [("digits MLP", digits, 0.0), ("images, 1.5 MB a batch", images, 0.0)]
    cases += [("digits MLP, 2 ms a batch", digits._replace(steps=args.steps // 4), 2e-3)]
    cases += [("images, 10 ms a batch", images._replace(steps=args.steps // 20), 1e-2)]
    lines = [
        f"{args.machine}, jax {jax.__version__}, optax {optax.__version__}, Python "
        f"{platform.python_version()}; batch {BATCH}, clipping, AdamW; microseconds a step, "
        f"compiled before; medians of {args.rounds} interleaved rounds of {args.steps} steps (a "
        "fifth of them for images; where the stream is slow a fourth and a twentieth), quartiles "
        "in brackets.",
        "",
        "| | `fit` | double-buffered | with a reading thread | the stream alone | ratio to "
        "double-buffered | to the reading thread | to the stream alone |",
        "|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join(lines + [row(*case, args.rounds) for case in cases]) + "\n"


def main():
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="a Markdown file for the table")
    parser.add_argument("--machine", default="this machine", help="its name in the table")
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    text = report(args)
    print(text)
    if args.out:
        args.out.write_text(f"# What a stream costs\n\n{text}")


if __name__ == "__main__":
    main()
