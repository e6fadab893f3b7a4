"""NaN, no rows and integers of 64 bits in eval_data are refused as in data."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import refused

import paramjax as pj

D = np.linspace(0, 1, 16, dtype=np.float32)
START, KEY = jnp.float32(0), jax.random.key(0)
SPACE = {"learning_rate": pj.log_uniform(1e-3, 0.3)}


def loss_fn(w, batch, key):
    return ((w - batch["x"]) ** 2).mean(), {}


def evaluate(w, batch):
    return {"loss": ((w - batch["x"]) ** 2).mean() + 0.0 * batch["id"].max()}


def sweep(eval_data):
    problem = pj.Problem(
        init=lambda k: START, data={"x": D}, evaluate=evaluate, eval_data=eval_data
    )
    make_trainer = lambda hp: pj.train_step(loss_fn, optax.sgd(hp["learning_rate"]))  # noqa: E731
    return pj.sweep(make_trainer, SPACE, problem, trials=2, seeds=1, steps=5, key=KEY)


def fit(eval_data):
    validation = pj.Validation(evaluate, eval_data, every=2)
    trainer = pj.train_step(loss_fn, optax.sgd(0.1))
    return pj.fit(trainer, START, {"x": D}, key=KEY, steps=5, validation=validation)


good = {"x": D, "id": np.arange(16, dtype=np.int32)}
bad = {"NaN": {**good, "x": D * np.nan}, "no rows": {"x": D[:0], "id": good["id"][:0]},
       "wide integers": {**good, "id": np.full(16, 2**32 + 5)}}  # fmt: skip
for name, data in bad.items():
    for call in (fit, sweep):
        refused(f"{name} in {call.__name__}", lambda c=call, d=data: c(d))
