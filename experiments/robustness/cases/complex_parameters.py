"""Gradient descent on |z - (1 + 2j)|^2 goes down, or is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair

import paramjax as pj


def loss_fn(z, batch, key):
    return jnp.abs(z - (1.0 + 2.0j)) ** 2 * batch.mean(), {}


for name, tx in (("sgd", optax.sgd(0.1)), ("adam", optax.adam(0.1))):
    trainer = pj.train_step(loss_fn, tx)
    try:
        run = pj.fit(
            trainer, jnp.complex64(0.5 + 0.5j), np.ones(2, np.float32), key=jax.random.key(0),
            steps=500,
        )  # fmt: skip
        pair(name, complex(run.params), 1.0 + 2.0j, 1e-2)
    except pj.NonFiniteError as error:
        pair(name, str(error), 1.0 + 2.0j)
    except (ValueError, TypeError) as error:
        print(f"{name}: refused: {error}")
