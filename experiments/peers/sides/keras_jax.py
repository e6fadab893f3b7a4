"""Keras on JAX: `fit`, with the batches laid out in the order that is given, as one epoch.

python keras_jax.py WORK FILE [--steady]
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np
from keras import layers
from works import DECAY, VOCABULARY, serve

LOSSES = {
    "binary_cross_entropy": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
    "squared_error": keras.losses.MeanSquaredError,
    "cross_entropy": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
}


class Losses(keras.callbacks.Callback):
    """The loss of each step, from the running means that Keras tells."""

    def __init__(self):
        super().__init__()
        self.means = []

    def on_train_batch_end(self, batch, logs=None):
        """Keep the mean so far."""
        self.means.append(logs["loss"])


def model_of(name, work, start):
    """The network with its first values."""
    pairs = [[start[n]["kernel"], start[n]["bias"]] for n in sorted(start) if "kernel" in start[n]]
    if name == "cnn":
        parts = [
            part
            for width in (32, 64)
            for part in (layers.Conv2D(width, 3, padding="same", activation="relu"),
                         layers.MaxPooling2D(2))
        ]  # fmt: skip
        parts += [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(10)]
        shape = (28, 28, 1)
    elif name == "lstm":
        cell = start["lstm"]["cell"]
        stack = [np.concatenate([cell[f"{k}{g}"]["kernel"] for g in "ifgo"], 1) for k in "ih"]
        bias = np.concatenate([cell[f"h{g}"]["bias"] for g in "ifgo"])
        pairs = [[start["embedding"]], [*stack, bias], *pairs]
        parts = [layers.Embedding(VOCABULARY, 64), layers.LSTM(128, return_sequences=True),
                 layers.Dense(VOCABULARY)]  # fmt: skip
        shape = (64,)
    else:
        widths = [len(bias) for _, bias in pairs]
        parts = [layers.Dense(width, activation=work.activation) for width in widths[:-1]]
        parts, shape = [*parts, layers.Dense(widths[-1])], pairs[0][0].shape[:1]
    model = keras.Sequential([keras.Input(shape), *parts])
    model.set_weights([leaf for pair in pairs for leaf in pair])
    return model


def optimizer_of(work):
    """The optimizer."""
    clip = {"global_clipnorm": 1.0} if work.clip else {}
    if work.optimizer == "sgd":
        return keras.optimizers.SGD(work.rate, **clip)
    if work.optimizer == "adam":
        return keras.optimizers.Adam(work.rate, epsilon=1e-8, **clip)
    return keras.optimizers.AdamW(work.rate, weight_decay=DECAY, epsilon=1e-8, **clip)


def make(name, work, given):
    """A training: its losses for a number of steps; the network is compiled once."""
    model = model_of(name, work, given.start)
    model.compile(optimizer_of(work), LOSSES[work.loss]())

    def train(steps):
        if work.batch is None:
            done = model.fit(
                given.x, given.y, batch_size=len(given.x), epochs=steps, shuffle=False, verbose=0
            )
            return done.history["loss"]
        rows, heard = given.rows(steps).reshape(-1), Losses()
        model.fit(
            given.x[rows], given.y[rows], batch_size=work.batch, shuffle=False, verbose=0,
            callbacks=[heard],
        )  # fmt: skip
        sums = np.asarray(heard.means, np.float64) * np.arange(1, steps + 1)
        return np.diff(sums, prepend=0.0)

    return train


if __name__ == "__main__":
    serve(make)
