"""A metric's name never switches the stop at NaN off."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import refused

import paramjax as pj

DATA = np.ones(4, np.float32)


def fit(metric):
    def loss_fn(w, batch, key):
        return -jnp.log(1.0 - w * batch.mean()), {metric: (batch < 0).sum()}

    trainer = pj.train_step(loss_fn, optax.sgd(-0.3))
    return pj.fit(trainer, jnp.float32(0.1), DATA, key=jax.random.key(0), steps=30)


for name in ("left_out", "skipped", "spikes"):
    refused(f"NaN with a metric {name}", lambda name=name: fit(name), "finite", "metric")


def with_metrics(metrics):
    trainer = pj.train_step(lambda w, b, k: (w * b.mean(), metrics), optax.sgd(0.1))
    return pj.fit(trainer, jnp.float32(0), DATA, key=jax.random.key(0), steps=3)


for name, value in {"none": None, "pair": (1.0, 2.0), "nested": {"a": 1.0}, "word": "a"}.items():
    refused(f"a metric that is {value!r}", lambda n=name, v=value: with_metrics({n: v}), name)
refused("a metric called step", lambda: with_metrics({"step": 1.0}), "'step'")
