"""A convolutional network reads digits: test accuracy and its spread over seeds.

Conv 32 3x3, pool, conv 64 3x3, pool, dense 64, dense 10; Adam, cross-entropy, 10 epochs.
MNIST or Fashion-MNIST: four IDX files in `--data DIR` or in PARAMJAX_DATA (or in their
subfolder `mnist`); without them scikit-learn's 8x8 digits serve.

Row 7 of the brief.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import digits, read_idx, split, table

MODEL = pj.models.CNN(channels=(32, 64), features=(64, 10))
LOSS = pj.losses.supervised(MODEL.apply, pj.losses.cross_entropy)


def find_idx(folder: str) -> Path | None:
    """Where the IDX files are: in `folder`, or where PARAMJAX_DATA points; None for nowhere."""
    root = Path(folder or os.environ.get("PARAMJAX_DATA") or "no such folder")
    found = (path for path in (root / "mnist", root) if any(path.glob("train-images*")))
    return next(found, root if folder else None)


def images(folder: Path, part: str) -> dict[str, np.ndarray]:
    pixels = read_idx(folder / f"{part}-images-idx3-ubyte") / 255.0
    return table(pixels[..., None], read_idx(folder / f"{part}-labels-idx1-ubyte"), num_classes=10)


def evaluate(params, data):
    # 500 images at a time: all 10,000 at once would need gigabytes
    logits = jax.lax.map(lambda x: MODEL.apply(params, x[None])[0], data["x"], batch_size=500)
    return {"accuracy": pj.metrics.accuracy(logits, data["y"]).mean()}


def main() -> int:
    script = start_script(__file__, __doc__, data="", epochs=10, seeds=3)
    epochs, seeds, folder = script["epochs"], script["seeds"], find_idx(script["data"])
    settings = {"data": folder.name if folder else "digits", "epochs": epochs, "seeds": seeds}
    script.expected(**settings)  # stops here if --check cannot be answered
    if folder:
        train, test = images(folder, "train"), images(folder, "t10k")
    else:
        train, _, test = (part | {"x": part["x"].reshape(-1, 8, 8, 1)} for part in split(digits()))
    batch_size, rows = 128 if folder else 32, len(train["y"])
    problem = pj.Problem(
        init=lambda key: MODEL.init(key, train["x"][:1]), data=train, eval_data=test,
        batch_size=batch_size, evaluate=evaluate,
    )  # fmt: skip
    result = pj.sweep(
        lambda hp: pj.train_step(LOSS, optax.adam(1e-3)), {}, problem, trials=1, seeds=seeds,
        steps=epochs * -(-rows // batch_size), key=jax.random.key(script.key), evaluations=epochs,
    )  # fmt: skip
    percent = 100 * np.asarray(result.curve["accuracy"])  # [seeds, epochs]
    loss = result.history["loss"].reshape(seeds, epochs, -1).mean(axis=2)

    def plot(figure):
        figure.suptitle(f"CNN on {settings['data']}: {rows:,} images, {epochs} epochs")
        for axes, values in zip(figure.subplots(1, 2), (loss, percent), strict=True):
            axes.plot(np.arange(1, epochs + 1), values.T, "o-")
            axes.legend([f"seed {seed}" for seed in range(seeds)])
        figure.axes[0].set(xlabel="epoch", ylabel="mean training loss (nats)", yscale="log")
        figure.axes[1].set(xlabel="epoch", ylabel="test accuracy (%)")

    last = {"mean over seeds": np.mean, "worst seed": np.min, "best seed": np.max}
    figures = {f"test accuracy, {name} (%)": of(percent[:, -1]) for name, of in last.items()}
    return script.finish(figures, plot, **settings)


if __name__ == "__main__":
    sys.exit(main())
