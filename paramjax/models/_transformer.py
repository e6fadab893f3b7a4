"""A small causal transformer for text: a decoder-only language model, with a cache to sample."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.nn.initializers import Initializer

from paramjax._checks import check_array, check_count, check_rate
from paramjax._types import Array
from paramjax.models._dense import Dense
from paramjax.models._module import Module
from paramjax.models._names import activation, initialiser

KeysAndValues = tuple[Array, Array]
"""Of the tokens so far, in one layer: each [batch, length, heads, width / heads]."""


class Cache(NamedTuple):
    """What a transformer keeps of the tokens that it has read, so that it reads each once.

    Attributes:
        layers: Keys and values of each layer, twice [batch, length, heads, width / heads].
        position: Number of tokens so far, int32 scalar.
        known: Whether all tokens of each sequence were in the vocabulary, bool[batch].
    """

    layers: tuple[KeysAndValues, ...]
    position: Array
    known: Array


class Transformer(Module):
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
    (Radford et al., 2019), 1 / sqrt(width) for the embedding and 0.02 for the positions. Another
    `initialiser` draws the kernels of the layers, which are scaled on the residual stream alike.

    Called as `(tokens)` it returns logits; as `(tokens, cache)` it reads these tokens after those
    of the cache and returns `(logits, cache)`, as `pj.models.sample` does token by token.

    Attributes:
        vocabulary: Number of different tokens.
        width: Size of the residual stream, a multiple of `heads`.
        layers: Number of layers, each attention and MLP.
        heads: Attention heads of a layer.
        length: Longest sequence, in tokens.
        dropout: Fraction of activations that are dropped in training, in [0, 1).
        activation: Name of the activation inside each MLP, see `activation`.
        initialiser: Name of the first values of the layers' kernels, see `initialiser`.

    Raises:
        TypeError: On the first call, if the tokens or a count are not integers.
        ValueError: On the first call, if the width does not divide into heads, the dropout
            is out of range, a name is unknown, the tokens are not [batch, length] or are too
            long, or the cache is of another model or batch.

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
        >>> logits, cache = jax.jit(model.apply)(params, tokens[:, :3], model.zero_cache(1))
        >>> logits.shape, int(cache.position)
        ((1, 3, 65), 3)
    """

    vocabulary: int
    width: int = 64
    layers: int = 2
    heads: int = 4
    length: int = 64
    dropout: float = 0.0
    activation: str = "gelu"
    initialiser: str = "lecun_normal"

    @nn.compact
    def __call__(self, tokens: Array, cache: Cache | None = None, *, train: bool = False) -> Any:
        """Map integers [batch, length] to logits [batch, length, vocabulary].

        A token outside the vocabulary gives NaN at its position and all later ones; logits of
        earlier positions stay unaffected.

        Args:
            tokens: The sequences; with a cache, what follows the tokens that it has read.
            cache: What is known of those, see `zero_cache`; None begins without.
            train: Whether to drop activations, for which the call needs `rngs={"dropout": key}`.

        Returns:
            The logits; with a cache, the logits and the cache after these tokens. Logits of
            tokens beyond the model's length are NaN.
        """
        self._check(tokens, cache)
        tokens = tokens.astype(jnp.int32)
        inside = (tokens >= 0) & (tokens < self.vocabulary)
        kernels = iter(self._kernels())
        embedding = self.param("embedding", next(kernels), (self.vocabulary, self.width))
        positions = self.param("positions", next(kernels), (self.length, self.width))
        if cache is None:
            own, known, layers = positions[: tokens.shape[1]], inside, None
        else:
            own = lax.dynamic_slice_in_dim(positions, cache.position, tokens.shape[1])
            fits = cache.position + tokens.shape[1] <= self.length
            known, layers = inside & (cache.known & fits)[:, None], []
        x = embedding[jnp.where(inside, tokens, 0)] + own[None]
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        for index in range(self.layers):
            of_layer = _Kernels(*(next(kernels) for _ in _Kernels._fields))
            layer = _Layer(
                self.heads, self.dropout, self.activation, of_layer, name=f"layer_{index}"
            )
            if cache is None:
                x, _ = layer(x, train=train)
            else:
                x, read = layer(x, cache.layers[index], cache.position, train=train)
                layers.append(read)
        logits = nn.LayerNorm(name="norm")(x) @ embedding.T
        known = jnp.cumprod(known.astype(jnp.int32), axis=1) == 1
        # selected, not multiplied: a loss that masks these positions keeps a finite gradient
        logits = jnp.where(known[..., None], logits, jnp.nan)
        if cache is None:
            return logits
        return logits, Cache(tuple(layers), cache.position + tokens.shape[1], known[:, -1])

    @nn.nowrap
    def zero_cache(self, batch: int, dtype: Any = float) -> Cache:
        """The cache before the first token of `batch` sequences.

        Args:
            batch: Number of sequences.
            dtype: Of the keys and values; float32 by default, that of the parameters is exact.

        Returns:
            Room for as many tokens as the model has positions.
        """
        shape = batch, self.length, self.heads, self.width // self.heads
        layers = tuple(
            (jnp.zeros(shape, dtype), jnp.zeros(shape, dtype)) for _ in range(self.layers)
        )
        return Cache(layers, jnp.int32(0), jnp.ones(batch, bool))

    def _check(self, tokens: Array, cache: Cache | None) -> None:
        for name in ("vocabulary", "width", "layers", "heads", "length"):
            check_count(name, getattr(self, name))
        check_rate("dropout", self.dropout, high=1.0)
        if self.width % self.heads:
            raise ValueError(
                f"width: expected a multiple of heads, got {self.width} for {self.heads} heads"
            )
        check_array("tokens", tokens)
        if not jnp.issubdtype(tokens.dtype, jnp.integer):
            raise TypeError(
                f"tokens: expected integers, got {tokens.dtype}; pj.data.table keeps them whole if "
                "vocabulary= is given"
            )
        if tokens.ndim != 2 or not 0 < tokens.shape[1] <= self.length:
            raise ValueError(
                f"tokens: expected [batch, length] with a length from 1 to {self.length}, got "
                f"shape {tokens.shape}; cut the sequences or build the model with a greater length"
            )
        if cache is None:
            return
        expected = jax.eval_shape(lambda: self.zero_cache(tokens.shape[0]))
        if jax.tree.map(jnp.shape, cache) != jax.tree.map(jnp.shape, expected):
            raise ValueError(
                f"cache: expected one of this model for {tokens.shape[0]} sequences, as zero_cache("
                f"{tokens.shape[0]}) makes it, got {jax.tree.map(jnp.shape, cache)}"
            )

    def _kernels(self) -> list[Initializer]:
        """An initialiser for each kernel, in the order of use: slices of one draw."""
        shapes, scales = self._kernel_forms()
        if not self.is_initializing():
            return [nn.initializers.zeros] * len(shapes)  # flax reads the shape only
        sizes = [math.prod(shape) for shape in shapes]
        draw = jax.random.normal(self.make_rng("params"), (sum(sizes),))
        starts = [sum(sizes[:index]) for index in range(len(sizes))]
        drawn = [
            nn.initializers.constant(scale * draw[start : start + size].reshape(shape))
            for shape, scale, start, size in zip(shapes, scales, starts, sizes, strict=True)
        ]
        if self.initialiser == "lecun_normal":
            return drawn
        named, residual = initialiser(self.initialiser), 1 / math.sqrt(2 * self.layers)
        layer = _Kernels(named, _times(residual, named), named, _times(residual, named))
        return [*drawn[:2], *layer * self.layers]

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


