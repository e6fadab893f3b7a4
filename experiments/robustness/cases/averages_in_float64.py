"""Averages in double precision: that of a constant is the constant."""

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair

import paramjax as pj

DATA = np.ones(2)


def averaged(loss_fn, rate, decay, steps):
    trainer = pj.train_step(loss_fn, optax.sgd(rate), [pj.hooks.ema(decay)])
    start = jnp.ones(1, jnp.float64)
    return float(pj.fit(trainer, start, DATA, key=jax.random.key(0), steps=steps).params[0])


def constant(w, batch, key):
    return 0.0 * jnp.sum(w) + 0.0 * batch.mean(), {}


for decay in (0.9, 0.9999, 0.99999):
    for steps in (1, 1000):
        ours = averaged(constant, 0.1, decay, steps)
        pair(f"constant, decay {decay}, {steps} steps", ours, 1.0, 1e-10)

average, w = 0.0, 1.0
for _ in range(50):
    w -= 0.01 * 2 * w
    average = 0.9999 * average + (1 - 0.9999) * w
ours = averaged(lambda w, b, k: (jnp.sum(w**2) * b.mean(), {}), 0.01, 0.9999, 50)
pair("decaying, as numpy has it", ours, average / (1 - 0.9999**50), 1e-9)
