"""The simple recurrent layer and the gated recurrent unit: flax's parameters and values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype

from paramjax._types import Array
from paramjax.models._module import Module
from paramjax.models._names import ACTIVATIONS, activation
from paramjax.models._recurrence import (
    Step,
    check_inputs,
    kernel_starts,
    project,
    sigmoid,
    steps_within,
    unroll,
)


class SimpleRNN(Module):
    r"""A simple recurrent network over a sequence.

    $$h_t = \phi(W x_t + U h_{t-1} + b)$$
    (Elman, 1990, with his context units as $h_{t-1}$). Parameters have the names, shapes and first
    values of those of flax's `nn.RNN(nn.SimpleCell(features))`.

    Called, masked and handed on as `LSTM`; its carry is h alone.

    Attributes:
        features: Size of the state h.
        activation: Name of $\phi$, see `activation`.
        initialiser: Name of the first distribution of W, see `initialiser`.
        recurrent_initialiser: Name of that of U.

    Raises:
        TypeError: On the first call, if the sequences are not floating-point, or the features or
            lengths not integers.
        ValueError: On the first call, if sequences, carry or lengths have other shapes, the
            features are less than 1, or a name is unknown.

    Example:
        >>> import jax
        >>> memory = SimpleRNN(8)
        >>> params = jax.jit(memory.init)(jax.random.key(0), jnp.zeros((1, 5, 3)))
        >>> outputs, carry = memory.apply(params, jnp.ones((2, 5, 3)), memory.zero_carry(2))
        >>> outputs.shape, carry.shape
        ((2, 5, 8), (2, 8))
    """

    features: int
    activation: str = "tanh"
    initialiser: str = "lecun_normal"
    recurrent_initialiser: str = "orthogonal"

    @nn.compact
    def __call__(
        self, x: Array, carry: Array | None = None, *, lengths: Array | None = None
    ) -> Any:
        """Map [batch, length, inputs] to the outputs of all steps, [batch, length, features].

        Args:
            x: The sequences.
            carry: States [batch, features] before the first step; None for zeros.
            lengths: Steps of each sequence, integers [batch]; None for all. Beyond its length a
                sequence changes nothing, and its last output is repeated.

        Returns:
            The outputs; with a carry, the outputs and the carry after the last step, of the
            dtype of the one before.
        """
        bend = activation(self.activation)
        cell = nn.SimpleCell(self.features, activation_fn=bend, **kernel_starts(self), name="cell")
        own = _parameters(self, cell, x, carry, lengths)
        step = _SIMPLE[self.activation]
        return _run(step, x, carry, lengths, own, inputs=("i",), states=("h",))

    @nn.nowrap
    def zero_carry(self, batch: int, dtype: Any = float) -> Array:
        """The carry before the first window of `batch` sequences.

        Args:
            batch: Number of sequences.
            dtype: Of the states; float32 by default, float64 under `jax_enable_x64`.

        Returns:
            Zeros [batch, features].
        """
        return jnp.zeros((batch, self.features), dtype)


class GRU(Module):
    r"""Gated recurrent units over a sequence.

    $$r, z = \sigma(W x_t + U h_{t-1} + b), \quad n = \tanh(W x_t + b + r\,(U h_{t-1} + b')), \quad
    h_t = (1 - z)\,n + z\,h_{t-1}$$
    with W, U and b for each of the three (Cho et al., 2014; with the reset gate r after the
    product with U, as in cuDNN and PyTorch: Chung et al., 2014). Parameters have the names, shapes
    and first values of those of flax's `nn.RNN(nn.GRUCell(features))`.

    Called, masked and handed on as `LSTM`; its carry is h alone.

    Attributes:
        features: Size of the state h.
        initialiser: Name of the first distribution of W, see `initialiser`.
        recurrent_initialiser: Name of that of U.

    Raises:
        TypeError: On the first call, if the sequences are not floating-point, or the features or
            lengths not integers.
        ValueError: On the first call, if sequences, carry or lengths have other shapes, the
            features are less than 1, or a name is unknown.

    Example:
        >>> import jax
        >>> memory = GRU(8)
        >>> params = jax.jit(memory.init)(jax.random.key(0), jnp.zeros((1, 5, 3)))
        >>> jax.jit(memory.apply)(params, jnp.ones((2, 5, 3))).shape
        (2, 5, 8)
        >>> memory.zero_carry(2).shape
        (2, 8)
    """

    features: int
    initialiser: str = "lecun_normal"
    recurrent_initialiser: str = "orthogonal"

    @nn.compact
    def __call__(
        self, x: Array, carry: Array | None = None, *, lengths: Array | None = None
    ) -> Any:
        """Map [batch, length, inputs] to the outputs of all steps, [batch, length, features].

        Args:
            x: The sequences.
            carry: States [batch, features] before the first step; None for zeros.
            lengths: Steps of each sequence, integers [batch]; None for all. Beyond its length a
                sequence changes nothing, and its last output is repeated.

        Returns:
            The outputs; with a carry, the outputs and the carry after the last step, of the
            dtype of the one before.
        """
        cell = nn.GRUCell(self.features, **kernel_starts(self), name="cell")
        own = _parameters(self, cell, x, carry, lengths)
        names = ("ir", "iz", "in"), ("hr", "hz", "hn")
        return _run(_gated, x, carry, lengths, own, inputs=names[0], states=names[1])

    @nn.nowrap
    def zero_carry(self, batch: int, dtype: Any = float) -> Array:
        """The carry before the first window of `batch` sequences.

        Args:
            batch: Number of sequences.
            dtype: Of the states; float32 by default, float64 under `jax_enable_x64`.

        Returns:
            Zeros [batch, features].
        """
        return jnp.zeros((batch, self.features), dtype)


def _parameters(layer: Any, cell: Any, x: Array, carry: Any, lengths: Array | None) -> Any:
    """The parameters of flax's cell, drawn by it in `init`."""
    check_inputs(layer, x, carry, 1, lengths)
    if layer.is_initializing():
        cell(jnp.zeros((x.shape[0], layer.features), x.dtype), jnp.zeros_like(x[:, 0]))
    return cell.variables["params"]


def _run(
    step: Step,
    x: Array,
    carry: Array | None,
    lengths: Array | None,
    own: Any,
    *,
    inputs: Sequence[str],
    states: Sequence[str],
) -> Any:
    """Outputs, and with a carry the next one, by kernels that are joined to one on each side."""
    w, b, u = (
        jnp.concatenate([own[name][part] for name in names], axis=-1)
        for names, part in ((inputs, "kernel"), (inputs, "bias"), (states, "kernel"))
    )
    x, w, b, u = promote_dtype(x, w, b, u, dtype=None)
    after = None
    if "bias" in own[states[-1]]:  # the last part alone has one
        bias = own[states[-1]]["bias"].astype(u.dtype)
        after = jnp.concatenate([jnp.zeros(u.shape[1] - bias.shape[0], u.dtype), bias])
    z = project(x, w) + b.reshape(1, 1, -1)
    start = jnp.zeros((x.shape[0], u.shape[0]), z.dtype) if carry is None else carry
    outputs = unroll(step, z, u, after, start.astype(z.dtype), steps_within(lengths, x.shape[1]))
    if carry is None:
        return outputs.swapaxes(0, 1)
    return outputs.swapaxes(0, 1), outputs[-1].astype(carry.dtype)


def _simple(bend: Callable[[Array], Array]) -> Step:
    return lambda z, projected, h: bend(z + projected)


_SIMPLE = {name: _simple(bend) for name, bend in ACTIVATIONS.items()}


def _gated(z: Array, projected: Array, h: Array) -> Array:
    (a, b, c), (p, q, s) = (jnp.split(part, 3, axis=-1) for part in (z, projected))
    update = sigmoid(b + q)
    return (1 - update) * jnp.tanh(c + sigmoid(a + p) * s) + update * h
