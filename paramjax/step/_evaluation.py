"""At which parameters an optimizer wants the gradient, and at which it wants the evaluation.

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

from paramjax._checks import leaf_name
from paramjax._types import Params, PyTree
from paramjax.step._extra_args import update_with

_REAL_ONLY = (
    optax.contrib.DAdaptAdamWState, optax.contrib.MechanicState, optax.contrib.ProdigyState,
)  # fmt: skip


class PlayerStates(NamedTuple):
    """Optimizer states of the players of a game, `states[name]` for `params[name]`."""

    states: dict[str, PyTree]


def gradient_point(params: Params) -> Params:
    """Where the gradient is taken: lookahead's fast weights, else the parameters."""
    return params.fast if isinstance(params, optax.LookaheadParams) else params


def evaluation_point(opt_state: PyTree, params: Params) -> Params:
    """What the optimizer wants evaluated.

    The slow weights of lookahead (Zhang et al., 2019), the average of schedule-free
    optimizers (Defazio et al., 2024, eq. 5), the unperturbed weights between two updates of
    sharpness-aware minimisation (Foret et al., 2021), else the parameters.
    """
    if isinstance(opt_state, PlayerStates):
        states = opt_state.states.items()
        return {name: evaluation_point(own, params[name]) for name, own in states}
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


def init_optimizer(tx: optax.GradientTransformation, params: Params) -> tuple[Params, PyTree]:
    """The first `state.params` and `state.opt_state`; lookahead gets its pair."""
    absl = logging.getLogger("absl")
    absl.addFilter(_is_not_about_pairs)
    try:
        opt_state = tx.init(params)
    finally:
        absl.removeFilter(_is_not_about_pairs)
    paired = any(True for _ in _links(opt_state, optax.LookaheadState))
    if paired and not isinstance(params, optax.LookaheadParams):
        params = optax.LookaheadParams.init_synced(params)
        opt_state = _init_pair(tx, params)
    _check_complex(opt_state, gradient_point(params))
    if any(not own.measurements for own in _links(opt_state, optax.MonitorState)):
        opt_state = _with_measurements(tx, params, opt_state)
    return params, opt_state


def _check_complex(opt_state: PyTree, params: Params) -> None:
    """Raise for optimizers whose step size rests on inner products without a conjugate."""
    named = jax.tree_util.tree_leaves_with_path(params)
    found = [leaf_name(path) for path, leaf in named if jnp.iscomplexobj(leaf)]
    if any(True for _ in _links(opt_state, optax.contrib.SplitRealAndImaginaryState)):
        return
    for kind in _REAL_ONLY:
        if found and any(True for _ in _links(opt_state, kind)):
            raise TypeError(
                f"tx: {kind.__name__.removesuffix('State')} takes inner products of gradients as "
                f"real numbers, but leaf {found[0]} of the parameters is complex; wrap it in "
                "optax.contrib.split_real_and_imaginary"
            )


def _is_not_about_pairs(record: logging.LogRecord) -> bool:
    """Lookahead warns when it gets single parameters; here it gets its pair right after."""
    return "has no attribute `fast`" not in record.getMessage()


def _init_pair(tx: optax.GradientTransformation, params: optax.LookaheadParams) -> PyTree:
    try:
        return tx.init(params)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "tx: optax.lookahead takes a pair of fast and slow parameters, which another part of "
            "this transformation does not; make it the outermost, with the others inside it"
        ) from error


def _with_measurements(tx: Any, params: Params, opt_state: PyTree) -> PyTree:
    """Zeros where `optax.monitor` will write: its state starts empty, which no scan takes."""
    grads = gradient_point(params)
    objective = lambda params, obj_fn=None, grad_fn=None: optax.tree.sum(params)  # noqa: E731
    extra = {
        "value": jnp.zeros([]),
        "grad": grads,
        "grad_fn": lambda params, index: grads,
        "value_fn": objective,
        "obj_fn": objective,
    }
    after = jax.eval_shape(lambda: update_with(tx, grads, opt_state, params, extra)[1])

    def is_monitor(link: Any) -> bool:
        return isinstance(link, optax.MonitorState)

    def fill(before: Any, later: Any) -> Any:
        if not is_monitor(before):
            return before
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), later)

    return jax.tree.map(fill, opt_state, after, is_leaf=is_monitor)


def _links(opt_state: PyTree, kind: type) -> Iterator[Any]:
    """The states of one kind, at any depth of chains and wrappers."""
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda link: isinstance(link, kind))
    return (leaf for leaf in leaves if isinstance(leaf, kind))


def _unperturbed(own: optax.contrib.SAMState, params: Params) -> Params:
    """The weights that the last full update left, which the cache holds between two."""
    complete = own.steps_since_sync == 0
    choose = lambda cached, part: jax.tree.map(  # noqa: E731
        lambda c, p: jnp.where(complete, p, c), cached, part
    )
    return _where_present(choose, own.cache, params)


def _where_present(function: Any, own: PyTree, params: Params) -> Params:
    """Apply a function to the leaves that a masked or partitioned link holds; keep the rest."""

    def is_masked(leaf: Any) -> bool:
        return isinstance(leaf, optax.MaskedNode)

    part = jax.tree.map(lambda o, p: o if is_masked(o) else p, own, params, is_leaf=is_masked)
    result = function(own, part)
    return jax.tree.map(lambda r, p: p if is_masked(r) else r, result, params, is_leaf=is_masked)
