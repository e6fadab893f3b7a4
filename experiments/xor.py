"""XOR by a 2-4-1 sigmoid network: the share of 64 seeds that solve it.

Binary cross-entropy, Adam at 0.01, one example a step, 1000 epochs (4000 steps). All seeds
train as one compiled program.

Row 6 of the brief.
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
from paramjax.metrics import binary_accuracy
from paramjax.models import MLP

MODEL = MLP((4, 1), activation="sigmoid")
LOSS = supervised(MODEL.apply, binary_cross_entropy, {"accuracy": binary_accuracy})
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
DATA = {"x": X, "y": np.array([0, 1, 1, 0], np.float32)}
STEPS, SEEDS, EVALUATIONS = 4000, 64, 100


def all_four(params, data):
    loss, metrics = LOSS(params, data, None)
    return {"loss": loss, "solved": metrics["accuracy"] == 1.0}


def main() -> int:
    script = start_script(__file__, __doc__)
    problem = pj.Problem(
        init=lambda key: MODEL.init(key, X), data=DATA, batch_size=1,
        evaluate=all_four, eval_data=DATA,
    )  # fmt: skip
    result = pj.sweep(
        lambda hp: pj.train_step(LOSS, optax.adam(0.01)), {}, problem, trials=1, seeds=SEEDS,
        steps=STEPS, key=jax.random.key(script.key), evaluations=EVALUATIONS,
    )  # fmt: skip
    solved = np.asarray(result.curve["solved"])  # [seeds, evaluations]
    loss = np.asarray(result.curve["loss"])[:, -1]
    share = solved.mean(axis=0)
    best = jax.tree.map(lambda leaf: leaf[loss.argmin()], result.params)

    def plot(figure):
        left, right = figure.subplots(1, 2)
        left.plot(np.linspace(STEPS / EVALUATIONS, STEPS, EVALUATIONS), 100 * share)
        left.set(xlabel="step", ylabel=f"seeds that solve XOR (% of {SEEDS})", ylim=(0, 105))
        left.set_title("2-4-1 sigmoid, Adam 0.01, batch 1")
        side = jnp.linspace(-0.25, 1.25, 101)
        grid = jnp.stack(jnp.meshgrid(side, side), axis=-1).reshape(-1, 2)
        chance = jax.nn.sigmoid(MODEL.apply(best, grid)).reshape(101, 101)
        shades = right.contourf(side, side, chance, np.linspace(0, 1, 11), cmap="RdBu_r")
        figure.colorbar(shades, label="chance of 1")
        right.scatter(*X.T, c=DATA["y"], cmap="RdBu_r", edgecolors="w", s=120, label="target")
        right.set(xlabel="first input", ylabel="second input", title="The best seed's answer")
        right.legend(loc="center")

    figures = {
        "share of seeds that solve it, last step (%)": 100 * share[-1],
        "share of seeds that solve it, half of the steps (%)": 100 * share[len(share) // 2 - 1],
        "loss, median seed (nats)": np.median(loss),
        "loss, worst seed (nats)": loss.max(),
    }
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
