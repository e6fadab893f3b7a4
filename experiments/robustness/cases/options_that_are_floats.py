"""make_trainer gets the very option that was written."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair

import paramjax as pj

PROBLEM = pj.Problem(init=lambda k: jnp.float32(0), data=np.ones(8, np.float32))


def swept(choice):
    seen = []

    def make_trainer(hp):
        seen.append(hp["option"])
        tx = optax.adam(0.1) if hp["option"] in (0.3, (0.3,)) else optax.sgd(0.1)
        return pj.train_step(lambda w, b, k: ((w - 1.0) ** 2 * b.mean(), {}), tx)

    found = pj.sweep(
        make_trainer, {"option": choice}, PROBLEM, trials=4, seeds=1, steps=5,
        key=jax.random.key(0),
    )  # fmt: skip
    reported = {repr(r.hyperparameters["option"]) for r in found.records}
    losses = {round(r.metrics["loss"], 5) for r in found.records}
    return sorted(set(map(repr, seen))), sorted(reported), len(losses)


for options in ([0.1, 0.3], [None, 0.3], [(0.1,), (0.3,)], [True, 0.3], [np.float32(0.1), 0.3]):
    ours, right = swept(pj.choice(options, static=True)), sorted(map(repr, options))
    pair(f"options {options}", ours, (right, right, 2))
