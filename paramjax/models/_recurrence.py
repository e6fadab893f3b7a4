"""What recurrent layers share: checks, masks, and a scan whose gradient is cheap."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from paramjax._checks import check_array, check_count
from paramjax._types import Array
from paramjax.models._names import initialiser

Step = Callable[[Array, Array, Array], Array]
"""`(projected input, projected state, state) -> state`, elementwise, [batch, ...] each."""


def kernel_starts(layer: Any) -> dict[str, Any]:
    """Distributions of the kernels of a flax cell, as the fields of a layer name them."""
    return {
        "kernel_init": initialiser(layer.initialiser),
        "recurrent_kernel_init": initialiser(layer.recurrent_initialiser),
    }


def check_inputs(layer: Any, x: Array, carry: Any, parts: int, lengths: Array | None) -> None:
    """Raise unless a layer and what it is called with fit, a carry being of so many arrays."""
    check_count("features", layer.features)
    check_sequences(x, lengths)
    check_carry(carry, parts, x.shape[0], layer.features)


def check_sequences(x: Array, lengths: Array | None) -> None:
    """Raise unless x is [batch, length, inputs] and lengths are one integer a sequence."""
    check_array("x", x)
    if x.ndim != 3:
        raise ValueError(f"x: expected [batch, length, inputs], got shape {x.shape}")
    if not x.shape[1]:
        raise ValueError(f"x: expected sequences of one step or more, got shape {x.shape}")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise TypeError(f"x: expected floating-point sequences, got {x.dtype}")
    check_lengths(lengths, x.shape[0])


def check_lengths(lengths: Array | None, batch: int) -> None:
    """Raise unless lengths are None or one integer for each sequence."""
    if lengths is None:
        return
    check_array("lengths", lengths)
    if jnp.shape(lengths) != (batch,):
        raise ValueError(
            f"lengths: expected one for each of the {batch} sequences, got shape "
            f"{jnp.shape(lengths)}"
        )
    if not jnp.issubdtype(jnp.result_type(lengths), jnp.integer):
        raise TypeError(f"lengths: expected integers, got {jnp.result_type(lengths)}")


def check_carry(carry: Any, parts: int, batch: int, features: int) -> None:
    """Raise unless a carry is None or made of so many states [batch, features]."""
    expected = (batch, features)
    shapes = [jnp.shape(part) for part in jax.tree.leaves(carry)]
    is_single = parts > 1 or isinstance(carry, jax.Array) or hasattr(carry, "shape")
    if carry is None or (shapes == [expected] * parts and is_single):
        return
    what = "cells and states, both" if parts == 2 else "states"
    raise ValueError(
        f"carry: expected {what} {expected}, as zero_carry({batch}) makes them, got "
        f"{jax.tree.map(jnp.shape, carry)}"
    )


def steps_within(lengths: Array | None, length: int) -> Array | None:
    """Whether each step lies within each sequence, bool[length, batch, 1]."""
    if lengths is None:
        return None
    return (jnp.arange(length).reshape(-1, 1) < jnp.reshape(lengths, (1, -1)))[..., None]


def flat(states: Array) -> Array:
    """[length, batch, features] as one matrix of as many rows as steps of all sequences."""
    return states.reshape(-1, states.shape[-1])


def project(x: Array, kernel: Array) -> Array:
    """X W for inputs [batch, length, inputs], as [length, batch, parts].

    One matrix of rows step by step, not sequence by sequence: XLA else transposes the wide
    gradient of the product, instead of the narrow inputs.
    """
    steps = x.swapaxes(0, 1)
    return (flat(steps) @ kernel).reshape(*steps.shape[:2], -1)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) by tanh, up to rounding: on a CPU quicker than an exp and a division."""
    return 0.5 * jnp.tanh(0.5 * x) + 0.5


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def unroll(
    step: Step, z: Array, kernel: Array, bias: Array | None, start: Array, inside: Array | None
) -> Array:
    """The states after each step, [length, batch, features].

    Args:
        step: `(z_t, h U + b, h) -> h`.
        z: Projected inputs [length, batch, parts].
        kernel: U, [features, parts].
        bias: b, [parts]; None for none.
        start: The states before the first step.
        inside: Of `steps_within`; None where all steps are.
    """
    return _states(step, z, kernel, bias, start, inside)[0]


def _states(
    step: Step, z: Array, kernel: Array, bias: Array | None, start: Array, inside: Array | None
) -> tuple[Array, Array]:
    def once(h: Array, inputs: Any) -> tuple[Array, tuple[Array, Array]]:
        z, within = inputs
        projected = h @ kernel if bias is None else h @ kernel + bias.reshape(1, -1)
        new = step(z, projected, h)
        new = new if within is None else jnp.where(within, new, h)
        return new, (new, projected)

    return lax.scan(once, start, (z, inside))[1]


def _forward(step: Step, *args: Any) -> tuple[Array, Any]:
    states, projected = _states(step, *args)
    return states, (*args, states, projected)


def _backward(step: Step, saved: Any, grads: Array) -> tuple[Any, ...]:
    """Gradients of all parts: the kernel's is one product after the scan, not a sum of many."""
    z, kernel, bias, start, inside, states, projected = saved
    before = jnp.concatenate([start[None], states[:-1]])

    def once(dh: Array, inputs: Any) -> tuple[Array, tuple[Array, Array]]:
        grad, within, *point = inputs
        dh = dh + grad
        mine = dh if within is None else jnp.where(within, dh, 0)
        dz, dprojected, direct = jax.vjp(step, *point)[1](mine)
        passed = direct + dprojected @ kernel.T
        # a step beyond the end hands its gradient on
        passed = passed if within is None else passed + jnp.where(within, 0, dh)
        return passed, (dz, dprojected)

    points = (grads, inside, z, projected, before)
    first, (dz, d) = lax.scan(once, jnp.zeros_like(start), points, reverse=True)
    dkernel = flat(before).T @ flat(d)
    return dz, dkernel, None if bias is None else d.sum((0, 1)), first, None


unroll.defvjp(_forward, _backward)
