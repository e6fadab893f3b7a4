"""One training step, composed from a loss, a gradient transformation and hooks."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import optax

from paramjax._checks import check_same_form
from paramjax._types import Array, Batch, Key, LossFn, Metrics, ModelState, Params, PyTree
from paramjax.step._assemble import assemble
from paramjax.step._evaluation import gradient_point, init_optimizer
from paramjax.step._extra_args import extra_arguments, update_with
from paramjax.step._gradients import GradFn, as_grad_fn, split_aux
from paramjax.step._metrics import check_metrics
from paramjax.step._norms import norm_of
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
        tx: Any optax gradient transformation. It gets `value`, `grad`, `grad_fn` and, where
            there is a loss, `value_fn` and `obj_fn`, so that line searches, Polyak steps,
            sharpness-aware minimisation and Hessian estimates work. Lookahead gets its pair
            of parameters in `state.params`.
        hooks: Averages, guards and monitors, applied in this order.
        stateful: Whether the loss takes and returns model state (a GradFn says so itself).

    Returns:
        A trainer. The metrics of a step are the loss's own and always `loss`, `grad_norm`
        (the global norm before any clipping) and, where the chain keeps one,
        `learning_rate` (the last, where several links keep one) and, where several groups of
        leaves keep one (`by_path`, `optax.partition`), `learning_rate/<group>`; a metric of the
        loss under one of these names is replaced.

    Raises:
        TypeError: If `tx` is not a gradient transformation, or a hook is not a Hook; in
            `init`, if the key is a legacy key or a parameter is not floating-point.
        ValueError: If two hooks share a name, or a hook that the estimator needs is missing;
            at the first trace, if the loss is not a scalar, or gradients or updates differ
            from the parameters in tree or shape.

    Example:
        >>> import jax
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> trainer = pj.train_step(loss_fn, optax.sgd(0.5))
        >>> state = trainer.init(jax.random.key(0), jnp.zeros(()))
        >>> state, metrics = trainer.step(state, jnp.array([1.0, 3.0]))
        >>> float(state.params), float(metrics["loss"])
        (2.0, 5.0)
    """
    tx = as_transformation(tx)
    grad_fn = as_grad_fn(loss_fn, stateful=stateful)

    def init(params: Params, model_state: ModelState) -> tuple[Params, ModelState, PyTree]:
        if grad_fn.init is not None:
            model_state = grad_fn.init(gradient_point(params), model_state)
        params, opt_state = init_optimizer(tx, params)
        return params, model_state, opt_state

    def step(state: TrainState, batch: Batch, key: Key) -> tuple[TrainState, Metrics, Observation]:
        grads, loss, model_state, metrics = _estimate(grad_fn, state, batch, key)
        extra = extra_arguments(grad_fn, state, batch, key)
        extra = {"value": loss, "grad": grads, **extra}
        updates, opt_state = _updates(tx, grads, state, extra)
        check_same_form("updates", updates, state.params)
        params = optax.apply_updates(state.params, updates)
        new = state._replace(params=params, model_state=model_state, opt_state=opt_state)
        metrics = {**metrics, **_learning_rate(opt_state)}
        return new, metrics, Observation(state, batch, key, grads, updates, grad_fn)

    words = _evaluation_words(grad_fn)
    return assemble(init, step, hooks, needs=grad_fn.needs, **words)


def _evaluation_words(grad_fn: GradFn) -> dict[str, Any]:
    """What an estimator says of evaluations, as `assemble` takes it."""
    stateful: bool | None = grad_fn.stateful
    if grad_fn.eval_stateful is not None or grad_fn.init is not None:
        stateful = grad_fn.eval_stateful  # of an estimator with arrays of its own only it knows
    if grad_fn.eval_model_state is None:
        return {"stateful": stateful}
    return {"stateful": stateful, "eval_model_state": grad_fn.eval_model_state}


def as_transformation(
    tx: optax.GradientTransformation | optax.MultiSteps, name: str = "tx"
) -> optax.GradientTransformationExtraArgs:
    """A gradient transformation with extra arguments, or an error that names the argument."""
    if isinstance(tx, optax.MultiSteps):
        tx = tx.gradient_transformation()
    if not isinstance(tx, optax.GradientTransformation):
        raise TypeError(
            f"{name}: expected an optax gradient transformation such as optax.adamw(1e-3), got "
            f"{type(tx).__name__}"
        )
    return optax.with_extra_args_support(tx)


def _estimate(
    grad_fn: GradFn, state: TrainState, batch: Batch, key: Key
) -> tuple[PyTree, Array, ModelState, Metrics]:
    """Gradient, loss, model state, and metrics with `loss` and `grad_norm`, all checked."""
    params = gradient_point(state.params)
    output = grad_fn(params, *grad_fn.model_state_args(state.model_state), batch, key)
    if not isinstance(output, tuple) or len(output) != 3:
        form = f"{len(output)} values" if isinstance(output, tuple) else type(output).__name__
        raise TypeError(f"grad_fn: expected it to return (grads, loss, metrics), got {form}")
    grads, loss, aux = output
    if jnp.shape(loss) != ():
        raise ValueError(f"grad_fn: expected a scalar loss, got shape {jnp.shape(loss)}")
    new_model_state, metrics = split_aux(aux, stateful=grad_fn.stateful)
    check_metrics("grad_fn", metrics)
    mean = grad_fn.mean_gradient(grads)
    check_same_form("gradients", mean, params)
    model_state = new_model_state[0] if new_model_state else state.model_state
    loss = jnp.asarray(loss)
    return grads, loss, model_state, {**metrics, "loss": loss, "grad_norm": norm_of(mean)}


def _updates(
    tx: optax.GradientTransformationExtraArgs, grads: PyTree, state: TrainState, extra: Any
) -> tuple[PyTree, PyTree]:
    """Updates and optimizer state, or an error that says where lookahead may stand."""
    try:
        return update_with(tx, grads, state.opt_state, state.params, extra)
    except (TypeError, ValueError) as error:
        if not isinstance(state.params, optax.LookaheadParams):
            raise
        raise ValueError(
            "tx: optax.lookahead takes a pair of fast and slow parameters, so it must be the "
            "outermost transformation or the last of a chain, and it passes on no extra arguments "
            "such as value; put other wrappers inside it"
        ) from error


def _learning_rate(opt_state: PyTree) -> Metrics:
    """The learning rate, where a link of the chain keeps one, and that of each group of leaves."""
    found = optax.tree.get_all_with_path(opt_state, "learning_rate")
    # an injected schedule keeps its own state under the same name
    scalars = [(path, value) for path, value in found if getattr(value, "shape", None) == ()]
    if not scalars:
        return {}
    groups = {f"learning_rate/{_group(path)}": value for path, value in scalars if _group(path)}
    return {"learning_rate": scalars[-1][1], **(groups if len(groups) > 1 else {})}


def _group(path: Sequence[Any]) -> str:
    """The label of the group of leaves in which a part of a state lies, "" outside of groups."""
    pairs = itertools.pairwise(path)
    labels = [str(b.key) for a, b in pairs if getattr(a, "name", None) == "inner_states"]
    return "/".join(labels)
