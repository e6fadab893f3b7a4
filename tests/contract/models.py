"""One row for each flax module of `pj.models`, at its smallest size, for the contract of models.

A new model adds its row here. `REPRESENTATIVES` run with every `make test`, the others with
`make test-all`.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import paramjax as pj
from paramjax.losses import cross_entropy, negative_elbo, squared_error

ROWS = 4


def with_collections(model, params, model_state, x, key, *, train):
    """A plain module, and one with dropout, batch statistics or both: `(outputs, model_state)`."""
    takes = inspect.signature(type(model).__call__).parameters
    inputs = {"train": train} if "train" in takes else {}
    variables = {"params": params, **model_state}
    if not (train and model_state):
        return model.apply(variables, x, rngs={"dropout": key}, **inputs), model_state
    return model.apply(variables, x, rngs={"dropout": key}, mutable=list(model_state), **inputs)


def with_carry(model, params, carry, x, key, *, train):
    """A recurrent layer that is called as `(x, carry) -> (outputs, carry)`."""
    return model.apply({"params": params}, x, carry)


def with_draws(model, params, model_state, x, key, *, train):
    """A variational autoencoder, whose call draws codes."""
    return model.apply({"params": params}, x, key), model_state


class Model(NamedTuple):
    """What the contract needs to train a model.

    Attributes:
        module: The model.
        x: Its input, [ROWS, ...].
        y: The targets, [ROWS, ...].
        loss: `(outputs, y) -> losses`, of any shape.
        apply: `(module, params, model_state, x, key, *, train) -> (outputs, model_state)`.
        state: The model state before the first step; None for the collections of `init`.
    """

    module: Any
    x: np.ndarray
    y: np.ndarray
    loss: Callable = squared_error
    apply: Callable = with_collections
    state: Any = None

    def start(self, key):
        """Parameters and model state before the first step, as dicts."""
        takes = inspect.signature(type(self.module).__call__).parameters
        inputs = {"train": False} if "train" in takes else {}
        variables = self.module.init(key, self.x, **inputs)
        params = variables.pop("params")
        return params, variables if self.state is None else self.state

    @property
    def data(self):
        """Inputs and targets as a table."""
        return {"x": self.x, "y": self.y}

    def loss_fn(self, params, model_state, batch, key):
        """The mean loss of a step; its noise is always the same, so that runs can be compared."""
        noise = jax.random.key(1)
        outputs, model_state = self.apply(
            self.module, params, model_state, batch["x"], noise, train=True
        )
        return jnp.mean(self.loss(outputs, batch["y"])), (model_state, {})


def reals(*shape):
    """Normal numbers [ROWS, ...]."""
    return np.random.default_rng(0).normal(size=(ROWS, *shape)).astype(np.float32)


def constant(value, *shape):
    """One number everywhere, [ROWS, ...], which is learned whatever carry comes along."""
    return np.full((ROWS, *shape), value, np.float32)


def shares(*shape):
    """Numbers between 0 and 1, [ROWS, ...]."""
    return np.random.default_rng(2).uniform(size=(ROWS, *shape)).astype(np.float32)


def classes(count, *shape):
    """Classes or tokens below `count`, [ROWS, ...]."""
    return np.random.default_rng(1).integers(0, count, (ROWS, *shape)).astype(np.int32)


def tenfold(loss):
    """A loss so steep that four steps gain more than the carry, which moves too, loses."""
    return lambda outputs, y: 10 * loss(outputs, y)


# fmt: off
MODELS = {
    "Autoencoder": Model(
        pj.models.Autoencoder((4, 4, 1), 2, (3,), (2,)), shares(4, 4, 1), shares(4, 4, 1)
    ),
    "BatchNormMLP": Model(
        pj.models.BatchNormMLP((4, 3), dropout=0.2), reals(5), classes(3), cross_entropy
    ),
    "CNN": Model(
        pj.models.CNN((2,), (4, 3), dropout=0.2, batch_norm=True), reals(6, 6, 1), classes(3),
        cross_entropy,
    ),
    "Conv": Model(pj.models.Conv(2), reals(4, 4, 1), reals(4, 4, 2)),
    "Dense": Model(pj.models.Dense(2), reals(3), reals(2)),
    "Discriminator": Model(
        pj.models.Discriminator((4, 3), batch_norm=True), reals(3), constant(1.0)
    ),
    "Generator": Model(
        pj.models.Generator((4, 4, 1), (), (3, 2), output="tanh", batch_norm=True), reals(3),
        constant(0.5, 4, 4, 1),
    ),
    "GRU": Model(
        pj.models.GRU(2), reals(5, 3), constant(0.5, 5, 2), tenfold(squared_error),
        apply=with_carry, state=pj.models.GRU(2).zero_carry(ROWS),
    ),
    "LSTM": Model(
        pj.models.LSTM(2), reals(5, 3), constant(0.5, 5, 2),
        apply=with_carry, state=pj.models.LSTM(2).zero_carry(ROWS),
    ),
    "Linear": Model(pj.models.Linear(2), reals(3), reals(2)),
    "MLP": Model(pj.models.MLP((4, 2)), reals(3), reals(2)),
    "ResNet": Model(pj.models.ResNet(3, (2, 3)), reals(6, 5, 1), classes(3), cross_entropy),
    "SimpleRNN": Model(
        pj.models.SimpleRNN(2), reals(5, 3), constant(0.5, 5, 2), tenfold(squared_error),
        apply=with_carry, state=pj.models.SimpleRNN(2).zero_carry(ROWS),
    ),
    "TextCNN": Model(
        pj.models.TextCNN(5, 3, embedding=3, widths=(1, 2), channels=4, dropout=0.1),
        classes(5, 3), classes(3), cross_entropy,
    ),
    "TextRNN": Model(
        pj.models.TextRNN(5, 3, embedding=3, features=4, dropout=0.1),
        classes(5, 3), classes(3), cross_entropy,
    ),
    "TokenRNN": Model(
        pj.models.TokenRNN(5, embedding=2, features=3, layer="gru"), classes(5, 3), classes(5, 3),
        tenfold(cross_entropy), with_carry, pj.models.GRU(3).zero_carry(ROWS),
    ),
    "Transformer": Model(
        pj.models.Transformer(5, width=4, layers=1, heads=2, length=3, dropout=0.1),
        classes(5, 3), classes(5, 3), cross_entropy,
    ),
    "VAE": Model(
        pj.models.VAE((5,), 2, (4,)), shares(5), shares(5), negative_elbo(), apply=with_draws
    ),
}
# fmt: on
REPRESENTATIVES = {
    "BatchNormMLP": "statistics of batches, dropout",
    "LSTM": "a carry that goes from step to step",
    "MLP": "no state, nothing random",
    "Transformer": "dropout, integers as inputs",
}
"""Models that run with every `make test`, and what each stands for."""
