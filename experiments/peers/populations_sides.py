"""The same population of digits MLPs trained by us and by others; one side a process.

    python populations_sides.py SIDE RUNS STEPS [FILE]

64-128-128-10, batch 128, AdamW with clipping at norm 1; learning rates from 1e-5 to 1. The images
are written to the file, or read from it where it is there, so that interpreters without
scikit-learn train on the same. Prints JSON: seconds of training and, of sides that train all runs,
the lower quartile of the runs' losses over the last tenth of their steps. Run it through all.py,
which measures whole processes.
"""

from __future__ import annotations

import json
import os
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

BATCH, CLASSES = 128, 10
FILE = None
"""Where the images are, if a process is told."""


def digits():
    """1,797 images of 8x8, scaled to [0, 1]; drawn at random where scikit-learn is not there."""
    if FILE and os.path.exists(FILE):
        with np.load(FILE) as kept:
            return kept["x"], kept["y"]
    try:
        from sklearn.datasets import load_digits
    except ModuleNotFoundError:
        rng = np.random.default_rng(0)
        return rng.random((1797, 64), np.float32), rng.integers(0, CLASSES, 1797).astype(np.int32)
    found = load_digits()
    return (found.data / 16).astype(np.float32), found.target.astype(np.int32)


def rates(runs):
    """Learning rates, each with three seeds."""
    return np.repeat(np.logspace(-5, 0, -(-runs // 3)), 3)[:runs].astype(np.float32)


def orders(seed, rows, steps):
    """Rows of each step, epoch after epoch, [steps, batch]."""
    rng = np.random.default_rng(seed)
    epochs = [
        rng.permutation(rows)[: rows // BATCH * BATCH] for _ in range(-(-steps * BATCH // rows) + 1)
    ]
    return np.concatenate(epochs).reshape(-1, BATCH)[:steps].astype(np.int32)


def good(losses):
    """The lower quartile over runs of the last tenth's mean loss; high rates are left to chance."""
    losses = np.asarray(losses)
    last = losses[..., -max(1, losses.shape[-1] // 10) :].mean(-1)
    return float(np.nanquantile(last, 0.25))


def jax_parts(model=None, x=None):
    """Loss, chain and start with flax and optax, for all sides in JAX; or of another model."""
    import jax
    import optax

    from paramjax.models import MLP

    model = MLP((128, 128, CLASSES), activation="relu") if model is None else model
    x = digits()[0] if x is None else x

    def loss_fn(params, batch, key=None):
        logits = model.apply(params, batch["x"])
        return optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean(), {}

    def chain(rate):
        return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(rate))

    return loss_fn, chain, lambda key: model.init(key, x[:1]), jax


def training():
    """A whole training as one scan: (rate, params, order) -> params, (losses, norms)."""
    loss_fn, chain, _, jax = jax_parts()
    import jax.numpy as jnp
    import optax

    x, y = digits()
    data = {"x": jnp.asarray(x), "y": jnp.asarray(y)}

    def train(rate, params, order):
        tx = chain(rate)

        def step(carry, rows):
            params, state = carry
            batch = jax.tree.map(lambda leaf: leaf[rows], data)
            loss, grads = jax.value_and_grad(lambda p: loss_fn(p, batch)[0])(params)
            updates, state = tx.update(grads, state, params)
            metrics = loss, optax.tree.norm(grads)
            return (optax.apply_updates(params, updates), state), metrics

        (params, _), history = jax.lax.scan(step, (params, tx.init(params)), order)
        return params, history

    return train


def ours(runs, steps):
    """`pj.sweep` as a user writes it."""
    import jax

    import paramjax as pj

    loss_fn, chain, init, _ = jax_parts()
    x, y = digits()
    start = time.perf_counter()
    result = pj.sweep(
        lambda hp: pj.train_step(loss_fn, chain(hp["learning_rate"])),
        {"learning_rate": pj.log_uniform(1e-5, 1.0)},
        pj.Problem(init=init, data={"x": x, "y": y}, batch_size=BATCH),
        trials=[{"learning_rate": float(rate)} for rate in rates(runs)[::3]],
        seeds=3,
        steps=steps,
        key=jax.random.key(0),
    )
    print(result.plan.describe(), file=sys.stderr)
    return time.perf_counter() - start, good(result.history["loss"])


def by_hand(runs, steps, *, layout):
    """Scans written by hand: single ones on a thread a core, or mapped, in one call or several."""
    from concurrent.futures import ThreadPoolExecutor

    _, _, init, jax = jax_parts()
    train, rows = training(), len(digits()[0])
    starts = jax.jit(lambda: jax.lax.map(init, jax.random.split(jax.random.key(0), 3)))()
    starts = jax.device_get(starts)  # numpy takes a run's part without a program
    order = np.stack([orders(seed, rows, steps) for seed in range(3)])
    width, workers = layout
    program = jax.jit(jax.vmap(train) if width > 1 else train)
    own = rates(runs)

    def call(first):
        seeds = np.arange(first, first + width) % 3
        rate = own[first : first + width]
        if width == 1:
            rate, seeds = rate[0], seeds[0]
        params = jax.tree.map(lambda leaf: leaf[seeds], starts)
        return jax.device_get(program(rate, params, order[seeds]))

    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        done = list(pool.map(call, range(0, runs, width)))
    losses = [np.reshape(history[0], (-1, steps)) for _, history in done]
    return time.perf_counter() - start, good(np.concatenate(losses))


def jitted(runs, steps):
    """A jitted step in a Python loop, the rate a number in the chain's state."""
    loss_fn, chain, init, jax = jax_parts()
    import jax.numpy as jnp
    import optax

    x, y = digits()
    x, y = jnp.asarray(x), jnp.asarray(y)

    @jax.jit
    def step(rate, params, state, rows):
        loss, grads = jax.value_and_grad(lambda p: loss_fn(p, {"x": x[rows], "y": y[rows]})[0])(
            params
        )
        updates, state = chain(rate).update(grads, state, params)
        return optax.apply_updates(params, updates), state, loss

    begin, start, best = jax.jit(init), time.perf_counter(), np.inf
    for run, rate in enumerate(rates(runs)):
        params, losses = begin(jax.random.key(run % 3)), []
        state = chain(rate).init(params)
        for rows in orders(run % 3, len(x), steps):
            params, state, loss = step(rate, params, state, rows)
            losses.append(loss)
        best = min(best, float(jnp.nanmin(jnp.stack(losses))))
    return time.perf_counter() - start, best


def torch(runs, steps):
    """PyTorch, eager, one run after the other."""
    import torch
    from torch import nn

    device = "cuda" if torch.cuda.is_available() else "cpu"
    x, y = (torch.from_numpy(part).to(device) for part in digits())
    y, start, best = y.long(), time.perf_counter(), np.inf
    for run, rate in enumerate(rates(runs)):
        torch.manual_seed(run % 3)
        model = nn.Sequential(
            nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, CLASSES)
        ).to(device)
        tx = torch.optim.AdamW(model.parameters(), lr=float(rate), weight_decay=1e-4)
        for rows in torch.from_numpy(orders(run % 3, len(x), steps)).long().to(device):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            tx.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            tx.step()
        best = min(best, float(loss.detach()))
    return time.perf_counter() - start, best


def keras(runs, steps):
    """Keras on JAX, `fit` for as many epochs as there are steps."""
    import keras

    x, y = digits()
    epochs = -(-steps * BATCH // len(x))
    start, best = time.perf_counter(), np.inf
    for run, rate in enumerate(rates(runs)):
        keras.utils.set_random_seed(run % 3)
        relu = [keras.layers.Dense(128, activation="relu") for _ in range(2)]
        model = keras.Sequential([*relu, keras.layers.Dense(CLASSES)])
        model.compile(
            keras.optimizers.AdamW(float(rate), weight_decay=1e-4, global_clipnorm=1.0),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        done = model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0)
        best = min(best, done.history["loss"][-1])
    return time.perf_counter() - start, best


SIDES = {
    "ours": ours,
    "single scans, one thread each": lambda runs, steps: by_hand(
        runs, steps, layout=(1, os.cpu_count())
    ),
    "one vmapped scan": lambda runs, steps: by_hand(runs, steps, layout=(runs, 1)),
    "vmapped scans of 16, side by side": lambda runs, steps: by_hand(
        runs, steps, layout=(16, os.cpu_count())
    ),
    "jitted step in a loop": jitted,
    "PyTorch eager": torch,
    "Keras on JAX": keras,
}


def main():
    """Write the images, or train by a side, and print what came out."""
    global FILE
    name, runs, steps, *rest = sys.argv[1:]
    FILE = rest[0] if rest else None
    if name == "write":
        x, y = digits()
        np.savez(FILE, x=x, y=y)
        return
    counted = dict
    if name != "PyTorch eager":
        from sides.compilations import compilations as counted
    taken, best = SIDES[name](int(runs), int(steps))
    print(json.dumps({"seconds": taken, "loss": best, **counted()}))


if __name__ == "__main__":
    main()
