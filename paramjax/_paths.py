"""Leaves chosen by patterns: regular expressions that match the whole name of a leaf."""

from __future__ import annotations

import re
from collections.abc import Iterable

import jax

from paramjax._checks import describe, leaf_name
from paramjax._types import PyTree

LISTED = 20
"""Most leaf names that an error prints."""


def leaf_names(tree: PyTree) -> PyTree:
    """The name of each leaf, as a pytree of the same form.

    Example:
        >>> leaf_names({"dense": {"bias": 0.0, "kernel": 1.0}})
        {'dense': {'bias': 'dense/bias', 'kernel': 'dense/kernel'}}
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: leaf_name(path), tree)


def matching(pattern: str, tree: PyTree, *, what: str = "paths") -> PyTree:
    """Whether each leaf's whole name matches the pattern, as a pytree of the same form.

    `.*bias` matches every leaf whose name ends in "bias", `head/.*` all leaves under "head". Only
    the form of the tree is read, so its leaves may be traced. `what` names the argument in errors.

    Raises:
        TypeError: If the pattern is not a string.
        ValueError: If it is not a regular expression, or matches no leaf.

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
    """The first pattern that matches each leaf, as a pytree of the same form.

    Particular patterns come before general ones; a tree without leaves comes back as it is.

    Raises:
        TypeError: If a pattern is not a string.
        ValueError: If one is not a regular expression, no pattern matches a leaf, or a
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
            matching(pattern, tree, what=what)  # raises if it matches no leaf at all
            raise ValueError(
                f"{what}: every leaf that pattern {pattern!r} matches is taken by a pattern "
                "before it; put the particular patterns before the general ones"
            )
    return chosen


def check_pattern(pattern: str, *, what: str = "paths") -> re.Pattern[str]:
    """The pattern, compiled.

    Raises:
        TypeError: If it is not a string.
        ValueError: If it is not a regular expression.

    Example:
        >>> check_pattern("head/.*").pattern
        'head/.*'
    """
    if not isinstance(pattern, str):
        raise TypeError(f"{what}: expected a pattern such as '.*/bias', got {describe(pattern)}")
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"{what}: pattern {pattern!r} is not a regular expression: {error}"
        ) from None


def _listed(tree: PyTree) -> str:
    """The first names of the leaves, and the number of the others."""
    names = jax.tree.leaves(leaf_names(tree))
    beyond = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return (", ".join(names[:LISTED]) or "none") + beyond
