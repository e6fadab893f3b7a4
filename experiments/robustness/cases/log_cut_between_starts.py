"""A log that was cut between two starts is noticed."""

import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair, said

import paramjax as pj

TRAINER = pj.train_step(lambda w, b, k: (jnp.mean((w - b) ** 2), {}), optax.sgd(0.1))


def fit(folder, steps):
    return pj.fit(
        TRAINER, jnp.float32(0), np.ones(4, np.float32), key=jax.random.key(0), steps=steps,
        checkpoints=pj.Checkpoints(folder / "run", every=2), logs=[pj.logs.CSV(folder / "log.csv")],
    )  # fmt: skip


def cut(log):
    log.write_text("\n".join(log.read_text().splitlines()[:3]) + "\n")


def change(log):
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines[:2], lines[2].replace(".", "7", 1), *lines[3:]]) + "\n")


for damage in (cut, change, Path.unlink):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        fit(folder, 6)
        damage(folder / "log.csv")
        with said() as texts:
            try:
                fit(folder, 8)
            except (ValueError, OSError) as error:
                texts.append(f"refused: {error}")
        print(damage.__name__, texts)
        pair(f"{damage.__name__}: noticed", any("log.csv" in text for text in texts), True)
