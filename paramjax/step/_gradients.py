"""The gradient of a loss, as the kind of function that steps and estimators share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._types import LossFn, Metrics, ModelState, Params, PyTree


@dataclass(frozen=True)
class GradFn:
    """A gradient estimator, called like the plain function that it wraps.

    Attributes:
        estimate: `(params, batch, key) -> (grads, loss, metrics)`; stateful:
            `(params, model_state, batch, key) -> (grads, loss, (model_state, metrics))`.
        loss_fn: The loss it estimates the gradient of, for optimizers that search along
            it (line searches); None if there is none.
        stateful: Whether it carries state that is not differentiated.
        init: `(params, model_state) -> carried`, what it carries as `state.model_state`
            where that is more than the model's own; None if it is not.
        needs: Names of hooks without which it must not be used.
        per_example: Whether its gradients have a leading axis of examples, [batch, ...],
            for transformations that aggregate it themselves.

    Example:
        >>> downhill = GradFn(lambda params, batch, key: (jnp.ones(2), jnp.sum(params), {}))
        >>> float(downhill(jnp.zeros(2), None, None)[1])
        0.0
    """

    estimate: Callable[..., tuple[Any, Any, Any]]
    loss_fn: LossFn | None = None
    stateful: bool = False
    init: Callable[[Params, ModelState], ModelState] | None = None
    needs: tuple[str, ...] = ()
    per_example: bool = False

    def __call__(self, *args: Any) -> tuple[Any, Any, Any]:
        """Estimate the gradient."""
        return self.estimate(*args)

    def carried(self, model_state: ModelState) -> tuple[ModelState, ...]:
        """What it and its loss take between parameters and batch: the model state or nothing."""
        return (model_state,) if self.stateful else ()

    def of_batch(self, grads: PyTree) -> PyTree:
        """The gradient of the batch, also where there is one for each example."""
        return jax.tree.map(lambda g: g.mean(0), grads) if self.per_example else grads


def gradient(loss_fn: LossFn, *, stateful: bool = False) -> GradFn:
    """The gradient of a loss by reverse-mode differentiation.

    Args:
        loss_fn: `(params, batch, key) -> (loss, metrics)` with a scalar loss; stateful:
            `(params, model_state, batch, key) -> (loss, (model_state, metrics))`.
        stateful: Which of the two it is.

    Returns:
        A GradFn with the same arguments.

    Raises:
        TypeError: If `loss_fn` is not callable; at the first call, if it returns
            something other than a pair, or its loss is no floating-point number.
        ValueError: At the first call, if the loss is not a scalar.

    Example:
        >>> square = gradient(lambda params, batch, key: (jnp.sum(params**2), {}))
        >>> grads, loss, metrics = square(jnp.array([1.0, 2.0]), None, None)
        >>> grads.tolist(), float(loss)
        ([2.0, 4.0], 5.0)
    """
    if not callable(loss_fn):
        raise TypeError(f"loss_fn: expected a function, got {type(loss_fn).__name__}")

    def checked(params: Any, *rest: Any) -> tuple[Any, Any]:
        loss, aux = loss_and_aux(loss_fn(params, *rest), stateful=stateful)
        _check_differentiable(loss)
        return loss, (loss, aux)

    def estimate(params: Any, *rest: Any) -> tuple[Any, Any, Any]:
        grads, (loss, aux) = jax.grad(checked, has_aux=True)(params, *rest)
        return grads, loss, aux

    return GradFn(estimate, loss_fn, stateful)


def as_grad_fn(loss_fn: LossFn | GradFn, *, stateful: bool = False) -> GradFn:
    """A gradient estimator as it is, a loss with its gradient.

    Args:
        loss_fn: A loss or an estimator.
        stateful: Whether a loss takes and returns model state; an estimator says it itself.

    Returns:
        A GradFn.

    Raises:
        TypeError: If it is neither.

    Example:
        >>> as_grad_fn(lambda params, batch, key: (params, {})).stateful
        False
    """
    return loss_fn if isinstance(loss_fn, GradFn) else gradient(loss_fn, stateful=stateful)


def split_aux(aux: Any, *, stateful: bool) -> tuple[tuple[ModelState, ...], Metrics]:
    """What a loss or an estimator carries on, and its metrics.

    Args:
        aux: `metrics`; stateful: `(model_state, metrics)`.
        stateful: Which of the two it is.

    Returns:
        `()` or `(model_state,)`, and the metrics.

    Example:
        >>> split_aux((3, {"accuracy": 0.5}), stateful=True)
        ((3,), {'accuracy': 0.5})
    """
    if not stateful:
        return (), aux
    model_state, metrics = aux
    return (model_state,), metrics


def join_aux(carried: tuple[ModelState, ...], metrics: Metrics) -> Any:
    """The inverse of `split_aux`.

    Args:
        carried: `()` or `(model_state,)`.
        metrics: The metrics.

    Returns:
        `metrics`; with a model state, `(model_state, metrics)`.

    Example:
        >>> join_aux((3,), {})
        (3, {})
    """
    return (*carried, metrics) if carried else metrics


def loss_and_aux(output: Any, *, stateful: bool, what: str = "loss_fn") -> tuple[Any, Any]:
    """The pair a loss must return, refused with the reason where it is not one.

    Args:
        output: What the loss returned.
        stateful: Whether the pair is `(loss, (model_state, metrics))`.
        what: Who asks, for the message.

    Returns:
        The loss, and `metrics` or `(model_state, metrics)`.

    Raises:
        TypeError: If it is no such pair or the metrics are no dict.
        ValueError: If the loss is not a scalar.

    Example:
        >>> loss_and_aux((0.5, {}), stateful=False)
        (0.5, {})
    """
    expected = "(loss, (model_state, metrics))" if stateful else "(loss, metrics)"
    if not isinstance(output, tuple) or len(output) != 2:
        form = f"{len(output)} values" if isinstance(output, tuple) else type(output).__name__
        hint = "; wrap a gradient estimator in pj.GradFn" if form == "3 values" else ""
        raise TypeError(f"{what}: expected the loss to return {expected}, got {form}{hint}")
    loss, aux = output
    if jnp.shape(loss) != ():
        raise ValueError(
            f"{what}: expected a scalar loss, got shape {jnp.shape(loss)}; take its mean"
        )
    if stateful and not (isinstance(aux, tuple) and len(aux) == 2):
        raise TypeError(f"{what}: expected the loss to return {expected}, got a lone second value")
    metrics = aux[1] if stateful else aux
    if not isinstance(metrics, dict):
        raise TypeError(
            f"{what}: expected metrics as a dict, got {type(metrics).__name__}; return {{}}"
        )
    return loss, aux


def _check_differentiable(loss: Any) -> None:
    if not jnp.issubdtype(jnp.result_type(loss), jnp.floating):
        raise TypeError(
            f"loss_fn: expected a floating-point loss, got {jnp.result_type(loss)}; what is "
            "counted has no gradient, but pj.grads.evolution and pj.grads.spsa take its mean "
            "as a float"
        )
