"""Resuming with another way to stop is another run, and is refused."""

import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair, refused

import paramjax as pj

DATA = np.ones(4, np.float32)
TRAINER = pj.train_step(lambda w, b, k: (-w * b.mean(), {}), optax.sgd(0.1))


def evaluate(w, batch):
    return {"loss": (w - 1.0) ** 2}  # best at w = 1, after step 10


def fit(steps, folder, stopping, data=DATA):
    validation = pj.Validation(evaluate, data, every=1, early_stopping=stopping)
    return pj.fit(
        TRAINER, jnp.float32(0), DATA, key=jax.random.key(0), steps=steps,
        checkpoints=pj.Checkpoints(folder, every=5), validation=validation,
    )  # fmt: skip


stop = pj.EarlyStopping(patience=15)
with tempfile.TemporaryDirectory() as folder:
    fit(20, folder, None)
    refused("early stopping added", lambda: fit(60, folder, stop), "early", "stopping")
    refused("other data", lambda: fit(60, folder, None, 2 * DATA), "validation")
with tempfile.TemporaryDirectory() as folder:
    fit(20, folder, pj.EarlyStopping(patience=15, restore_best=False))
    refused("restore_best", lambda: fit(60, folder, stop), "restore_best", "early")
with tempfile.TemporaryDirectory() as folder:
    fit(10, folder, stop)
    pair("an equal call goes on", float(fit(60, folder, stop).params), 1.0)
