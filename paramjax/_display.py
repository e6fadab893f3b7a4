"""What results and configurations show in a terminal of 80 columns, and in a notebook."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import numpy as np

from paramjax._checks import leaf_name
from paramjax._format import number, option_name, printable

WIDTH = 80
_LEAVES = 3
"""Leaves that are listed; more of them are counted."""


def lines_of(title: str, fields: Mapping[str, str]) -> str:
    """A title, and a line for each field that has a text.

    Example:
        >>> print(lines_of("Run", {"loss": "1 at last", "params": "2 arrays", "rest": ""}))
        Run
          loss    1 at last
          params  2 arrays
    """
    shown = {printable(name): text for name, text in fields.items() if text}
    width = max(map(len, shown), default=0)
    lines = [f"  {name:{width}}  {printable(text)}" for name, text in shown.items()]
    return "\n".join(_short(line) for line in [title, *lines])


def as_html(text: str) -> str:
    """Lines of text for a notebook."""
    return f"<pre>{html.escape(text)}</pre>"


def tree_summary(tree: Any) -> str:
    """A pytree of arrays in a line: how many, the numbers in all, and the first shapes.

    Example:
        >>> tree_summary({"b": np.zeros(3, np.float32), "w": np.zeros((4, 3), np.float32)})
        '2 arrays, 15 numbers: b float32[3], w float32[4, 3]'
        >>> tree_summary(())
        'none'
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    if not leaves:
        return "none"
    first = [f"{leaf_name(path)} {shape_of(leaf)}" for path, leaf in leaves[:_LEAVES]]
    if len(leaves) == 1 and not leaves[0][0]:
        return shape_of(leaves[0][1])
    count = sum(int(np.prod(np.shape(leaf))) for _, leaf in leaves)
    more = ", ..." if len(leaves) > _LEAVES else ""
    arrays = "1 array" if len(leaves) == 1 else f"{len(leaves)} arrays"
    return f"{arrays}, {count:,} numbers: {', '.join(first)}{more}"


def shape_of(leaf: Any) -> str:
    """Dtype and shape of a leaf, or its type."""
    if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
        return type(leaf).__name__
    return f"{leaf.dtype}[{', '.join(map(str, leaf.shape))}]"


def curve_summary(values: Any, steps: Any) -> str:
    """A curve in a line: its last value, its least and its largest, with the steps of these.

    Example:
        >>> curve_summary(np.array([4.0, 1.0, 2.0]), [1, 2, 3])
        '2 at last, least 1 at step 2, largest 4 at step 1'
    """
    values = np.asarray(values)
    if values.ndim != 1:
        return shape_of(values)
    last = f"{number(float(values[-1]))} at last"
    finite = np.isfinite(values)
    if not finite.any():
        return last
    least = int(np.argmin(np.where(finite, values, np.inf)))
    largest = int(np.argmax(np.where(finite, values, -np.inf)))
    ends = {"least": least, "largest": largest} if least != largest else {}
    shown = (f"{k} {number(float(values[i]))} at step {int(steps[i])}" for k, i in ends.items())
    return ", ".join([last, *shown])


def configuration(kind: str, fields: Mapping[str, Any], arrays: Iterable[str]) -> str:
    """The fields of a configuration, a line each: shapes of its arrays, other values in short."""
    texts = {
        name: tree_summary(value) if name in arrays and not callable(value) else option_name(value)
        for name, value in fields.items()
        if value is not None and not (isinstance(value, tuple) and not value)
    }
    return lines_of(kind, texts)


def _short(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."
