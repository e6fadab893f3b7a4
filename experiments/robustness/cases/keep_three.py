"""keep=3 in place of Keep(3) is refused, or keeps three checkpoints."""

import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair

import paramjax as pj

trainer = pj.train_step(lambda w, b, k: (jnp.mean((w - b) ** 2), {}), optax.sgd(0.1))
with tempfile.TemporaryDirectory() as folder:
    try:
        checkpoints = pj.Checkpoints(folder, every=10, keep=3)
        pj.fit(
            trainer, jnp.float32(0), np.ones(4, np.float32), key=jax.random.key(0), steps=100,
            checkpoints=checkpoints,
        )  # fmt: skip
        pair("checkpoints", [one.step for one in pj.checkpoints.inspect(folder)], [80, 90, 100])
    except (ValueError, TypeError) as error:
        print(f"refused: {error}")
