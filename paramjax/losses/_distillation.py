"""Distillation: a student learns the probabilities of a teacher and the labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_scalar
from paramjax._types import Array, Batch, Key, LossFn, Metrics, Params
from paramjax.losses._per_example import cross_entropy
from paramjax.metrics import accuracy

Apply = Callable[..., Array]
"""`(params, x) -> logits [batch, classes]`."""


def distillation(
    student: Apply,
    teacher: Apply,
    temperature: float | Array = 2.0,
    mixing: float | Array = 0.5,
) -> LossFn:
    r"""Match a teacher's softened probabilities and the labels.

    $$L = \alpha\,T^2\,\mathrm{KL}\bigl(p^{(T)} \,\Vert\, q^{(T)}\bigr)
      + (1-\alpha)\,\ell(q, y)$$
    with $p^{(T)}$ and $q^{(T)}$ the softmax of the teacher's and the student's logits
    divided by T, and $\ell$ the cross-entropy at temperature 1, all averaged over the batch
    (Hinton, Vinyals and Dean, 2015, Distilling the knowledge in a neural network, section
    2). The factor $T^2$ keeps the first term's gradients of the size of the second's.

    The loss is stateful and its model state is the teacher's parameters, which it returns
    unchanged. If it closed over them, they would be constants of the compiled program: stored
    twice, and compiled again for every other teacher.

    Args:
        student: `(params, x) -> logits [batch, classes]`, or [batch, ..., classes] with labels
            [batch, ...].
        teacher: `(teacher_params, x) -> logits [batch, classes]`, not differentiated.
        temperature: T, a positive number or a traced scalar.
        mixing: $\alpha$, the weight of the teacher, in [0, 1], or a traced scalar.

    Returns:
        `(params, teacher_params, batch, key) -> (loss, (teacher_params, metrics))` of a
        batch `{"x": [batch, ...], "y": integers [batch]}`. Train with
        `train_step(..., stateful=True)` and `init(key, params, model_state=teacher_params)`.
        The metrics are `accuracy`, `cross_entropy` and `divergence`, the mean KL at
        temperature T.

    Raises:
        TypeError: If a model is not a function, or temperature or mixing not a number.
        ValueError: If the temperature is not positive, the mixing is outside [0, 1], or, at
            the first call, the logits of student and teacher or the labels differ in shape.

    Example:
        >>> linear = lambda w, x: x @ w
        >>> loss_fn = distillation(linear, linear, temperature=2.0, mixing=1.0)
        >>> batch = {"x": jnp.ones((1, 1)), "y": jnp.array([0])}
        >>> loss, (teacher, metrics) = loss_fn(jnp.ones((1, 2)), jnp.ones((1, 2)), batch, None)
        >>> float(loss), float(metrics["accuracy"])
        (0.0, 1.0)
    """
    for name, model in (("student", student), ("teacher", teacher)):
        if not callable(model):
            raise TypeError(
                f"distillation: {name}: expected a function (params, x) -> logits, got "
                f"{type(model).__name__}"
            )
    check_scalar("distillation: temperature", temperature, low=1e-30)
    check_scalar("distillation: mixing", mixing, high=1.0)

    def loss_fn(
        params: Params, teacher_params: Params, batch: Batch, key: Key | None
    ) -> tuple[Array, tuple[Any, Metrics]]:
        del key
        logits = student(params, batch["x"])
        targets = jax.lax.stop_gradient(teacher(teacher_params, batch["x"]))
        if logits.shape != targets.shape:
            raise ValueError(
                "distillation: expected student and teacher to return logits of one shape, got "
                f"{logits.shape} and {targets.shape}"
            )
        divergence = _divergence(targets / temperature, logits / temperature).mean()
        hard = cross_entropy(logits, batch["y"]).mean()
        metrics = {
            "accuracy": accuracy(logits, batch["y"]).mean(),
            "cross_entropy": hard,
            "divergence": divergence,
        }
        loss = mixing * temperature**2 * divergence + (1 - mixing) * hard
        return loss, (teacher_params, metrics)

    return loss_fn


def _divergence(p: Array, q: Array) -> Array:
    """KL(softmax(p) || softmax(q)), [batch, ...]."""
    log_p, log_q = jax.nn.log_softmax(p, axis=-1), jax.nn.log_softmax(q, axis=-1)
    return jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1)
