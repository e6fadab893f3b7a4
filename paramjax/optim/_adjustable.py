"""Learning rates that a running training lowers, and where in a chain they are lowered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramjax._checks import check_rate
from paramjax._types import Array, PyTree
from paramjax.optim._plateau import PlateauState, scaling


class AdjustableState(NamedTuple):
    """State of `adjustable_rate`.

    Attributes:
        scale: Factor of the updates, float32[]; 1 at first.
    """

    scale: Array


def adjustable_rate() -> optax.GradientTransformation:
    r"""$$u_t = s\, d_t$$ with a scale $s$ that is 1 until `lower_rate` lowers it.

    At the end of a chain it lets `Rollback` lower the learning rate of any optimizer, scheduled
    or not.

    Returns:
        A gradient transformation.

    Example:
        >>> tx = optax.chain(optax.sgd(0.5), adjustable_rate())
        >>> updates, (_, state) = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)))
        >>> updates.tolist(), float(state.scale)
        ([-0.5, -0.5], 1.0)
    """

    return scaling(lambda params: AdjustableState(jnp.ones([], jnp.float32)))


def can_lower(state: PyTree) -> bool:
    """Whether a state holds a learning rate that `lower_rate` can lower.

    Args:
        state: A pytree, such as a `TrainState`.

    Returns:
        True if `lower_rate` would not raise.

    Example:
        >>> can_lower(optax.adamw(1e-3).init(jnp.zeros(2)))
        False
        >>> can_lower(optax.inject_hyperparams(optax.sgd)(0.1).init(jnp.zeros(2)))
        True
    """
    return _rank(state) is not None or any(map(can_lower, _children(state)))


def lower_rate(state: PyTree, factor: float | Array) -> PyTree:
    """Multiply the learning rate of every chain in a state, so that each update shrinks once.

    A rate can be lowered in `adjustable_rate()`, in `reduce_on_plateau()`, and in
    `optax.inject_hyperparams` with a constant `learning_rate`. Of several that act on the same
    updates only one is lowered: the outermost; among the links of one chain the first of those
    three kinds, and the last of a kind. Groups of leaves (`by_path`, `optax.partition`,
    `optax.masked`) and players have a rate each.

    Args:
        state: A pytree, such as a `TrainState`; plain tuples in it are chains.
        factor: The factor, at least 0.

    Returns:
        The state; everything else in it is unchanged.

    Raises:
        TypeError: If the factor is not a number.
        ValueError: If it is out of range, or no rate can be lowered, see `can_lower`.

    Example:
        >>> from paramjax.optim import reduce_on_plateau
        >>> tx = optax.chain(optax.inject_hyperparams(optax.sgd)(0.1), reduce_on_plateau())
        >>> injected, plateau = lower_rate(tx.init(jnp.zeros(2)), 0.5)
        >>> float(injected.hyperparams["learning_rate"]), float(plateau.scale)
        (0.1, 0.5)
    """
    check_rate("factor", factor)
    if not can_lower(state):
        raise ValueError(
            "lower_rate: expected a rate that can be lowered, got none; put "
            "pj.optim.adjustable_rate() at the end of the chain, or use "
            "optax.inject_hyperparams with a constant learning rate"
        )
    return _lower_each(state, jnp.asarray(factor, jnp.float32))


def _lower_each(tree: PyTree, factor: Array) -> PyTree:
    """Lower the outermost rate, or go on with those children that act on different updates."""
    if _rank(tree) is not None:
        return _lowered(tree, factor)
    children = _children(tree)
    if not children:
        return tree
    # how optax.chain and optax.named_chain keep the states of their links
    is_chain = type(tree) in (tuple, OrderedDict)
    lowered = _acting(children) if is_chain else range(len(children))
    new = [_lower_each(c, factor) if i in lowered else c for i, c in enumerate(children)]
    outer: Any = jax.tree.structure(tree, is_leaf=lambda child: child is not tree)
    return jax.tree.unflatten(outer, new)


def _acting(links: Sequence[PyTree]) -> Collection[int]:
    """Indices of the links of a chain to lower, so that every update is scaled once."""
    ranked = [(rank, i) for i, link in enumerate(links) if (rank := _rank(link)) is not None]
    if ranked:
        return [max(ranked)[1]]
    able = [i for i, link in enumerate(links) if can_lower(link)]
    # these act on some of the leaves only, others on all of them
    groups = (optax.MaskedState, optax.transforms.PartitionState)
    return [i for i in able if isinstance(links[i], groups)] or able[-1:]


def _lowered(rate_state: PyTree, factor: Array) -> PyTree:
    if isinstance(rate_state, AdjustableState | PlateauState):
        return rate_state._replace(scale=rate_state.scale * factor)
    rate = jnp.asarray(rate_state.hyperparams["learning_rate"])
    lowered = {"learning_rate": rate * factor.astype(rate.dtype)}
    return rate_state._replace(hyperparams={**rate_state.hyperparams, **lowered})


def _rank(node: PyTree) -> int | None:
    """The preference for lowering this rate; None if it is not a rate that can be lowered."""
    if isinstance(node, AdjustableState):
        return 2
    if isinstance(node, PlateauState):
        return 1
    if not isinstance(node, _INJECTED) or "learning_rate" not in node.hyperparams:
        return None
    scheduled = "learning_rate" in getattr(node, "hyperparams_states", {})
    is_real = jnp.issubdtype(jnp.result_type(node.hyperparams["learning_rate"]), jnp.floating)
    return 0 if is_real and not scheduled else None


_INJECTED = (optax.schedules.InjectStatefulHyperparamsState, optax.schedules.InjectHyperparamsState)


def _children(node: PyTree) -> list[PyTree]:
    """The direct children of a node; [] for an array."""
    children = jax.tree.leaves(node, is_leaf=lambda child: child is not node)
    return [] if len(children) == 1 and children[0] is node else children
