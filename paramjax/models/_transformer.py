"""A small causal transformer for text: a decoder-only language model."""

from __future__ import annotations

import math
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.nn.initializers import Initializer

from paramjax._checks import check_count, check_rate
from paramjax._types import Array
from paramjax.models._dense import Dense


class Transformer(nn.Module):
    r"""Logits of the next token, from this token and those before it.

    $$h_0 = E[t] + P,\quad a_l = h_{l-1} + \mathrm{Attention}(\mathrm{LN}(h_{l-1})),\quad
    h_l = a_l + \mathrm{MLP}(\mathrm{LN}(a_l)),\quad z = \mathrm{LN}(h_L) E^\top$$
    Masked attention over several heads and dropout on the sum of the embeddings and on the
    output of each sub-layer are those of Vaswani et al. (2017, eq. 1 and sections 3.2.2, 3.2.3
    and 5.4); the norms before each sub-layer, the last norm, GELU and the learned positions are
    those of Radford et al. (2019, section 2.3). The output is tied to the embedding
    (Press and Wolf, 2017).

    All kernels are slices of one draw of normal numbers, because each separate draw would cost
    about 0.1 seconds of compilation. Their standard deviation is 1 / sqrt(inputs)
    (LeCun et al., 1998), over sqrt(2 layers) where a sub-layer writes to the residual stream
    (Radford et al., 2019), 1 / sqrt(width) for the embedding and 0.02 for the positions.

    Attributes:
        vocabulary: Number of different tokens.
        width: Size of the residual stream, a multiple of `heads`.
        layers: Number of layers, each attention and MLP.
        heads: Attention heads of a layer.
        length: Longest sequence, in tokens.
        dropout: Fraction of activations that are dropped in training, in [0, 1).

    Raises:
        TypeError: On the first call, if the tokens or a count are not integers.
        ValueError: On the first call, if the width does not divide into heads, the dropout
            is out of range, or the tokens are not [batch, length] or are too long.

    Example:
        >>> model = Transformer(vocabulary=65, width=32, layers=1, heads=2, dropout=0.1)
        >>> tokens = jnp.zeros((1, 16), jnp.int32)
        >>> params = jax.jit(model.init)(jax.random.key(0), tokens)
        >>> jax.jit(model.apply)(params, tokens).shape
        (1, 16, 65)
        >>> def noisy(params, tokens, key):
        ...     return model.apply(params, tokens, train=True, rngs={"dropout": key})
        >>> jax.jit(noisy)(params, tokens, jax.random.key(1)).shape
        (1, 16, 65)
    """

    vocabulary: int
    width: int = 64
    layers: int = 2
    heads: int = 4
    length: int = 64
    dropout: float = 0.0

    @nn.compact
    def __call__(self, tokens: Array, *, train: bool = False) -> Array:
        """Map integers [batch, length] to logits [batch, length, vocabulary].

        A token outside the vocabulary gives NaN at its position and all later ones; logits of
        earlier positions stay unaffected.
        """
        self._check(tokens)
        tokens = tokens.astype(jnp.int32)
        inside = (tokens >= 0) & (tokens < self.vocabulary)
        kernels = iter(self._kernels())
        embedding = self.param("embedding", next(kernels), (self.vocabulary, self.width))
        positions = self.param("positions", next(kernels), (self.length, self.width))
        x = embedding[jnp.where(inside, tokens, 0)] + positions[None, : tokens.shape[1]]
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        for index in range(self.layers):
            of_layer = _Kernels(*(next(kernels) for _ in _Kernels._fields))
            x = _Layer(self.heads, self.dropout, of_layer, name=f"layer_{index}")(x, train=train)
        logits = nn.LayerNorm(name="norm")(x) @ embedding.T
        known = jnp.cumprod(inside.astype(jnp.int32), axis=1)[..., None] == 1
        # selected, not multiplied: a loss that masks these positions keeps a finite gradient
        return jnp.where(known, logits, jnp.nan)

    def _check(self, tokens: Array) -> None:
        for name in ("vocabulary", "width", "layers", "heads", "length"):
            check_count(name, getattr(self, name))
        check_rate("dropout", self.dropout, high=1.0)
        if self.width % self.heads:
            raise ValueError(
                f"width: expected a multiple of heads, got {self.width} for {self.heads} heads"
            )
        if not jnp.issubdtype(tokens.dtype, jnp.integer):
            raise TypeError(f"tokens: expected integers, got {tokens.dtype}")
        if tokens.ndim != 2 or not 0 < tokens.shape[1] <= self.length:
            raise ValueError(
                f"tokens: expected [batch, length] with a length from 1 to {self.length}, got "
                f"shape {tokens.shape}; cut the sequences or build the model with a greater length"
            )

    def _kernels(self) -> list[Initializer]:
        """An initialiser for each kernel, in the order of use: slices of one draw."""
        shapes, scales = self._kernel_forms()
        if not self.is_initializing():
            return [nn.initializers.zeros] * len(shapes)  # flax reads the shape only
        sizes = [math.prod(shape) for shape in shapes]
        draw = jax.random.normal(self.make_rng("params"), (sum(sizes),))
        starts = [sum(sizes[:index]) for index in range(len(sizes))]
        return [
            nn.initializers.constant(scale * draw[start : start + size].reshape(shape))
            for shape, scale, start, size in zip(shapes, scales, starts, sizes, strict=True)
        ]

    def _kernel_forms(self) -> tuple[list[tuple[int, int]], list[float]]:
        """Shape and standard deviation of each kernel."""
        w = self.width
        residual = 1 / math.sqrt(2 * self.layers)
        layer = [
            ((w, 3 * w), w**-0.5),
            ((w, w), w**-0.5 * residual),
            ((w, 4 * w), w**-0.5),
            ((4 * w, w), (4 * w) ** -0.5 * residual),
        ]
        forms = [((self.vocabulary, w), w**-0.5), ((self.length, w), 0.02), *layer * self.layers]
        return [shape for shape, _ in forms], [scale for _, scale in forms]


