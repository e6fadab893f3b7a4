"""Runs in threads of one process, each with a folder of its own, lose no checkpoint."""

import tempfile
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair, said

import paramjax as pj

TRAINER = pj.train_step(
    lambda w, b, k: (((w["a"] - b) ** 2).mean() + (w["m"] ** 2).sum() * 0, {}), optax.sgd(0.1)
)
ROUNDS, THREADS = 5, 6


def fit(folder):
    pj.fit(
        TRAINER, {"a": jnp.float32(0), "m": jnp.ones((64, 64))}, np.ones(8, np.float32),
        key=jax.random.key(0), steps=60,
        checkpoints=pj.Checkpoints(folder, every=20, keep=pj.checkpoints.Keep(last=9)),
    )  # fmt: skip


bad = 0
with said() as texts:
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as base:
            folders = [Path(base, str(n)) for n in range(THREADS)]
            threads = [threading.Thread(target=fit, args=(folder,)) for folder in folders]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            found = [[(c.step, c.damage) for c in pj.checkpoints.inspect(f)] for f in folders]
            bad += found != [[(20, None), (40, None), (60, None)]] * THREADS
pair(f"of {ROUNDS} rounds of {THREADS} threads, with a checkpoint missing", bad, 0)
pair("warnings", texts, [])
