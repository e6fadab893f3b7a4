"""A gradient is finite if its numbers are, whatever the norm in their own dtype is."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair, said

import paramjax as pj

HALF = np.ones((4, 2), np.float16)
TX = optax.sgd(1e-3, momentum=0.9)


def loss_fn(w, batch, key):
    return jnp.sum(w * batch.mean(0)) * jnp.float16(200), {}


START = jnp.zeros(2, jnp.float16)


def fit(hooks=(), loss_fn=loss_fn, start=START, data=HALF, tx=TX):
    trainer = pj.train_step(loss_fn, tx, list(hooks))
    with said():
        try:
            return np.asarray(pj.fit(trainer, start, data, key=jax.random.key(0), steps=5).params)
        except pj.NonFiniteError as error:
            return str(error)


w, state = jnp.zeros(2, jnp.float16), TX.init(jnp.zeros(2, jnp.float16))
for _ in range(5):
    updates, state = TX.update(jax.grad(lambda w: loss_fn(w, HALF, None)[0])(w), state, w)
    w = optax.apply_updates(w, updates)
guards = {"none": [], "nonfinite": [pj.hooks.skip_nonfinite()], "spikes": [pj.hooks.skip_spikes()]}
for name, hooks in guards.items():
    ours = fit(hooks)
    pair(f"float16, guard: {name}", ours.tolist() if hasattr(ours, "tolist") else ours, w.tolist())
large = lambda w, b, k: (jnp.sum(w) * 2e19, {})  # noqa: E731
ours = fit([], large, jnp.zeros(2), np.ones(4, np.float32), optax.sgd(1e-20))
pair("float32, gradient 2e19", ours if isinstance(ours, str) else float(ours[0]), -1.0, 1e-4)
