"""The LSTM layer: flax's parameters and values, its weights' gradients by single matmuls."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import lax

from paramjax._types import Array
from paramjax.models._module import Module
from paramjax.models._recurrence import (
    check_inputs,
    flat,
    kernel_starts,
    project,
    sigmoid,
    steps_within,
)

_GATES = ("i", "f", "g", "o")


Carry = tuple[Array, Array]
"""The cells c and the states h that one sequence hands to the next, each [batch, features]."""


class LSTM(Module):
    r"""A long short-term memory over a sequence, from a state of zeros or one that is handed on.

    $$i, f, o = \sigma(W x_t + U h_{t-1} + b), \quad g = \tanh(W x_t + U h_{t-1} + b), \quad
    c_t = f c_{t-1} + i g, \quad h_t = o \tanh c_t$$
    with W, U and b for each of the four (Hochreiter and Schmidhuber, 1997; with a forget gate:
    Gers, Schmidhuber and Cummins, 2000). Parameters have the names, shapes and first values of
    those of flax's `nn.RNN(nn.OptimizedLSTMCell(features))`.

    The inputs are projected before the scan, and the gradient of U is one matmul after the
    backward scan instead of a sum that grows by a matmul a step; sigmoids are taken by tanh, which
    a CPU computes faster. Gradients can be differentiated
    again, by `jax.grad` and `jax.jvp`; JAX raises for `jax.jvp` of the layer itself.

    Called as `(x)` it returns the outputs of all steps; as `(x, carry)` it starts from that carry
    and returns `(outputs, carry)`, for long sequences that come in windows. A gradient flows
    through the carry unless `jax.lax.stop_gradient` cuts it; one that is kept in a model state is
    cut there (truncated backpropagation through time; Williams and Peng, 1990).

    Attributes:
        features: Size of the state h and of the cell c.
        initialiser: Name of the first distribution of W, see `initialiser`.
        recurrent_initialiser: Name of that of U.

    Raises:
        TypeError: On the first call, if the sequences are not floating-point, or the features or
            lengths not integers.
        ValueError: On the first call, if sequences, carry or lengths have other shapes, the
            features are less than 1, or a name is unknown.

    Example:
        >>> memory = LSTM(8)
        >>> params = jax.jit(memory.init)(jax.random.key(0), jnp.zeros((1, 5, 3)))
        >>> jax.jit(memory.apply)(params, jnp.ones((2, 5, 3))).shape
        (2, 5, 8)
        >>> outputs, carry = memory.apply(params, jnp.ones((2, 5, 3)), memory.zero_carry(2))
        >>> outputs.shape, [part.shape for part in carry]
        ((2, 5, 8), [(2, 8), (2, 8)])
    """

    features: int
    initialiser: str = "lecun_normal"
    recurrent_initialiser: str = "orthogonal"

    @nn.compact
    def __call__(
        self, x: Array, carry: Carry | None = None, *, lengths: Array | None = None
    ) -> Any:
        """Map [batch, length, inputs] to the outputs of all steps, [batch, length, features].

        Args:
            x: The sequences.
            carry: Cells and states [batch, features] before the first step; None for zeros.
            lengths: Steps of each sequence, integers [batch]; None for all. Beyond its length a
                sequence changes nothing, and its last output is repeated.

        Returns:
            The outputs; with a carry, the outputs and the carry after the last step, of the
            dtypes of the one before.
        """
        check_inputs(self, x, carry, 2, lengths)
        cell = nn.OptimizedLSTMCell(self.features, **kernel_starts(self), name="cell")
        if self.is_initializing():
            zero = jnp.zeros((x.shape[0], self.features), x.dtype)
            cell((zero, zero), jnp.zeros_like(x, shape=(x.shape[0], x.shape[2])))
        own = cell.variables["params"]
        inputs, kernel, bias = (
            jnp.concatenate([own[side + gate][name] for gate in _GATES], axis=-1)
            for side, name in (("i", "kernel"), ("h", "kernel"), ("h", "bias"))
        )
        x, inputs, kernel, bias = promote_dtype(x, inputs, kernel, bias, dtype=None)
        z = project(x, inputs)
        start = None if carry is None else (carry[0].astype(z.dtype), carry[1].astype(z.dtype))
        outputs, cells = _outputs(z, kernel, bias, start, steps_within(lengths, x.shape[1]))
        if carry is None:
            return outputs.swapaxes(0, 1)
        end = cells.astype(carry[0].dtype), outputs[-1].astype(carry[1].dtype)
        return outputs.swapaxes(0, 1), end

    @nn.nowrap
    def zero_carry(self, batch: int, dtype: Any = float) -> Carry:
        """The carry before the first window of `batch` sequences.

        Args:
            batch: Number of sequences.
            dtype: Of the cells and states; float32 by default, float64 under `jax_enable_x64`.

        Returns:
            Zeros, twice [batch, features], in memory of their own.
        """
        return jnp.zeros((batch, self.features), dtype), jnp.zeros((batch, self.features), dtype)


def _recur(
    z: Array, kernel: Array, bias: Array, start: Carry | None, within: Array | None
) -> tuple[Array, tuple[Array, ...]]:
    """The last cells, and outputs and what the backward steps need, [length, batch, features]."""

    def step(state: Carry, inputs: Any) -> tuple[Carry, Any]:
        (c, h), (z, inside) = state, inputs
        parts = jnp.split(z + bias.reshape(1, -1) + h @ kernel, 4, axis=-1)
        i, f, o = (sigmoid(parts[k]) for k in (0, 1, 3))
        g = jnp.tanh(parts[2])
        new = f * c + i * g
        out = o * jnp.tanh(new)
        if inside is not None:
            new, out = jnp.where(inside, new, c), jnp.where(inside, out, h)
        return (new, out), (out, i, f, g, o, c)

    if start is None:
        zero = jnp.zeros((z.shape[1], kernel.shape[0]), z.dtype)
        start = (zero, zero)
    (cells, _), saved = lax.scan(step, start, (z, within))
    return cells, saved


@jax.custom_vjp
def _outputs(
    z: Array, kernel: Array, bias: Array, start: Carry | None, within: Array | None
) -> tuple[Array, Array]:
    """Outputs and last cells for projected inputs [length, batch, 4 * features]."""
    cells, saved = _recur(z, kernel, bias, start, within)
    return saved[0], cells


def _forward(
    z: Array, kernel: Array, bias: Array, start: Carry | None, within: Array | None
) -> tuple[tuple[Array, Array], Any]:
    cells, saved = _recur(z, kernel, bias, start, within)
    return (saved[0], cells), (kernel, start, within, saved)


def _backward(saved: Any, grads: tuple[Array, Array]) -> tuple[Any, ...]:
    kernel, start, within, (h, *steps) = saved

    def step(state: Carry, inputs: Any) -> tuple[Carry, Array]:
        (dc, dh), (grad, inside, i, f, g, o, c) = state, inputs
        tanh_c = jnp.tanh(f * c + i * g)  # anew: quicker than to save and to load it
        dh = dh + grad
        kept = None
        if inside is not None:  # a step beyond the end hands both on
            kept = jnp.where(inside, 0, dc), jnp.where(inside, 0, dh)
            dc, dh = jnp.where(inside, dc, 0), jnp.where(inside, dh, 0)
        dc = dc + dh * o * (1 - tanh_c**2)
        gates = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2)
        dz = jnp.concatenate([*gates, dh * tanh_c * o * (1 - o)], axis=-1)
        before = dc * f, dz @ kernel.T
        return before if kept is None else (before[0] + kept[0], before[1] + kept[1]), dz

    end = grads[1], jnp.zeros_like(h[0])
    first, dz = lax.scan(step, end, (grads[0], within, *steps), reverse=True)
    before = jnp.concatenate([(jnp.zeros_like(h[0]) if start is None else start[1])[None], h[:-1]])
    dkernel = flat(before).T @ flat(dz)
    return dz, dkernel, dz.sum((0, 1)), None if start is None else first, None


_outputs.defvjp(_forward, _backward)
