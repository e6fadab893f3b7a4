"""The gradient of a loss, as the kind of function that steps and estimators share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._types import LossFn, Metrics, ModelState, Params, PyTree
from paramjax.step._metrics import check_metrics


@dataclass(frozen=True)
class GradFn:
    """A gradient estimator, called like the plain function that it wraps.

    Attributes:
        estimate: `(params, batch, key) -> (grads, loss, metrics)`; stateful:
            `(params, model_state, batch, key) -> (grads, loss, (model_state, metrics))`. The
            gradient points uphill: for complex parameters it is the conjugate of `jax.grad`.
        loss_fn: The loss whose gradient is estimated, for optimizers that search along it
            (line searches); None without such a loss.
        stateful: Whether it takes and returns model state.
        init: `(params, model_state) -> model_state`, the first `state.model_state` of an
            estimator that adds state of its own to the model's; None if it adds none.
        needs: Names of hooks without which it must not be used.
        per_example: Whether its gradients have a leading axis of examples, [batch, ...],
            for transformations that aggregate the gradients themselves.
        eval_model_state: `(model_state) -> model_state`, the model's own state out of that
            of the estimator; None if both are the same.
        eval_stateful: Whether evaluations of the loss take the model's state. None: where the
            estimator does, if it has no `init`; with one it does not say. An estimator that
            adds state of its own to a plain loss is stateful, and this is False.

    Example:
        >>> import paramjax as pj
        >>> downhill = pj.GradFn(lambda params, batch, key: (jnp.ones(2), jnp.sum(params), {}))
        >>> float(downhill(jnp.zeros(2), None, None)[1])
        0.0
    """

    estimate: Callable[..., tuple[Any, Any, Any]]
    loss_fn: LossFn | None = None
    stateful: bool = False
    init: Callable[[Params, ModelState], ModelState] | None = None
    needs: tuple[str, ...] = ()
    per_example: bool = False
    eval_model_state: Callable[[ModelState], ModelState] | None = None
    eval_stateful: bool | None = None

    def __call__(self, *args: Any) -> tuple[Any, Any, Any]:
        """Estimate the gradient."""
        return self.estimate(*args)

    def model_state_args(self, model_state: ModelState) -> tuple[ModelState, ...]:
        """The arguments between parameters and batch: the model state if stateful, else none."""
        return (model_state,) if self.stateful else ()

    def mean_gradient(self, grads: PyTree) -> PyTree:
        """The gradient of the batch, also from gradients per example."""
        return jax.tree.map(lambda g: g.mean(0), grads) if self.per_example else grads


def gradient(loss_fn: LossFn, *, stateful: bool = False) -> GradFn:
    """The gradient of a loss by reverse-mode differentiation.

    For complex parameters it is the conjugate of what `jax.grad` returns, so that a step
    against it goes downhill.

    Args:
        loss_fn: `(params, batch, key) -> (loss, metrics)` with a scalar loss; stateful:
            `(params, model_state, batch, key) -> (loss, (model_state, metrics))`.
        stateful: Whether the loss takes and returns model state.

    Returns:
        A GradFn with the same arguments.

    Raises:
        TypeError: If `loss_fn` is not callable; at the first call, if it does not take these
            arguments or return a pair, its loss is not floating-point, or a metric is not a
            number.
        ValueError: At the first call, if the loss is not a scalar, or a metric has a reserved
            name or more than one axis.

    Example:
        >>> import paramjax as pj
        >>> square = pj.gradient(lambda params, batch, key: (jnp.sum(params**2), {}))
        >>> grads, loss, metrics = square(jnp.array([1.0, 2.0]), None, None)
        >>> grads.tolist(), float(loss)
        ([2.0, 4.0], 5.0)
    """
    if not callable(loss_fn):
        raise TypeError(f"loss_fn: expected a function, got {type(loss_fn).__name__}")

    def checked(params: Any, *rest: Any) -> tuple[Any, Any]:
        loss, aux = loss_and_aux(call_loss("loss_fn", loss_fn, (params, *rest)), stateful=stateful)
        if not jnp.issubdtype(jnp.result_type(loss), jnp.floating):
            raise TypeError(
                f"loss_fn: expected a floating-point loss, got {jnp.result_type(loss)}; a count "
                "has no gradient, but pj.grads.evolution and pj.grads.spsa take its mean as a float"
            )
        return loss, (loss, aux)

    def estimate(params: Any, *rest: Any) -> tuple[Any, Any, Any]:
        grads, (loss, aux) = jax.grad(checked, has_aux=True)(params, *rest)
        return steepest(grads), loss, aux

    return GradFn(estimate, loss_fn, stateful)


def steepest(grads: PyTree) -> PyTree:
    r"""The direction of steepest ascent: where parameters are complex, the conjugate of JAX's.

    `jax.grad` of a real function of $z = x + iy$ is $\partial_x \ell - i \partial_y \ell$.
    """
    return jax.tree.map(lambda g: jnp.conj(g) if jnp.iscomplexobj(g) else g, grads)


def as_grad_fn(loss_fn: LossFn | GradFn, *, stateful: bool = False) -> GradFn:
    """An estimator as it is, a loss as its gradient."""
    return loss_fn if isinstance(loss_fn, GradFn) else gradient(loss_fn, stateful=stateful)


def split_aux(aux: Any, *, stateful: bool) -> tuple[tuple[ModelState, ...], Metrics]:
    """`(model_state,)` or `()`, and the metrics, from what a loss or an estimator returns."""
    if not stateful:
        return (), aux
    model_state, metrics = aux
    return (model_state,), metrics


def join_aux(model_state_args: tuple[ModelState, ...], metrics: Metrics) -> Any:
    """The inverse of `split_aux`."""
    return (*model_state_args, metrics) if model_state_args else metrics


def loss_and_aux(output: Any, *, stateful: bool, name: str = "loss_fn") -> tuple[Any, Any]:
    """What a loss returned, or an error that says what a loss must return."""
    expected = "(loss, (model_state, metrics))" if stateful else "(loss, metrics)"
    if not isinstance(output, tuple) or len(output) != 2:
        form = f"{len(output)} values" if isinstance(output, tuple) else type(output).__name__
        hint = "; wrap a gradient estimator in pj.GradFn" if form == "3 values" else ""
        raise TypeError(f"{name}: expected the loss to return {expected}, got {form}{hint}")
    loss, aux = output
    if jnp.shape(loss) != ():
        raise ValueError(
            f"{name}: expected a scalar loss, got shape {jnp.shape(loss)}; take its mean"
        )
    if stateful and not (isinstance(aux, tuple) and len(aux) == 2):
        raise TypeError(
            f"{name}: expected the loss to return {expected}, got {type(aux).__name__} as its "
            "second value"
        )
    metrics = aux[1] if stateful else aux
    if not stateful and isinstance(aux, tuple) and len(aux) == 2 and isinstance(aux[1], dict):
        raise TypeError(
            f"{name}: expected the loss to return {expected}, got (loss, (model_state, metrics)); "
            "a loss with model state is declared by stateful=True"
        )
    check_metrics(name, metrics)
    return loss, aux


def call_loss(name: str, loss_fn: Any, args: tuple[Any, ...]) -> Any:
    """What the loss returns, or an error that says how it is called if it does not take that."""
    names = ("params", *("model_state" for _ in args[3:]), "batch", "key")
    try:
        signature = inspect.signature(loss_fn)
    except (TypeError, ValueError):  # a function of C has none
        return loss_fn(*args)
    try:
        signature.bind(*args)
    except TypeError as error:
        called = getattr(loss_fn, "__qualname__", type(loss_fn).__name__)
        raise TypeError(
            f"{name}: {called}{signature} cannot be called with ({', '.join(names)}): {error}"
            f"{_hint(signature, len(args))}"
        ) from None
    try:
        return loss_fn(*args)
    except Exception as error:
        if len(args) == 4 and not jax.tree.leaves(args[1]):
            error.add_note(
                f"{name}: the loss got the empty model_state {args[1]!r}; if it needs one, give "
                "the first as model_state="
            )
        raise


def _hint(signature: inspect.Signature, given: int) -> str:
    """What to do about a loss that takes another number of arguments."""
    kinds = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    takes = sum(parameter.kind in kinds for parameter in signature.parameters.values())
    if (takes, given) == (4, 3):
        return "; if it takes model state, say stateful=True"
    if (takes, given) == (3, 4):
        return "; if it takes no model state, leave stateful=True out"
    return ""