class _Kernels(NamedTuple):
    """Initialisers of a layer's four kernels."""

    attention_in: Initializer
    attention_out: Initializer
    mlp_in: Initializer
    mlp_out: Initializer


class _Layer(nn.Module):
    """Attention and MLP, each with a norm before it and a residual around it."""

    heads: int
    dropout: float
    kernels: _Kernels

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        width = x.shape[-1]
        drop = nn.Dropout(self.dropout, deterministic=not train)

        def dense(name: str, features: int, x: Array) -> Array:
            return Dense(features, kernel_init=getattr(self.kernels, name), name=name)(x)

        projected = dense("attention_in", 3 * width, nn.LayerNorm(name="attention_norm")(x))
        x = x + drop(dense("attention_out", width, _attention(projected, self.heads)))
        hidden = nn.gelu(dense("mlp_in", 4 * width, nn.LayerNorm(name="mlp_norm")(x)))
        out: Array = x + drop(dense("mlp_out", width, hidden))
        return out


def _attention(projected: Array, heads: int) -> Array:
    """Softmax(q k' / sqrt(d)) v of each head, over the positions up to each one.

    Products and a softmax written out: in a scan on a CPU they take 0.75 to 0.9 of the time
    of jax.nn.dot_product_attention (batch 32, length 32 to 128, 4 heads of 16).
    """
    batch, length, size = projected.shape
    split = projected.reshape(batch, length, 3, heads, size // (3 * heads))
    query, key, value = split[:, :, 0], split[:, :, 1], split[:, :, 2]
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(query.shape[-1])
    # half precision would round the sum of many small weights
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    before = jnp.broadcast_to(jnp.tril(jnp.ones((length, length), bool)), scores.shape)
    weights = jax.nn.softmax(jnp.where(before, scores, np.finfo(scores.dtype).min))
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights.astype(value.dtype), value)
    return mixed.reshape(batch, length, size // 3)
