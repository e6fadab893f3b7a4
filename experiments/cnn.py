"""A convolutional network reads clothes or digits: test accuracy and its spread over seeds.

Conv 32 3x3, pool, conv 64 3x3, pool, dense 64, dense 10; cross-entropy; Adam, whose learning rate
falls linearly to zero. Fashion-MNIST, sought as `pj.data.fashion_mnist` does, or the four IDX files
in `--data DIR`, such as MNIST's; without any, scikit-learn's 8x8 digits. The default of 2 epochs is
what two cores train in three minutes; the published network had `--epochs 10`.

Row 7 of the brief.
"""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import DataNotFoundError, digits, split

MODEL = pj.models.CNN(channels=(32, 64), features=(64, 10))
LOSS = pj.losses.supervised(MODEL.apply, pj.losses.cross_entropy)


def load(folder: str):
    """The name of the data, training and test images."""
    if folder:
        return Path(folder).name, *pj.data.mnist(folder)
    try:
        return "fashion_mnist", *pj.data.fashion_mnist()
    except DataNotFoundError as error:
        print(f"cnn: scikit-learn's digits serve instead: {str(error).splitlines()[0]}")
        train, _, test = (part | {"x": part["x"].reshape(-1, 8, 8, 1)} for part in split(digits()))
        return "digits", train, test


def evaluate(params, data):
    # 500 images at a time: all 10,000 at once would need gigabytes
    logits = jax.lax.map(lambda x: MODEL.apply(params, x[None])[0], data["x"], batch_size=500)
    return {"accuracy": pj.metrics.accuracy(logits, data["y"]).mean()}


def main() -> int:
    script = start_script(__file__, __doc__, data="", epochs=2, seeds=3)
    epochs, seeds = script["epochs"], script["seeds"]
    name, train, test = load(script["data"])
    settings = {"data": name, "epochs": epochs, "seeds": seeds}
    script.expected(**settings)  # stops here if --check cannot be answered
    rows, batch_size = len(train["y"]), 8 if name == "digits" else 64
    steps = epochs * -(-rows // batch_size)
    problem = pj.Problem(
        init=lambda key: MODEL.init(key, train["x"][:1]), data=train, eval_data=test,
        batch_size=batch_size, evaluate=evaluate,
    )  # fmt: skip
    result = pj.sweep(
        lambda hp: pj.train_step(LOSS, optax.adam(optax.linear_schedule(2e-3, 0.0, steps))),
        {}, problem, trials=1, seeds=seeds, steps=steps, key=jax.random.key(script.key),
        evaluations=2 * epochs,
    )  # fmt: skip
    percent = 100 * np.asarray(result.curve["accuracy"])  # [seeds, evaluations]
    loss = result.history["loss"]
    means = loss[:, : steps // 20 * 20].reshape(seeds, 20, -1).mean(axis=2)

    def plot(figure):
        figure.suptitle(f"CNN on {name}: {rows:,} images, {epochs} epochs")
        panels = figure.subplots(1, 2)
        for axes, values in zip(panels, (means, percent), strict=True):
            count = values.shape[1]
            axes.plot(epochs * np.arange(1, count + 1) / count, values.T, "o-", ms=4)
            axes.legend([f"seed {seed}" for seed in range(seeds)])
        panels[0].set(xlabel="epoch", ylabel="mean training loss (nats)", yscale="log")
        panels[1].set(xlabel="epoch", ylabel="test accuracy (%)")

    last = {"mean over seeds": np.mean, "worst seed": np.min, "best seed": np.max}
    figures = {f"test accuracy, {name} (%)": of(percent[:, -1]) for name, of in last.items()}
    return script.finish(figures, plot, **settings)


if __name__ == "__main__":
    sys.exit(main())
