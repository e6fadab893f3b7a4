"""A store that is locked is not called damaged, and every message names the file."""

import os
import sqlite3
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import refused

import paramjax as pj

PROBLEM = pj.Problem(init=lambda k: jnp.float32(0), data=np.ones(8, np.float32))


def loss_fn(w, batch, key):
    return ((w - batch) ** 2).mean(), {}


def sweep(folder):
    return pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"])),
        {"rate": pj.log_uniform(1e-3, 0.3)}, PROBLEM, trials=4, seeds=1, steps=5,
        key=jax.random.key(0), store=folder,
    )  # fmt: skip


with tempfile.TemporaryDirectory() as folder:
    sweep(folder)
    (file,) = [os.path.join(folder, n) for n in os.listdir(folder) if n.endswith(".sqlite")]
    other = sqlite3.connect(file)
    other.execute("BEGIN EXCLUSIVE")
    refused("locked by another process", lambda: sweep(folder), "lock", never="damage")
    other.rollback()
    other.close()
    with open(file, "r+b") as stream:
        stream.write(b"not a database at all")
    refused("damaged", lambda: sweep(folder), file)
