"""Early stopping and best_params return parameters with the model state that belongs to them."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair

import paramjax as pj

X = np.linspace(2, 4, 64, dtype=np.float32)
DATA = {"x": X, "y": np.sin(X)}
PARAMS = {"w": jnp.float32(1.0), "a": jnp.float32(0.0), "b": jnp.float32(0.0)}
STATE = {"mean": jnp.float32(0.0), "var": jnp.float32(1.0)}


def loss_fn(params, state, batch, key):  # the scale of w grows without an effect on the outputs
    h = params["w"] * batch["x"]
    new = {"mean": (state["mean"] + h.mean()) / 2, "var": (state["var"] + h.var()) / 2}
    out = params["a"] * (h - h.mean()) / jnp.sqrt(h.var() + 1e-5) + params["b"]
    return ((out - batch["y"]) ** 2).mean() - 0.05 * params["w"], (new, {})


def evaluate(params, state, batch):
    scaled = (params["w"] * batch["x"] - state["mean"]) / jnp.sqrt(state["var"] + 1e-5)
    out = params["a"] * scaled + params["b"]
    return {"loss": ((out - batch["y"]) ** 2).mean() + 1e-3 * params["w"] ** 2}


def fit(steps, hooks=(), **more):
    trainer = pj.train_step(loss_fn, optax.sgd(0.1), list(hooks), stateful=True)
    key = jax.random.key(0)
    return pj.fit(trainer, PARAMS, DATA, key=key, steps=steps, model_state=STATE, **more)


stopping = pj.EarlyStopping(patience=20)
run = fit(2000, validation=pj.Validation(evaluate, DATA, every=5, early_stopping=stopping))
best = int(np.argmin(run.validation["loss"]))
cut = fit(int(run.validation["step"][best]))
pair("model state", jax.tree.map(float, run.model_state), jax.tree.map(float, cut.model_state))
ours = float(evaluate(run.params, run.model_state, DATA)["loss"])
pair("loss of what is returned", ours, float(run.validation["loss"][best]))
