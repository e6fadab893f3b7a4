"""The LSTM layer: flax's parameters and values, its weights' gradients by single matmuls."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.linen.dtypes import promote_dtype
from jax import lax

from paramjax._types import Array

_GATES = ("i", "f", "g", "o")


class LSTM(nn.Module):
    r"""A long short-term memory over a sequence, from a state of zeros.

    $$i, f, o = \sigma(W x_t + U h_{t-1} + b), \quad g = \tanh(W x_t + U h_{t-1} + b), \quad
    c_t = f c_{t-1} + i g, \quad h_t = o \tanh c_t$$
    with W, U and b for each of the four (Hochreiter and Schmidhuber, 1997; with a forget gate:
    Gers, Schmidhuber and Cummins, 2000). Parameters have the names, shapes and first values of
    those of flax's `nn.RNN(nn.OptimizedLSTMCell(features))`.

    The inputs are projected before the scan, and the gradient of U is one matmul after the
    backward scan instead of a sum that grows by a matmul a step. Gradients can be differentiated
    again, by `jax.grad` and `jax.jvp`; JAX raises for `jax.jvp` of the layer itself.

    Attributes:
        features: Size of the state h and of the cell c.

    Raises:
        TypeError: On the first call, if the sequences are not floating-point.
        ValueError: On the first call, if they do not have three axes.

    Example:
        >>> params = jax.jit(LSTM(8).init)(jax.random.key(0), jnp.zeros((1, 5, 3)))
        >>> jax.jit(LSTM(8).apply)(params, jnp.ones((2, 5, 3))).shape
        (2, 5, 8)
    """

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map [batch, length, inputs] to the outputs of all steps, [batch, length, features]."""
        if x.ndim != 3:
            raise ValueError(f"x: expected [batch, length, inputs], got shape {x.shape}")
        if not jnp.issubdtype(x.dtype, jnp.floating):
            raise TypeError(f"x: expected floating-point sequences, got {x.dtype}")
        cell = nn.OptimizedLSTMCell(self.features, name="cell")
        if self.is_initializing():
            zero = jnp.zeros((x.shape[0], self.features), x.dtype)
            cell((zero, zero), jnp.zeros_like(x, shape=(x.shape[0], x.shape[2])))
        own = cell.variables["params"]
        inputs, kernel, bias = (
            jnp.concatenate([own[side + gate][name] for gate in _GATES], axis=-1)
            for side, name in (("i", "kernel"), ("h", "kernel"), ("h", "bias"))
        )
        x, inputs, kernel, bias = promote_dtype(x, inputs, kernel, bias, dtype=None)
        z = x.swapaxes(0, 1) @ inputs + bias.reshape(1, 1, -1)
        return _outputs(z, kernel).swapaxes(0, 1)


def _recur(z: Array, kernel: Array) -> tuple[Array, ...]:
    """Outputs of all steps and what the backward steps need, each [length, batch, features]."""

    def step(state: tuple[Array, Array], z: Array) -> tuple[tuple[Array, Array], Any]:
        c, h = state
        parts = jnp.split(z + h @ kernel, 4, axis=-1)
        i, f, o = (nn.sigmoid(parts[k]) for k in (0, 1, 3))
        g = jnp.tanh(parts[2])
        new = f * c + i * g
        tanh_c = jnp.tanh(new)
        return (new, o * tanh_c), (o * tanh_c, i, f, g, o, c, tanh_c)

    zero = jnp.zeros((z.shape[1], kernel.shape[0]), z.dtype)
    saved: tuple[Array, ...] = lax.scan(step, (zero, zero), z)[1]
    return saved


@jax.custom_vjp
def _outputs(z: Array, kernel: Array) -> Array:
    """Outputs for projected inputs [length, batch, 4 * features]."""
    return _recur(z, kernel)[0]


def _forward(z: Array, kernel: Array) -> tuple[Array, tuple[Array, ...]]:
    saved = _recur(z, kernel)
    return saved[0], (kernel, *saved)


def _backward(saved: tuple[Array, ...], grads: Array) -> tuple[Array, Array]:
    kernel, h, *steps = saved

    def step(state: tuple[Array, Array], inputs: Any) -> tuple[tuple[Array, Array], Array]:
        (dc, dh), (grad, i, f, g, o, c, tanh_c) = state, inputs
        dh = dh + grad
        dc = dc + dh * o * (1 - tanh_c**2)
        gates = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2)
        dz = jnp.concatenate([*gates, dh * tanh_c * o * (1 - o)], axis=-1)
        return (dc * f, dz @ kernel.T), dz

    zero = jnp.zeros_like(h[0])
    _, dz = lax.scan(step, (zero, zero), (grads, *steps), reverse=True)
    before, after = h[:-1].reshape(-1, h.shape[-1]), dz[1:].reshape(-1, dz.shape[-1])
    return dz, before.T @ after


_outputs.defvjp(_forward, _backward)
