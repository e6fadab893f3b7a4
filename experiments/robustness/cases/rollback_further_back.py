"""A rollback that makes no progress goes further back than the newest checkpoint."""

import tempfile

import jax
import numpy as np
import optax
from pairs import pair, said

import paramjax as pj


def well(w, batch, key):
    return (w - 3.0) ** 2 * batch.sum() - 1e-6 * jax.numpy.log(w - 1), {}


TRAINER = pj.train_step(well, optax.chain(optax.sgd(0.9), pj.optim.adjustable_rate()))
for every in (10, 3, 2, 1):
    with tempfile.TemporaryDirectory() as folder, said():
        try:
            w = pj.fit(
                TRAINER, np.float32(6), np.ones(1, np.float32), key=jax.random.key(0), steps=50,
                nonfinite=pj.Rollback(), checkpoints=pj.Checkpoints(folder, every=every),
            ).params  # fmt: skip
        except pj.NonFiniteError as error:
            w = float(error.fit.params)
        pair(f"w with a checkpoint each {every} steps", float(w), 3.0, 0.01)
