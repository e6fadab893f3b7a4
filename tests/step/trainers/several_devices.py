"""One script for one device, for several, and for two processes, one command each:

PROCESS=0 python several_devices.py & PROCESS=1 python several_devices.py
"""

import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental.multihost_utils import process_allgather

import paramjax as pj


def loss_fn(params, batch, key):
    hidden = jax.nn.relu(batch["x"] @ params["first"])
    hidden *= 2.0 * jax.random.bernoulli(key, 0.5, hidden.shape)  # dropout
    return ((hidden @ params["second"] - batch["y"]) ** 2).mean(), {"target": batch["y"].mean()}


def main():
    if "PROCESS" in os.environ:
        address, number = os.environ.get("COORDINATOR", "127.0.0.1:9876"), os.environ["PROCESS"]
        jax.distributed.initialize(address, num_processes=2, process_id=int(number))
    rng = np.random.default_rng(0)  # the same numbers in every process
    x = rng.normal(size=(256, 16)).astype(np.float32)
    first = rng.normal(size=(16, 64)).astype(np.float32) / 4
    params = {"first": first, "second": jnp.zeros((64, 4))}
    trainer = pj.train_step(
        loss_fn, optax.adam(1e-2), hooks=[pj.hooks.ema(0.9), pj.hooks.skip_nonfinite()]
    )
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    trainer = pj.trainers.shard(trainer, mesh, params_axis="data", min_size=1024)
    data = {"x": x, "y": np.sin(x[:, :4])}
    fit = pj.fit(trainer, params, data, key=jax.random.key(0), steps=20, batch_size=64)
    report = {name: values.tolist() for name, values in fit.history.items()}
    whole = process_allgather(fit.params, tiled=True)  # numpy, whole in every process
    report["params"] = {name: leaf.tolist() for name, leaf in whole.items()}
    report["held"] = {n: leaf.addressable_shards[0].data.shape for n, leaf in fit.params.items()}
    print(json.dumps({"devices": jax.device_count(), **report}))


if __name__ == "__main__":
    main()
