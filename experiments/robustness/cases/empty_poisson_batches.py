"""A step that drew no rows is no best one, and no mean counts its loss."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair

import paramjax as pj

DATA = np.random.default_rng(0).normal(5.0, 1.0, 100).astype(np.float32)
GRAD = pj.grads.private(
    lambda w, b, k: (((w - b) ** 2).mean(), {}), clip_norm=1.0, noise_multiplier=0.1,
    expected_batch_size=3.0,
)  # fmt: skip
HOOKS = [pj.hooks.best_params(), pj.hooks.average_metrics("loss", window=50)]
trainer = pj.grads.poisson(pj.train_step(GRAD, optax.sgd(0.1), HOOKS), 0.03)
run = pj.fit(trainer, jnp.float32(0), DATA, key=jax.random.key(0), steps=300)
sampled, losses = run.history["sampled"], run.history["loss"]
print(f"{(sampled == 0).sum()} of 300 batches are empty; w = {float(run.params)}")
right = float(np.nanmin(losses[sampled > 0]))
pair("best score", float(run.history["best_score"][-1]), right, 1e-5)
right = float(losses[-50:][sampled[-50:] > 0].mean())
pair("mean of the last 50 losses", float(run.history["loss/mean"][-1]), right, 0.02)
