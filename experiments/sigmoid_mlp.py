"""A sigmoid network trained by cross-entropy, on targets in {0, 1}.

The chance of y = 1 is sigmoid(3x + 2), so the least possible loss is known: the entropy of
that chance. On real-valued targets y = 3x + 2 the same loss has no minimum and runs away.

Row 5 of the brief.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import binary_cross_entropy, supervised
from paramjax.models import MLP

MODEL = MLP((8, 1), activation="sigmoid")
STEPS = 4000


def unchecked_cross_entropy(logits, targets):
    """The formula alone; paramjax's own gives NaN for a target outside [0, 1]."""
    return (jax.nn.softplus(logits) - targets * logits)[:, 0]


def descend(loss, data, init_key, fit_key):
    trainer = pj.train_step(supervised(MODEL.apply, loss), optax.sgd(0.5))
    run = pj.fit(trainer, MODEL.init(init_key, data["x"]), data, key=fit_key, steps=STEPS)
    return run.params, np.asarray(run.history["loss"])


def main() -> int:
    script = start_script(__file__, __doc__)
    x_key, y_key, init_key, fit_key = jax.random.split(jax.random.key(script.key), 4)
    x = jax.random.normal(x_key, (1000, 1))
    score = 3 * x + 2
    chance = jax.nn.sigmoid(score)
    y = jax.random.bernoulli(y_key, chance).astype(jnp.float32)

    params, loss = descend(binary_cross_entropy, {"x": x, "y": y}, init_key, fit_key)
    # the same run, except that its targets are not in {0, 1}
    _, runaway = descend(unchecked_cross_entropy, {"x": x, "y": score}, init_key, fit_key)
    learned = jax.nn.sigmoid(MODEL.apply(params, x))
    truth = binary_cross_entropy(score, y).mean()

    def plot(figure):
        left, right = figure.subplots(1, 2)
        order = np.argsort(x[:, 0])
        left.plot(x, y, "|", color="0.6", label="data")
        left.plot(x[order], chance[order], "k--", label="sigmoid(3x + 2)")
        left.plot(x[order], learned[order], label="network")
        left.set(xlabel="x", ylabel="chance of y = 1", title="1000 rows, targets in {0, 1}")
        right.plot(loss, label="targets in {0, 1}")
        right.plot(runaway, label="targets 3x + 2")
        right.set(xlabel="step", ylabel="cross-entropy (nats)", title="SGD 0.5, full batch")
        right.set_yscale("symlog", linthresh=1)
        left.legend()
        right.legend()

    figures = {
        "cross-entropy, last step (nats)": loss[-1],
        "cross-entropy of the true chances (nats)": truth,
        "mean distance from the true chances": jnp.abs(learned - chance).mean(),
        "real-valued targets: loss, last step (nats)": runaway[-1],
        "real-valued targets: change in the last 100 steps": runaway[-1] - runaway[-101],
    }
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
