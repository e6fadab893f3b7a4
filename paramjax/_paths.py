"""Leaves chosen by name: a pattern is a regular expression for the whole of a leaf's name."""

from __future__ import annotations

import re
from collections.abc import Iterable

import jax

from paramjax._checks import describe, leaf_name
from paramjax._types import PyTree

LISTED = 20
"""How many leaf names an error prints."""


def leaf_names(tree: PyTree) -> PyTree:
    """The name of each leaf, in the tree's own form.

    Args:
        tree: Any pytree.

    Returns:
        A pytree of the same form with strings, `{"dense": {"kernel": "dense/kernel"}}`.

    Example:
        >>> leaf_names({"dense": {"bias": 0.0, "kernel": 1.0}})
        {'dense': {'bias': 'dense/bias', 'kernel': 'dense/kernel'}}
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: leaf_name(path), tree)


def matching(pattern: str, tree: PyTree, *, what: str = "paths") -> PyTree:
    """Which leaves have a name that the pattern matches from its first to its last letter.

    Args:
        pattern: A regular expression for `re.fullmatch`: `.*bias` is every leaf whose name
            ends in "bias", `head/.*` all leaves under "head".
        tree: Any pytree; only its form is read, so its leaves may be traced.
        what: Who asks, for the message.

    Returns:
        A pytree of the same form with True and False.

    Raises:
        TypeError: If the pattern is no string.
        ValueError: If it is no regular expression, or matches no leaf.

    Example:
        >>> matching(".*/bias", {"dense": {"bias": 0.0, "kernel": 1.0}})
        {'dense': {'bias': True, 'kernel': False}}
    """
    compiled = check_pattern(pattern, what=what)
    chosen = jax.tree.map(lambda name: compiled.fullmatch(name) is not None, leaf_names(tree))
    if not any(jax.tree.leaves(chosen)):
        raise ValueError(
            f"{what}: pattern {pattern!r} matches no leaf; it must match the whole of a name, and "
            f"the leaves are {_listed(tree)}"
        )
    return chosen


def labels(patterns: Iterable[str], tree: PyTree, *, what: str = "paths") -> PyTree:
    """The first pattern that matches each leaf.

    Args:
        patterns: Regular expressions for `re.fullmatch`, the particular before the general.
        tree: Any pytree; only its form is read. One without leaves comes back as it is.
        what: Who asks, for the message.

    Returns:
        A pytree of the same form with one of the patterns at every leaf.

    Raises:
        TypeError: If a pattern is no string.
        ValueError: If one is no regular expression, a leaf is matched by none, or a
            pattern is the first match of no leaf.

    Example:
        >>> labels([".*/bias", ".*"], {"dense": {"bias": 0.0, "kernel": 1.0}})
        {'dense': {'bias': '.*/bias', 'kernel': '.*'}}
    """
    compiled = {pattern: check_pattern(pattern, what=what) for pattern in patterns}

    def first(name: str) -> str:
        for pattern, expression in compiled.items():
            if expression.fullmatch(name):
                return pattern
        known = ", ".join(map(repr, compiled))
        raise ValueError(
            f"{what}: leaf {name} is matched by none of the patterns {known}; add one for it, such "
            "as '.*' at the end"
        )

    chosen = jax.tree.map(first, leaf_names(tree))
    used = set(jax.tree.leaves(chosen))
    for pattern in compiled if used else ():
        if pattern not in used:
            matching(pattern, tree, what=what)  # it says so, if no leaf matches at all
            raise ValueError(
                f"{what}: every leaf that pattern {pattern!r} matches is taken by a pattern "
                "before it; put the particular patterns before the general ones"
            )
    return chosen


def check_pattern(pattern: str, *, what: str = "paths") -> re.Pattern[str]:
    """Refuse what is not a regular expression.

    Args:
        pattern: A regular expression.
        what: Who asks, for the message.

    Returns:
        The pattern, compiled.

    Raises:
        TypeError: If it is no string.
        ValueError: If it does not compile.

    Example:
        >>> check_pattern("head/.*").pattern
        'head/.*'
    """
    if not isinstance(pattern, str):
        raise TypeError(f"{what}: expected a pattern such as '.*/bias', got {describe(pattern)}")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{what}: pattern {pattern!r} is no regular expression: {error}") from None


def _listed(tree: PyTree) -> str:
    """The first names of the leaves, and how many there are beyond."""
    names = jax.tree.leaves(leaf_names(tree))
    beyond = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(names[:LISTED]) or "none") + beyond
