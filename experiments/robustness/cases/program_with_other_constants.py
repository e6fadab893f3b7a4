"""A loss that differs in an array that it closes over is another program."""

import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair, refused, said

import paramjax as pj

DATA = np.ones(4, np.float32)


def fit(weights, steps, folder, **more):
    def loss_fn(w, batch, key):
        return jnp.sum(weights * (w - jnp.arange(3.0)) ** 2) + 0 * batch.mean(), {}

    trainer = pj.train_step(loss_fn, optax.sgd(0.1))
    checkpoints = pj.Checkpoints(folder, every=5, **more)
    start, key = jnp.float32(0), jax.random.key(0)
    return pj.fit(trainer, start, DATA, key=key, steps=steps, checkpoints=checkpoints)


for kind in (jnp.array, np.array):
    with tempfile.TemporaryDirectory() as folder:
        fit(kind([1.0, 1.0, 1.0]), 10, folder)
        fit(kind([1.0, 1.0, 1.0]), 12, folder)
        other = kind([0.0, 0.0, 5.0])
        refused(
            f"{kind.__module__}", lambda o=other, f=folder: fit(o, 20, f), "program", "computes"
        )
        with said() as texts:
            fit(other, 20, folder, allow_new_program=True)
        pair("and warned of if allowed", [t.partition(":")[0] for t in texts], ["ProgramWarning"])
