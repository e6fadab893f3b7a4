"""reduce_on_plateau reduces in sweep and cross_validate as in fit, or is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair, refused

import paramjax as pj

DATA = np.ones(8, np.float32)


def make_trainer(hp):
    tx = optax.chain(optax.sgd(hp["learning_rate"]), pj.optim.reduce_on_plateau(0.5, 2))
    # |.|: with a fixed rate the parameter swings for ever
    return pj.train_step(lambda w, b, k: (jnp.abs(w - 1.03) * b.mean(), {}), tx)


def evaluate(w, data):
    return {"loss": jnp.abs(w - 1.03)}


validation = pj.Validation(evaluate, DATA, every=5)
trainer, start, key = make_trainer({"learning_rate": 0.5}), jnp.float32(0), jax.random.key(0)
run = pj.fit(trainer, start, DATA, key=key, steps=200, validation=validation)
right = float(evaluate(run.params, None)["loss"])
refused("fit without validation", lambda: pj.fit(trainer, start, DATA, key=key, steps=9), "plateau")
problem = pj.Problem(init=lambda k: start, data=DATA, evaluate=evaluate, eval_data=DATA)
try:
    found = pj.sweep(
        make_trainer, {"learning_rate": pj.choice([0.5, 0.25])}, problem, trials=2, seeds=1,
        steps=200, evaluations=40, key=key,
    )  # fmt: skip
    ours = {r.hyperparameters["learning_rate"]: r.metrics["loss"] for r in found.records}
    pair("sweep", ours[0.5], right, 1e-4)
except (ValueError, TypeError) as error:
    print(f"sweep: refused: {error}")
folds = pj.Problem(init=lambda k: start, data=DATA, evaluate=evaluate)
refused("cross_validate, which evaluates once", lambda: pj.cross_validate(
    make_trainer, folds, hyperparameters={"learning_rate": 0.5}, steps=200, key=key, folds=2
), "plateau")  # fmt: skip
