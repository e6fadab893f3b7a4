"""Meta-learning: losses of parameters after they have been adapted to a task."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import optax

from paramjax._checks import check_count, check_rows
from paramjax._types import Array, Batch, Key, LossFn, Metrics, Params
from paramjax.step._gradients import GradFn, call_loss, gradient, loss_and_aux
from paramjax.step._state import scan_steps
from paramjax.step._train_step import train_step

Adapt = Callable[[Params, Batch, Key], Params]
"""`(params, batch, key) -> adapted params`."""


def adapt(
    loss_fn: LossFn,
    tx: optax.GradientTransformation,
    steps: int,
    *,
    first_order: bool = False,
) -> Adapt:
    r"""A few steps of training, as a differentiable function of the parameters they start from.

    $$\theta_{s+1} = \theta_s + \mathrm{tx}(\nabla \ell(\theta_s)),\qquad \theta_0 = \theta$$

    Args:
        loss_fn: `(params, batch, key) -> (loss, metrics)`, without model state.
        tx: The transformation of the inner steps, whose state starts fresh; it must be
            differentiable if the result is differentiated.
        steps: Number of inner steps on the batch, from 0; step s uses `fold_in(key, s)`.
        first_order: Whether the inner gradients count as constants when the result is
            differentiated, which needs no second derivatives.

    Returns:
        `(params, batch, key) -> adapted params`, a pure function: what the transformation
        wants evaluated after the last step.

    Raises:
        TypeError: If the loss is not callable or is a GradFn, or `tx` is not a gradient
            transformation.
        ValueError: If `steps` is out of range; at the first trace, if the loss is not a scalar.

    Example:
        >>> import jax.numpy as jnp
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> three_steps = pj.trainers.adapt(loss_fn, optax.sgd(0.25), 3)
        >>> float(three_steps(jnp.zeros(()), jnp.array([8.0]), jax.random.key(0)))
        7.0
    """
    check_count("steps", steps, least=0)
    if isinstance(loss_fn, GradFn):
        raise TypeError(
            "loss_fn: expected a loss, (params, batch, key) -> (loss, metrics), got a GradFn; "
            "meta-learning differentiates the loss once more"
        )
    grad_fn = gradient(loss_fn)
    trainer = train_step(_with_constant_gradient(grad_fn) if first_order else grad_fn, tx)

    def adapted(params: Params, batch: Batch, key: Key) -> Params:
        state, _ = scan_steps(trainer, trainer.init(key, params), batch, None, steps)
        return trainer.eval_params(state)

    return adapted


def meta_loss(
    loss_fn: LossFn,
    tx: optax.GradientTransformation,
    steps: int,
    *,
    first_order: bool = False,
) -> LossFn:
    r"""The loss after adaptation to a task, averaged over tasks.

    $$L(\theta) = \frac{1}{T} \sum_t \ell(\theta_t', \mathrm{query}_t),\qquad
    \theta_t' = \mathrm{adapt}(\theta, \mathrm{support}_t)$$
    the objective of MAML (Finn, Abbeel and Levine, 2017, eq. 1). Its gradient goes through
    the inner steps; with `first_order` it is the first-order approximation (section 5.2),
    the gradient of the query loss at the adapted parameters. Train it like any other loss:
    `train_step(meta_loss(loss_fn, optax.sgd(0.01), 1), optax.adam(1e-3))`.

    Args:
        loss_fn: `(params, batch, key) -> (loss, metrics)`, the loss within a task.
        tx: The transformation of the inner steps, see `adapt`.
        steps: Number of inner steps, from 0.
        first_order: Whether the inner gradients count as constants.

    Returns:
        A loss whose batch is `{"support": ..., "query": ...}`, each a pytree of arrays
        [tasks, rows, ...], so that the `batch_size` of `fit` counts tasks. Its metrics are the
        means over tasks of the query metrics.

    Raises:
        TypeError: As `adapt`; at the first trace, if the batch is not such a dict.
        ValueError: As `adapt`; at the first trace, if leaves disagree in their number of tasks.

    Example:
        >>> import jax.numpy as jnp
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> outer = pj.trainers.meta_loss(loss_fn, optax.sgd(0.25), 1)
        >>> batch = {"support": jnp.array([[8.0]]), "query": jnp.array([[8.0]])}
        >>> float(outer(jnp.zeros(()), batch, jax.random.key(0))[0])
        16.0
    """
    inner = adapt(loss_fn, tx, steps, first_order=first_order)

    def of_task(params: Params, task: dict[str, Batch], key: Key) -> tuple[Array, Metrics]:
        inner_key, query_key = jax.random.split(key)
        adapted = inner(params, task["support"], inner_key)
        args = adapted, task["query"], query_key
        return loss_and_aux(call_loss("loss_fn", loss_fn, args), stateful=False)

    def outer(params: Params, batch: Any, key: Key) -> tuple[Array, Metrics]:
        if not isinstance(batch, dict) or set(batch) != {"support", "query"}:
            got = sorted(batch) if isinstance(batch, dict) else type(batch).__name__
            raise TypeError(
                f"meta_loss: expected a batch {{'support': ..., 'query': ...}}, got {got}"
            )
        keys = jax.random.split(key, check_rows("meta_loss", batch))
        losses, metrics = jax.vmap(of_task, (None, 0, 0))(params, batch, keys)
        return losses.mean(), jax.tree.map(lambda values: values.mean(0), metrics)

    return outer


def _with_constant_gradient(grad_fn: GradFn) -> GradFn:
    """The estimator with a gradient that counts as a constant under differentiation."""

    def estimate(*args: Any) -> tuple[Any, Any, Any]:
        grads, loss, aux = grad_fn(*args)
        return jax.lax.stop_gradient(grads), loss, aux

    return dataclasses.replace(grad_fn, estimate=estimate)
