"""A convolution as a dense layer of patches: what each number of its output is computed of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jax import lax

from paramjax._types import Array


def patches_of(name: str, options: Any, x: Array, kernel: Array) -> Array | None:
    """Inputs [batch, *positions, patch] of a convolution, in the order of its flat kernel.

    None of operations that are no convolutions of [batch, *sides, channels] with
    [*size, channels, features] in one group. `convolution` is that of `pj.models`, with an axis of
    runs in front.
    """
    if name == "convolution":
        window, one_run = options["window"], x.shape[0] == kernel.shape[0] == 1
        if window.groups != 1 or not one_run:
            return None
        moves = {"rhs_dilation": window.dilation, "lhs_dilation": window.spread}
        return _patches(x[0], window.size, window.strides, window.pads, moves)
    if name == "conv_general_dilated" and _is_usual(options, kernel.ndim):
        moves = {which: options[which] for which in ("rhs_dilation", "lhs_dilation")}
        strides, pads = options["window_strides"], options["padding"]
        return _patches(x, kernel.shape[:-2], strides, pads, moves)
    return None


def _is_usual(options: Any, axes: int) -> bool:
    """One group, and channels last."""
    inner = tuple(range(1, axes - 1))
    usual = (
        (0, axes - 1, *inner),
        (axes - 1, axes - 2, *range(axes - 2)),
        (0, axes - 1, *inner),
    )
    groups = (options["feature_group_count"], options["batch_group_count"])
    return groups == (1, 1) and tuple(options["dimension_numbers"]) == usual


def _patches(
    x: Array, size: Sequence[int], strides: Sequence[int], pads: Any, moves: dict[str, Any]
) -> Array:
    sides, channels = "DHW"[-len(size) :], x.shape[-1]
    layout = (f"N{sides}C", f"{sides}IO", f"N{sides}C")
    found = lax.conv_general_dilated_patches(
        x, size, strides, pads, dimension_numbers=layout, **moves
    )
    # jax puts the channels before the sides of a patch, kernels after them
    split = found.reshape(*found.shape[:-1], channels, *size)
    return jnp.moveaxis(split, found.ndim - 1, -1).reshape(found.shape)
