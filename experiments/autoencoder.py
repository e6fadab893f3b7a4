"""An autoencoder keeps 2, 4 or 8 numbers of each digit: its error beside principal components.

Dense layers 64-128-64-k and back on scikit-learn's 8x8 digits; squared error, Adam from 0.003 down
to 0 along a cosine. A linear autoencoder can do no better than principal component analysis with
as many numbers (Baldi and Hornik, 1989); the hidden layers do. The error is the mean square of a
test pixel's, where white is 1.

Row 10 of the brief.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import digits, split
from paramjax.losses import reconstruction
from paramjax.models import Autoencoder

CODES, SEEDS, STEPS, BATCH_SIZE = (2, 4, 8), 3, 2500, 128
SHOWN, PICTURES = 4, 8


def model(hp):
    return Autoencoder((64,), latent=hp["latent"], features=(128, 64))


def make_trainer(hp):
    tx = optax.adam(optax.cosine_decay_schedule(3e-3, STEPS))
    return pj.train_step(reconstruction(model(hp).apply), tx)


def principal_components(train, test, latent):
    """The test digits from their first principal components, which the training digits give."""
    centre = train.mean(axis=0)
    basis = np.linalg.svd(train - centre, full_matrices=False)[2][:latent]
    return (test - centre) @ basis.T @ basis + centre


def main() -> int:
    script = start_script(__file__, __doc__)
    train, _, test = (part["x"] for part in split(digits()))
    problem = pj.Problem(
        init=lambda key, hp: model(hp).init(key, train[:1]), data=train, batch_size=BATCH_SIZE,
        evaluate=lambda params, x, hp: reconstruction(model(hp).apply)(params, x, None),
        eval_data=test,
    )  # fmt: skip
    result = pj.sweep(
        make_trainer, {"latent": pj.choice(CODES, static=True)}, problem, seeds=SEEDS, steps=STEPS,
        trials=[{"latent": latent} for latent in CODES], key=jax.random.key(script.key),
    )  # fmt: skip
    linear = {latent: principal_components(train, test, latent) for latent in CODES}
    errors = {latent: np.square(linear[latent] - test).mean() for latent in CODES}
    trained = np.array([record.metrics["loss"] for record in result.records]).reshape(-1, SEEDS)

    def plot(figure):
        left, right = figure.subfigures(1, 2, width_ratios=(2, 3))
        axes = left.subplots()
        axes.plot(CODES, list(errors.values()), "s--", color="C1", label="principal components")
        axes.plot(CODES, trained.mean(axis=1), color="C0", label="autoencoder")
        axes.plot(CODES, trained, "o", color="C0", alpha=0.6)
        axes.set(xlabel="numbers kept of each digit", ylabel="mean squared error, test digits")
        axes.set(xticks=CODES, ylim=(0, None))
        axes.legend()
        net, params = model({"latent": SHOWN}), result.params_of(CODES.index(SHOWN), 0)
        rows = {
            "original": test,
            "autoencoder": jax.device_get(net.apply(params, test)),
            "components": linear[SHOWN],
        }
        right.suptitle(f"from {SHOWN} numbers")
        for line, (name, pictures) in zip(right.subplots(3, PICTURES), rows.items(), strict=True):
            for axes, picture in zip(line, pictures, strict=False):
                axes.imshow(picture.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
                axes.set(xticks=[], yticks=[])
            line[0].set_ylabel(name)

    figures = {}
    for latent, runs in zip(CODES, trained, strict=True):
        figures[f"{latent} numbers: error of principal components"] = errors[latent]
        figures[f"{latent} numbers: error of the autoencoder, mean of {SEEDS} seeds"] = runs.mean()
        figures[f"{latent} numbers: its standard deviation over seeds"] = runs.std(ddof=1)
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
