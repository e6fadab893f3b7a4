"""The usual loop with flax and optax: a jitted step, called once a step.

python jitted.py WORK FILE [--steady]
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from compilations import compilations
from works import VOCABULARY, serve


class MLP(nn.Module):
    """Dense layers with an activation between them."""

    widths: tuple
    activation: str = "relu"

    @nn.compact
    def __call__(self, x):
        """Map rows to outputs."""
        for width in self.widths[:-1]:
            x = getattr(nn, self.activation)(nn.Dense(width)(x))
        return nn.Dense(self.widths[-1])(x)


class CNN(nn.Module):
    """Two convolutions with pooling, two dense layers."""

    @nn.compact
    def __call__(self, x):
        """Map images to logits."""
        for width in (32, 64):
            x = nn.max_pool(nn.relu(nn.Conv(width, (3, 3))(x)), (2, 2), strides=(2, 2))
        x = nn.relu(nn.Dense(64)(x.reshape(len(x), -1)))
        return nn.Dense(10)(x)


class LSTM(nn.Module):
    """Embedding, LSTM, logits of the next character."""

    @nn.compact
    def __call__(self, tokens):
        """Map characters to logits."""
        table = self.param("embedding", nn.initializers.normal(), (VOCABULARY, 64))
        cell = nn.OptimizedLSTMCell(128, parent=None)
        states = nn.RNN(cell, name="lstm")(table[tokens])
        return nn.Dense(VOCABULARY, name="head")(states)


MODELS = {
    "xor": MLP((4, 1), "sigmoid"),
    "line": MLP((1,)),
    "mlp": MLP((5, 1)),
    "digits": MLP((128, 128, 10)),
    "cnn": CNN(),
    "lstm": LSTM(),
}
LOSSES = {
    "binary_cross_entropy": optax.losses.sigmoid_binary_cross_entropy,
    "squared_error": optax.losses.squared_error,
    "cross_entropy": optax.losses.softmax_cross_entropy_with_integer_labels,
}
TX = {"adam": optax.adam, "sgd": optax.sgd, "adamw": optax.adamw}


def make(name, work, given):
    """A training: its losses for a number of steps."""
    model, tx = MODELS[name], TX[work.optimizer](work.rate)
    if work.clip:
        tx = optax.chain(optax.clip_by_global_norm(1.0), tx)
    x, y = jnp.asarray(given.x), jnp.asarray(given.y)

    def loss_fn(params, x, y):
        return LOSSES[work.loss](model.apply({"params": params}, x), y).mean()

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(params, opt_state, x, y, rows):
        batch = (x, y) if work.batch is None else (x[rows], y[rows])
        loss, grads = jax.value_and_grad(loss_fn)(params, *batch)
        updates, opt_state = tx.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    def train(steps):
        params = jax.tree.map(jnp.array, given.start)
        opt_state, losses = tx.init(params), []
        for rows in given.rows(steps):
            params, opt_state, loss = step(params, opt_state, x, y, rows)
            losses.append(loss)
        return jax.device_get(losses)

    return train


if __name__ == "__main__":
    serve(make, compilations)
