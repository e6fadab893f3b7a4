"""A sweep that is killed and started again; run as a program it says when a chunk is kept.

Arguments: folder of the store, "halving" or "whole".
"""

import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.populations import Layout

X = np.linspace(-1, 1, 20, dtype=np.float32)


def loss_fn(params, batch, key):
    return jnp.mean((batch["x"] * params["w"] - 3 * batch["x"]) ** 2), {}


def swept(store, kind, **settings):
    """Everything that a sweep leaves, as one value."""
    halving = pj.tuning.successive_halving(2, least_steps=10)
    result = pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"])),
        {"rate": pj.log_uniform(1e-3, 10.0)},
        pj.Problem(init=lambda key: {"w": jax.random.normal(key)}, data={"x": X}, batch_size=8),
        trials=pj.tuning.random_design(12), seeds=2, steps=40, key=jax.random.key(0),
        stopping=halving if kind == "halving" else None,
        execution=pj.Execution(layout=Layout(3)), store=store, **settings,
    )  # fmt: skip
    arrays = (result.params["w"], result.history["loss"])
    return repr(result.records), result.budget, [array.tobytes() for array in arrays]


if __name__ == "__main__":
    # between two chunks there is time for a kill, which no public name gives
    from paramjax.tuning.store._store import Store

    add = Store.add
    Store.add = lambda self, some: (add(self, some), print("kept", flush=True), time.sleep(0.2))
    assert "optuna" not in sys.modules, "importing pj.tuning imports no searcher"
    swept(*sys.argv[1:])