def _times(scale: float, named: Initializer) -> Initializer:
    """An initialiser whose values are scaled."""

    def draw(*args: Any) -> Array:
        return scale * named(*args)

    return cast(Initializer, draw)


class _Layer(nn.Module):
    """Attention and MLP, each with a norm before it and a residual around it."""

    heads: int
    dropout: float
    activation: str
    kernels: _Kernels

    @nn.compact
    def __call__(
        self, x: Array, cached: KeysAndValues | None = None, position: Any = 0, *, train: bool
    ) -> tuple[Array, KeysAndValues]:
        width = x.shape[-1]
        drop = nn.Dropout(self.dropout, deterministic=not train)

        def dense(name: str, features: int, x: Array) -> Array:
            return Dense(features, kernel_init=getattr(self.kernels, name), name=name)(x)

        projected = dense("attention_in", 3 * width, nn.LayerNorm(name="attention_norm")(x))
        query, key, value = _split(projected, self.heads)
        if cached is not None:
            key, value = (
                lax.dynamic_update_slice_in_dim(old, new.astype(old.dtype), position, axis=1)
                for old, new in zip(cached, (key, value), strict=True)
            )
        mixed = _attention(query, key, value, position)
        x = x + drop(dense("attention_out", width, mixed))
        between = activation(self.activation)
        hidden = between(dense("mlp_in", 4 * width, nn.LayerNorm(name="mlp_norm")(x)))
        return x + drop(dense("mlp_out", width, hidden)), (key, value)


def _split(projected: Array, heads: int) -> tuple[Array, Array, Array]:
    """Queries, keys and values, each [batch, length, heads, features]."""
    batch, length, size = projected.shape
    split = projected.reshape(batch, length, 3, heads, size // (3 * heads))
    return split[:, :, 0], split[:, :, 1], split[:, :, 2]


def _attention(query: Array, key: Array, value: Array, position: Any) -> Array:
    """Softmax(q k' / sqrt(d)) v of each head, over the positions up to each one.

    The first query stands at `position`, the first key at 0. Products and a softmax written out:
    in a scan on a CPU they take 0.75 to 0.9 of the time of jax.nn.dot_product_attention (batch
    32, length 32 to 128, 4 heads of 16).
    """
    batch, length, heads, features = query.shape
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(features)
    # half precision would round the sum of many small weights
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    own = position + jnp.arange(length)
    before = jnp.arange(key.shape[1])[None] <= own[:, None]
    before = jnp.broadcast_to(before, scores.shape)
    weights = jax.nn.softmax(jnp.where(before, scores, np.finfo(scores.dtype).min))
    mixed = jnp.einsum("bhqk,bkhd->bqhd", weights.astype(value.dtype), value)
    return mixed.reshape(batch, length, heads * features)
