"""The training that `paramjax verify` repeats: small, with every kind of state that a run has.

Two dense layers with batch normalisation and dropout learn to tell which of ten random
directions a point lies along; clipping, AdamW, an average, a skip hook and validations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramjax._types import Array, Batch, Key, Metrics, ModelState, Params, PyTree
from paramjax.runs._validation import Validation
from paramjax.step._state import Trainer
from paramjax.step._train_step import train_step
from paramjax.step.hooks._ema import ema
from paramjax.step.hooks._skip_nonfinite import skip_nonfinite

ROWS, FEATURES, HIDDEN, CLASSES = 500, 16, 64, 10
BATCH_SIZE = 32
LEARNING_RATE = 1e-3
KEPT = 0.9
"""Share of the hidden units that dropout keeps."""
_MOMENTUM, _VARIANCE_FLOOR = 0.9, 1e-5
_EPS = 1e-4
"""Of AdamW. The usual 1e-8 makes a full step of a gradient that is zero but for rounding."""


class ReferenceProblem(NamedTuple):
    """What is trained.

    Attributes:
        trainer: Takes the steps; dropout draws from its key, batch statistics are its state.
        params: Initial parameters.
        data: Training data, leaves [ROWS, ...].
        validation_data: Validation data, leaves [ROWS, ...].
        key: The key of the run.
    """

    trainer: Trainer
    params: Params
    data: PyTree
    validation_data: PyTree
    key: Key

    def validation(self, every: int) -> Validation:
        """Its validation, every so many steps; the last batch of it is incomplete."""
        return Validation(evaluate, self.validation_data, every, batch_size=128)


def make_problem(key: int) -> ReferenceProblem:
    """The problem whose data, initial parameters and randomness a number names.

    Example:
        >>> problem = make_problem(0)
        >>> problem.data["x"].shape, problem.params["output"]["kernel"].shape
        ((500, 16), (64, 10))
    """
    train_key, validation_key, params_key, run_key = jax.random.split(jax.random.key(key), 4)
    train, validation, params = jax.device_get(_draw(train_key, validation_key, params_key))
    return ReferenceProblem(make_trainer(LEARNING_RATE), params, train, validation, run_key)


def make_trainer(
    learning_rate: Any, decorate: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
) -> Trainer:
    """A trainer of the problem's network, of a decorated loss if asked; the rate may be traced."""
    loss = decorate(loss_fn) if decorate else loss_fn
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(learning_rate, eps=_EPS))
    trainer = train_step(loss, tx, [ema(0.99), skip_nonfinite()], stateful=True)

    def init(key: Key, params: Params, model_state: ModelState = ()) -> Any:
        return trainer.init(key, params, model_state or first_statistics())

    return trainer._replace(init=init)


def first_statistics() -> ModelState:
    """Mean and variance of the hidden units before the first step, [HIDDEN] each."""
    return {"mean": jnp.zeros(HIDDEN), "variance": jnp.ones(HIDDEN)}


def draw_params(key: Key) -> Params:
    """Initial parameters.

    No bias stands before the normalisation: its gradient would be zero but for rounding, which
    Adam would amplify to a full step.
    """
    first, second = jax.random.split(key)
    return {
        "hidden": {
            "kernel": jax.random.normal(first, (FEATURES, HIDDEN)) / FEATURES**0.5,
            "scale": jnp.ones(HIDDEN),
            "shift": jnp.zeros(HIDDEN),
        },
        "output": {
            "kernel": jax.random.normal(second, (HIDDEN, CLASSES)) / HIDDEN**0.5,
            "bias": jnp.zeros(CLASSES),
        },
    }


def loss_fn(
    params: Params, statistics: ModelState, batch: Batch, key: Key
) -> tuple[Array, tuple[ModelState, Metrics]]:
    """Cross entropy of a batch, with its own statistics and with dropout.

    The metrics `rows` and `dropped` are integers that tell which rows stood where, and which
    units were dropped: sums modulo 2**32 are exact in any order.
    """
    hidden = batch["x"] @ params["hidden"]["kernel"]
    batch_statistics = {"mean": hidden.mean(axis=0), "variance": hidden.var(axis=0)}
    running = optax.incremental_update(batch_statistics, statistics, 1 - _MOMENTUM)
    kept = jax.random.bernoulli(key, KEPT, hidden.shape)
    active = jnp.where(kept, _activate(params, batch_statistics, hidden) / KEPT, 0.0)
    metrics = {"rows": _checksum(batch["row"]), "dropped": _checksum(~kept)}
    return _cross_entropy(_logits(params, active), batch["y"]), (running, metrics)


def evaluate(params: Params, statistics: ModelState, batch: Batch) -> Metrics:
    """Loss and accuracy with the running statistics, without dropout."""
    hidden = _activate(params, statistics, batch["x"] @ params["hidden"]["kernel"])
    logits = _logits(params, hidden)
    hits = logits.argmax(axis=-1) == batch["y"]
    return {"loss": _cross_entropy(logits, batch["y"]), "accuracy": hits.mean()}


def _activate(params: Params, statistics: ModelState, hidden: Array) -> Array:
    scale = params["hidden"]["scale"] * jax.lax.rsqrt(statistics["variance"] + _VARIANCE_FLOOR)
    moved = (hidden - statistics["mean"][None]) * scale[None] + params["hidden"]["shift"][None]
    # at the kink of a relu, rounding would decide about a whole gradient
    return jax.nn.silu(moved)


def _logits(params: Params, hidden: Array) -> Array:
    logits: Array = hidden @ params["output"]["kernel"] + params["output"]["bias"][None]
    return logits


def _cross_entropy(logits: Array, labels: Array) -> Array:
    return jnp.mean(optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels))


def _checksum(values: Array) -> Array:
    """A sum weighted by position, modulo 2**32: uint32[]."""
    positions = jnp.arange(1, values.size + 1, dtype=jnp.uint32).reshape(values.shape)
    return jnp.sum(values.astype(jnp.uint32) * positions, dtype=jnp.uint32)


@jax.jit
def _draw(train_key: Key, validation_key: Key, params_key: Key) -> tuple[PyTree, PyTree, Params]:
    directions_key, points_key = jax.random.split(train_key)
    directions = jax.random.normal(directions_key, (FEATURES, CLASSES))
    train, validation = (_draw_data(key, directions) for key in (points_key, validation_key))
    return train, validation, draw_params(params_key)


def _draw_data(key: Key, directions: Array) -> PyTree:
    """Points, and the direction along which each lies farthest, seen through noise."""
    points, noise = jax.random.split(key)
    x = jax.random.normal(points, (ROWS, FEATURES))
    seen = x @ directions + jax.random.normal(noise, (ROWS, CLASSES))
    labels = seen.argmax(axis=-1).astype(jnp.int32)
    return {"x": x, "y": labels, "row": jnp.arange(ROWS, dtype=jnp.uint32)}
