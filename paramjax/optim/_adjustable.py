"""A factor of the updates that a run may change, and where in a chain it is changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from paramjax._types import Array, Params, PyTree


class AdjustableState(NamedTuple):
    """State of `adjustable_rate`.

    Attributes:
        scale: What the updates are multiplied with, float32[]; 1 at first.
    """

    scale: Array


def adjustable_rate() -> optax.GradientTransformation:
    r"""$$u_t = s\, d_t$$ with a scale $s$ that is 1 until `lower_rate` lowers it.

    At the end of a chain it is what `Rollback` lowers: the rate of any optimizer, scheduled or
    not, without a word from the optimizer.

    Returns:
        A gradient transformation.

    Example:
        >>> tx = optax.chain(optax.sgd(0.5), adjustable_rate())
        >>> updates, (_, state) = tx.update(jnp.ones(2), tx.init(jnp.zeros(2)))
        >>> updates.tolist(), float(state.scale)
        ([-0.5, -0.5], 1.0)
    """

    def init(params: Params) -> AdjustableState:
        del params
        return AdjustableState(jnp.ones([], jnp.float32))

    def update(
        updates: PyTree, state: AdjustableState, params: Params | None = None
    ) -> tuple[PyTree, AdjustableState]:
        del params
        return scaled(updates, state.scale), state

    return optax.GradientTransformation(init, update)


def scaled(updates: PyTree, scale: Array) -> PyTree:
    """Updates times a number, in their own dtypes.

    Args:
        updates: A pytree of arrays.
        scale: float32[].

    Returns:
        A pytree like them.

    Example:
        >>> scaled(jnp.ones(2, jnp.bfloat16), jnp.float32(0.5)).dtype.name
        'bfloat16'
    """
    return jax.tree.map(lambda update: scale.astype(update.dtype) * update, updates)


Rank = Callable[[PyTree], int | None]
"""`(node) -> how much it is to be preferred`, None for what is no place to change."""

_CHAINS = (tuple, OrderedDict)
"""How `optax.chain` and `optax.named_chain` keep the states of their links."""


def has_place(tree: PyTree, rank: Rank) -> bool:
    """Whether there is something for `in_one_place` to change.

    Args:
        tree: A pytree, such as an optimizer state.
        rank: What is a place.
    """
    return rank(tree) is not None or any(has_place(child, rank) for child in _children(tree))


def in_one_place(tree: PyTree, rank: Rank, change: Callable[[PyTree], PyTree]) -> PyTree:
    """Change one place of every chain in a tree.

    Of several that act on the same updates it is the outermost; among the links of one chain
    that of the highest rank, and the last of a rank. Groups of leaves have a place each.

    Args:
        tree: A pytree, such as an optimizer state.
        rank: What is a place.
        change: `(place) -> place`.

    Returns:
        The tree, all else in it untouched.

    Example:
        >>> tx = optax.chain(adjustable_rate(), optax.sgd(0.1), adjustable_rate())
        >>> rank = lambda node: 0 if isinstance(node, AdjustableState) else None
        >>> first, _, last = in_one_place(tx.init(1.0), rank, lambda _: AdjustableState(0.5))
        >>> float(first.scale), last.scale
        (1.0, 0.5)
    """
    if rank(tree) is not None:
        return change(tree)
    children = _children(tree)
    if not children:
        return tree
    acting = range(len(children)) if type(tree) not in _CHAINS else _acting(children, rank)
    new = [
        in_one_place(child, rank, change) if place in acting else child
        for place, child in enumerate(children)
    ]
    outer: Any = jax.tree.structure(tree, is_leaf=lambda child: child is not tree)
    return jax.tree.unflatten(outer, new)


def _acting(links: Sequence[PyTree], rank: Rank) -> Sequence[int]:
    """Which links of a chain are changed, so that every update is scaled once."""
    whole = [(r, place) for place, link in enumerate(links) if (r := rank(link)) is not None]
    if whole:
        return [max(whole)[1]]
    able = [place for place, link in enumerate(links) if has_place(link, rank)]
    # these act on some of the leaves only, others on all of them
    groups = (optax.MaskedState, optax.transforms.PartitionState)
    return [place for place in able if isinstance(links[place], groups)] or able[-1:]


def _children(node: PyTree) -> list[PyTree]:
    """What lies directly in a node; nothing where it is an array."""
    children = jax.tree.leaves(node, is_leaf=lambda child: child is not node)
    return [] if len(children) == 1 and children[0] is node else children
