"""Masked arrays are refused, or the numbers below their mask are not learned."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import refused

import paramjax as pj

MASKED = np.ma.masked_equal(np.array([[1.0], [-999.0], [3.0]], np.float32), -999)
TRAINER = pj.train_step(lambda w, b, k: (jnp.mean((w - b) ** 2), {}), optax.sgd(0.5))


def fit(data):
    return pj.fit(TRAINER, jnp.float32(0), data, key=jax.random.key(0), steps=9).params


refused("in a table", lambda: pj.data.table(MASKED, [0, 1, 0]), "mask")
refused("as data", lambda: fit(MASKED), "mask")
refused("in a stream", lambda: fit(lambda step: iter([MASKED] * 20)), "mask")
problem = lambda: pj.Problem(init=lambda k: jnp.float32(0), data=MASKED)  # noqa: E731
refused("in a sweep", lambda: pj.sweep(
    lambda hp: TRAINER, {"a": pj.uniform(0, 1)}, problem(), trials=2, seeds=1, steps=3,
    key=jax.random.key(0),
), "mask")  # fmt: skip
