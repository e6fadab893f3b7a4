"""Which parameters an optimizer differentiates at, and which it wants evaluated.

For most optimizers both are `state.params`. Lookahead holds a pair, sharpness-aware
minimisation stands at a perturbed point between two of its updates, and schedule-free
optimizers evaluate an average.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from paramjax._types import Params, PyTree
from paramjax.step._extra_args import update


class Separate(NamedTuple):
    """States of parameters that are optimized apart, each by its own transformation.

    Attributes:
        states: Name -> the optimizer state of `params[name]`.
    """

    states: dict[str, PyTree]


def differentiated(params: Params) -> Params:
    """Where the gradient is taken: lookahead's fast weights, else the parameters.

    Args:
        params: `state.params`.

    Returns:
        A pytree like the model's parameters.

    Example:
        >>> differentiated(optax.LookaheadParams(fast=1.0, slow=0.0))
        1.0
    """
    return params.fast if isinstance(params, optax.LookaheadParams) else params


def evaluated(opt_state: PyTree, params: Params) -> Params:
    """What the optimizer says must be evaluated.

    The slow weights of lookahead (Zhang et al., 2019), the average of schedule-free
    optimizers (Defazio et al., 2024, eq. 5), the unperturbed weights between two updates of
    sharpness-aware minimisation (Foret et al., 2021), else the parameters.

    Args:
        opt_state: `state.opt_state`.
        params: `state.params`.

    Returns:
        A pytree like the model's parameters.

    Example:
        >>> float(evaluated(optax.EmptyState(), 3.0))
        3.0
    """
    if isinstance(opt_state, Separate):
        return {name: evaluated(own, params[name]) for name, own in opt_state.states.items()}
    if isinstance(params, optax.LookaheadParams):
        return params.slow
    for own in _links(opt_state, optax.contrib.ScheduleFreeState):
        params = _where_present(
            lambda _, part, own=own: optax.contrib.schedule_free_eval_params(own, part),
            own.z,
            params,
        )
    for own in _links(opt_state, optax.contrib.SAMState):
        if own.cache is not None:
            params = _unperturbed(own, params)
    return params


def begin(tx: optax.GradientTransformation, params: Params) -> tuple[Params, PyTree]:
    """Parameters and optimizer state before the first step; lookahead gets its pair.

    Args:
        tx: A gradient transformation.
        params: The model's parameters, or `optax.LookaheadParams`.

    Returns:
        What `state.params` and `state.opt_state` start as.

    Raises:
        ValueError: If lookahead stands inside a transformation that cannot take its pair.

    Example:
        >>> pair, _ = begin(optax.lookahead(optax.sgd(0.1), 5, 0.5), jnp.zeros(2))
        >>> type(pair).__name__
        'LookaheadParams'
    """
    absl = logging.getLogger("absl")
    absl.addFilter(_not_about_pairs)
    try:
        opt_state = tx.init(params)
    finally:
        absl.removeFilter(_not_about_pairs)
    paired = any(True for _ in _links(opt_state, optax.LookaheadState))
    if paired and not isinstance(params, optax.LookaheadParams):
        params = optax.LookaheadParams.init_synced(params)
        opt_state = _init_pair(tx, params)
    if any(not own.measurements for own in _links(opt_state, optax.MonitorState)):
        opt_state = _measured(tx, params, opt_state)
    return params, opt_state


def _init_pair(tx: optax.GradientTransformation, params: optax.LookaheadParams) -> PyTree:
    try:
        return tx.init(params)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "tx: optax.lookahead takes a pair of fast and slow parameters, which another part of "
            "this transformation does not; make it the outermost, with the others inside it"
        ) from error


def _measured(tx: Any, params: Params, opt_state: PyTree) -> PyTree:
    """Zeros where `optax.monitor` will write: it starts empty, so a scan would refuse it."""
    grads = differentiated(params)
    objective = lambda params, obj_fn=None, grad_fn=None: optax.tree.sum(params)  # noqa: E731
    extra = {
        "value": jnp.zeros([]),
        "grad": grads,
        "grad_fn": lambda params, index: grads,
        "value_fn": objective,
        "obj_fn": objective,
    }
    after = jax.eval_shape(lambda: update(tx, grads, opt_state, params, extra)[1])
    is_monitor = lambda link: isinstance(link, optax.MonitorState)  # noqa: E731

    def fill(before: Any, later: Any) -> Any:
        if not is_monitor(before):
            return before
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), later)

    return jax.tree.map(fill, opt_state, after, is_leaf=is_monitor)


def _not_about_pairs(record: logging.LogRecord) -> bool:
    """Lookahead warns when it meets lone parameters; here it gets its pair right after."""
    return "has no attribute `fast`" not in record.getMessage()


def _links(opt_state: PyTree, kind: type) -> Iterator[Any]:
    """The states of one kind, at any depth of chains and wrappers."""
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda link: isinstance(link, kind))
    return (leaf for leaf in leaves if isinstance(leaf, kind))


def _unperturbed(own: optax.contrib.SAMState, params: Params) -> Params:
    """The weights that the last full update left, which lie in the cache between two."""
    complete = own.steps_since_sync == 0
    choose = lambda cached, part: jax.tree.map(  # noqa: E731
        lambda c, p: jnp.where(complete, p, c), cached, part
    )
    return _where_present(choose, own.cache, params)


def _where_present(function: Any, own: PyTree, params: Params) -> Params:
    """Apply to the leaves that a masked or partitioned link holds; the rest stays."""
    masked = optax.MaskedNode
    is_masked = lambda leaf: isinstance(leaf, masked)  # noqa: E731
    part = jax.tree.map(lambda o, p: o if is_masked(o) else p, own, params, is_leaf=is_masked)
    result = function(own, part)
    return jax.tree.map(lambda r, p: p if is_masked(r) else r, result, params, is_leaf=is_masked)
