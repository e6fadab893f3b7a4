"""Sweeps over several devices and processes; run as a program it prints their tables as JSON.

Arguments: number of the process, port of the other one (0 if there is none), a folder, names.
"""

import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.populations import Layout

SETTINGS = {
    "halved": {"layout": Layout(2, workers=2), "stopping": pj.tuning.successive_halving(3)},
    "chosen": {},
    "step by step": {"layout": Layout(1, stepwise=True)},
    "one device": {"layout": Layout(1)},
}


def loss_fn(params, batch, key):
    noise = 0.01 * jax.random.normal(key, (1, 1))
    predicted = batch["x"] @ (params["w"] + noise) + params["b"][None]
    return jnp.mean((predicted - batch["y"]) ** 2), {}


def table(name, folder, devices=None):
    """Rows, losses and parameters of a sweep that is kept in a folder."""
    x = np.linspace(-1, 1, 20, dtype=np.float32)[:, None]
    data = {"x": x, "y": 3 * x + 2}
    settings = dict(SETTINGS[name])
    execution = pj.Execution(layout=settings.pop("layout", None), devices=devices)
    result = pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"]), hooks=[pj.hooks.ema(0.9)]),
        {"rate": pj.log_uniform(1e-3, 1e3)},
        pj.Problem(
            init=lambda key: {"w": jax.random.normal(key, (1, 1)), "b": jnp.zeros((1,))},
            data=data, batch_size=6, evaluate=lambda p, data: {"error": abs(p["w"][0, 0] - 3)},
            eval_data=data, metric="error",
        ),
        trials=pj.tuning.random_design(7), seeds=3, steps=27, evaluations=3, key=jax.random.key(0),
        store=f"{folder}/{name}", execution=execution, **settings,
    )  # fmt: skip
    return {
        "rows": [[r.trial, r.seed, r.status, r.steps, r.hyperparameters] for r in result.records],
        "history": np.nan_to_num(result.history["loss"]).tolist(),
        "params": result.params["w"].reshape(-1).tolist(),
    }


if __name__ == "__main__":
    process, port, folder, *names = sys.argv[1:]
    jax.config.update("jax_numpy_rank_promotion", "raise")
    if port != "0":
        jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=int(process))
    one = jax.devices()[:1] if port == "0" else None
    tables = {n: table(n, folder, one if n == "one device" else None) for n in names}
    print(json.dumps({"devices": jax.device_count()} | tables))
