"""A finished run that is started again with another loss or rate does not return the old result."""

import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair, refused

import paramjax as pj

DATA = np.ones(4, np.float32)


def near(w, batch, key):
    return jnp.mean((w - batch) ** 2), {}


def far(w, batch, key):
    return jnp.mean((w + 5 * batch) ** 2), {}


def fit(loss_fn, rate, folder):
    return float(pj.fit(
        pj.train_step(loss_fn, optax.sgd(rate)), jnp.float32(0), DATA, key=jax.random.key(0),
        steps=20, checkpoints=pj.Checkpoints(folder, every=5),
    ).params)  # fmt: skip


with tempfile.TemporaryDirectory() as folder:
    first = fit(near, 0.01, folder)
    pair("the same again", fit(near, 0.01, folder), first)
    refused("another loss", lambda: fit(far, 0.01, folder))
    refused("another rate", lambda: fit(near, 0.3, folder))
