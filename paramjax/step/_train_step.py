"""One training step, composed from a loss, a gradient transformation and hooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax

from paramjax._checks import check_same_form
from paramjax._types import Array, Batch, Key, LossFn, Metrics, ModelState, Params, PyTree
from paramjax.step._assemble import assemble
from paramjax.step._evaluation import begin, differentiated
from paramjax.step._extra_args import update
from paramjax.step._gradients import GradFn, as_grad_fn, split_aux
from paramjax.step._state import Trainer, TrainState
from paramjax.step.hooks._hook import Hook, Observation


def train_step(
    loss_fn: LossFn | GradFn,
    tx: optax.GradientTransformation | optax.MultiSteps,
    hooks: Sequence[Hook] = (),
    *,
    stateful: bool = False,
) -> Trainer:
    """Compose a training step out of pure functions.

    Args:
        loss_fn: A loss, `(params, batch, key) -> (loss, metrics)`, or a `GradFn`.
        tx: Any optax gradient transformation. It is handed `value`, `grad`, `grad_fn` and,
            where there is a loss, `value_fn` and `obj_fn`, so that line searches, Polyak
            steps, sharpness-aware minimisation and Hessian estimates work. Lookahead gets
            its pair of parameters in `state.params`.
        hooks: Averages, guards and monitors, applied in this order.
        stateful: Whether a loss takes and returns model state (a GradFn says it itself).

    Returns:
        A trainer. The metrics of a step are the loss's own and always `loss`, `grad_norm`
        (the global norm before any clipping) and, where the chain keeps one,
        `learning_rate` (the last, where several links keep one); a metric of the loss under
        one of these names is replaced.

    Raises:
        TypeError: If `tx` is no gradient transformation, a hook is none, or (in `init`)
            the key is a legacy one or a parameter is not floating-point.
        ValueError: If two hooks have one name or one that the estimator needs is missing; at
            the first trace, if the loss is not a scalar, or gradients or updates differ from
            the parameters in tree or shape.

    Example:
        >>> import jax
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> trainer = train_step(loss_fn, optax.sgd(0.5))
        >>> state = trainer.init(jax.random.key(0), jnp.zeros(()))
        >>> state, metrics = trainer.step(state, jnp.array([1.0, 3.0]))
        >>> float(state.params), float(metrics["loss"])
        (2.0, 5.0)
    """
    tx = as_transformation(tx)
    grad_fn = as_grad_fn(loss_fn, stateful=stateful)

    def start(params: Params, model_state: ModelState) -> tuple[Params, ModelState, PyTree]:
        if grad_fn.init is not None:
            model_state = grad_fn.init(differentiated(params), model_state)
        params, opt_state = begin(tx, params)
        return params, model_state, opt_state

    def advance(
        state: TrainState, batch: Batch, key: Key
    ) -> tuple[TrainState, Metrics, Observation]:
        grads, loss, model_state, metrics = estimate(grad_fn, state, batch, key)
        extra = extra_arguments(grad_fn, state, batch, key)
        extra = {"value": loss, "grad": grads, **extra}
        updates, opt_state = _updates(tx, grads, state, extra)
        check_same_form("updates", updates, state.params)
        params = optax.apply_updates(state.params, updates)
        new = state._replace(params=params, model_state=model_state, opt_state=opt_state)
        metrics = {**metrics, **_learning_rate(opt_state)}
        return new, metrics, Observation(state, batch, key, grads, updates, grad_fn)

    return assemble(start, advance, hooks, needs=grad_fn.needs)


def as_transformation(
    tx: optax.GradientTransformation | optax.MultiSteps, name: str = "tx"
) -> optax.GradientTransformationExtraArgs:
    """A gradient transformation that takes extra arguments, or a refusal.

    Args:
        tx: A gradient transformation, or `optax.MultiSteps`.
        name: What it is called in the message.

    Returns:
        The transformation.

    Raises:
        TypeError: If it is neither.

    Example:
        >>> type(as_transformation(optax.sgd(0.1))).__name__
        'GradientTransformationExtraArgs'
    """
    if isinstance(tx, optax.MultiSteps):
        tx = tx.gradient_transformation()
    if not isinstance(tx, optax.GradientTransformation):
        raise TypeError(
            f"{name}: expected an optax gradient transformation such as optax.adamw(1e-3), got "
            f"{type(tx).__name__}"
        )
    return optax.with_extra_args_support(tx)


def estimate(
    grad_fn: GradFn, state: TrainState, batch: Batch, key: Key
) -> tuple[PyTree, Array, ModelState, Metrics]:
    """Call either form of a GradFn, check its gradient, and name its metrics.

    Args:
        grad_fn: The estimator.
        state: Where to estimate.
        batch: The batch.
        key: The key of the step.

    Returns:
        Gradient, loss, model state, and metrics with `loss` and `grad_norm`.

    Raises:
        TypeError: If the estimator returns something other than a triple.
        ValueError: If its loss is not a scalar, or its gradient differs from the parameters
            in tree or shape.

    Example:
        >>> import jax
        >>> grad_fn = as_grad_fn(lambda params, batch, key: (params**2, {}))
        >>> state = TrainState(jnp.int32(0), jnp.float32(3.0), (), (), (), jax.random.key(0))
        >>> grads, loss, _, metrics = estimate(grad_fn, state, None, state.key)
        >>> float(grads), float(loss), float(metrics["grad_norm"])
        (6.0, 9.0, 6.0)
    """
    params = differentiated(state.params)
    carried = grad_fn.carried(state.model_state)
    grads, loss, aux = _triple(grad_fn(params, *carried, batch, key))
    new_carried, metrics = split_aux(aux, stateful=grad_fn.stateful)
    mean = grad_fn.of_batch(grads)
    check_same_form("gradients", mean, params)
    model_state = new_carried[0] if new_carried else state.model_state
    loss = jnp.asarray(loss)
    return grads, loss, model_state, {**metrics, "loss": loss, "grad_norm": optax.tree.norm(mean)}


def _updates(
    tx: optax.GradientTransformationExtraArgs, grads: PyTree, state: TrainState, extra: Any
) -> tuple[PyTree, PyTree]:
    """Call the transformation; what lookahead cannot be part of is refused with the reason."""
    try:
        return update(tx, grads, state.opt_state, state.params, extra)
    except (TypeError, ValueError) as error:
        if not isinstance(state.params, optax.LookaheadParams):
            raise
        raise ValueError(
            "tx: optax.lookahead takes a pair of fast and slow parameters, so it must be the "
            "outermost transformation or the last of a chain, and it hands on no extra arguments "
            "such as value; put other wrappers inside it"
        ) from error


def _triple(output: Any) -> tuple[PyTree, Array, Any]:
    """What a gradient estimator must return, refused with the reason where it is not."""
    if not isinstance(output, tuple) or len(output) != 3:
        form = f"{len(output)} values" if isinstance(output, tuple) else type(output).__name__
        raise TypeError(f"grad_fn: expected it to return (grads, loss, metrics), got {form}")
    if jnp.shape(output[1]) != ():
        raise ValueError(f"grad_fn: expected a scalar loss, got shape {jnp.shape(output[1])}")
    return output


def extra_arguments(grad_fn: GradFn, state: TrainState, batch: Batch, key: Key) -> dict[str, Any]:
    """What line searches and their like ask for: loss and gradient of this batch.

    Args:
        grad_fn: The estimator.
        state: The state before the step; its model state is held fixed.
        batch: The batch.
        key: The key of the step.

    Returns:
        `grad_fn(params, i)` and, where there is a loss, `value_fn(params)` and
        `obj_fn(params)`.

    Example:
        >>> import jax
        >>> estimator = as_grad_fn(lambda params, batch, key: (params**2, {}))
        >>> state = TrainState(jnp.int32(0), jnp.float32(3.0), (), (), (), jax.random.key(0))
        >>> float(extra_arguments(estimator, state, None, state.key)["value_fn"](4.0))
        16.0
    """
    carried = grad_fn.carried(state.model_state)
    loss_fn = grad_fn.loss_fn

    def gradient_at(params: Params, index: Any = None) -> PyTree:
        del index
        return grad_fn(params, *carried, batch, key)[0]

    if loss_fn is None:
        return {"grad_fn": gradient_at}

    def objective(params: Params) -> Array:
        return loss_fn(params, *carried, batch, key)[0]

    # zoom line search refuses arguments that its value_fn does not name
    def value_fn(params: Params, obj_fn: Any = None, grad_fn: Any = None) -> Array:
        del obj_fn, grad_fn
        return objective(params)

    return {"grad_fn": gradient_at, "value_fn": value_fn, "obj_fn": objective}


def _learning_rate(opt_state: PyTree) -> Metrics:
    """The learning rate, where a link of the chain keeps one in its state."""
    found = optax.tree.get_all_with_path(opt_state, "learning_rate")
    # an injected schedule keeps its own state under the same name
    scalars = [value for _, value in found if getattr(value, "shape", None) == ()]
    return {"learning_rate": scalars[-1]} if scalars else {}
