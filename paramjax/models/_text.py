"""Classifiers of texts: embeddings, then a recurrent layer or convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from paramjax._checks import check_array, check_count, check_rate, nearest
from paramjax._types import Array
from paramjax.models._conv import Conv
from paramjax.models._dense import Dense
from paramjax.models._hidden import check_widths
from paramjax.models._lstm import LSTM
from paramjax.models._module import Module
from paramjax.models._names import activation, initialiser
from paramjax.models._recurrence import check_lengths
from paramjax.models._recurrent import GRU, SimpleRNN

_RECURRENT: dict[str, Callable[..., Any]] = {"simple": SimpleRNN, "lstm": LSTM, "gru": GRU}
_POOLINGS = ("last", "mean")


class TextRNN(Module):
    r"""Class logits of texts: embeddings, a recurrent layer, its last state or mean, dense.

    $$h_t = \mathrm{layer}(E[w_t], h_{t-1}), \quad s = h_n \text{ or } \frac1n \sum_t h_t, \quad
    z = V s + c$$
    for a text of n tokens w; s is 0 for an empty one. Padding is not read. In training, dropout
    is applied to the embeddings and to s (Zaremba, Sutskever and Vinyals, 2014, who leave the
    recurrent connections alone).

    Attributes:
        vocabulary: Number of different tokens, padding (0) included: a tokeniser's `size`.
        classes: Number of logits.
        embedding: Size of a token's vector.
        features: Size of the state.
        layer: Name of the recurrent layer: simple, lstm or gru.
        pooling: last for the state after the last token, mean for the mean over all of them.
        dropout: Fraction of activations that are dropped in training, in [0, 1).
        initialiser: Name of the first distribution of kernels, see `initialiser`; recurrent ones
            are orthogonal, embeddings normal with the variance 1 / embedding.

    Raises:
        TypeError: On the first call, if tokens, lengths or a count are not integers.
        ValueError: On the first call, if a name is unknown, a number is out of range, or tokens or
            lengths have other shapes.

    Example:
        >>> import jax
        >>> model = TextRNN(vocabulary=9, classes=2, embedding=4, features=4)
        >>> tokens = jnp.array([[3, 5, 0], [2, 1, 8]])
        >>> logits, params = jax.jit(model.init_with_output)(jax.random.key(0), tokens)
        >>> logits.shape
        (2, 2)
    """

    vocabulary: int
    classes: int
    embedding: int = 64
    features: int = 64
    layer: str = "gru"
    pooling: str = "last"
    dropout: float = 0.0
    initialiser: str = "lecun_normal"

    @nn.compact
    def __call__(
        self, tokens: Array, *, lengths: Array | None = None, train: bool = False
    ) -> Array:
        """Map integers [batch, length] to logits [batch, classes].

        Args:
            tokens: Padded rows of tokens. A token outside the vocabulary makes the logits of its
                text NaN, but not in its padding.
            lengths: Tokens of each text, integers [batch]; None for those before the zeros at the
                end of a row.
            train: Whether to drop activations; draws from the key `dropout`.

        Returns:
            Logits.
        """
        self._check()
        x, inside, known = _embedded(self, tokens, lengths)
        drop = nn.Dropout(self.dropout, deterministic=not train)
        count = inside.sum(axis=1, dtype=jnp.int32)
        layer = recurrent_layer(self)(self.features, initialiser=self.initialiser, name=self.layer)
        states = layer(drop(x), lengths=count)
        if self.pooling == "last":
            summary = states[:, -1]  # a state is repeated beyond its text's end
        else:
            total = jnp.where(inside[..., None], states, 0).sum(axis=1)
            summary = total / jnp.maximum(count, 1).astype(total.dtype)[:, None]
        start = initialiser(self.initialiser)
        logits = Dense(self.classes, kernel_init=start, name="head")(drop(summary))
        return jnp.where(known, logits, jnp.nan)

    def _check(self) -> None:
        _check_numbers(self, "vocabulary", "classes", "embedding", "features")
        if self.pooling not in _POOLINGS:
            raise ValueError(nearest(self.pooling, _POOLINGS, what="pooling"))


class TextCNN(Module):
    r"""Class logits of texts: embeddings, windows of several widths, the maximum over time, dense.

    $$c^k_t = \phi(W^k [E[w_t], \ldots, E[w_{t+k-1}]] + b^k), \quad s = [\max_t c^k_t]_k, \quad
    z = V s + c$$
    for each width k, over the windows inside the text; one that is shorter than a window is filled
    up with vectors of zeros (Kim, 2014, section 2). In training, dropout is applied to s.

    Attributes:
        vocabulary: Number of different tokens, padding (0) included: a tokeniser's `size`.
        classes: Number of logits.
        embedding: Size of a token's vector.
        widths: Tokens of a window of each convolution.
        channels: Output channels of each convolution.
        activation: Name of $\phi$, see `activation`.
        dropout: Fraction of s that is dropped in training, in [0, 1); Kim takes 0.5.
        initialiser: Name of the first distribution of kernels, see `initialiser`; embeddings are
            normal with the variance 1 / embedding.

    Raises:
        TypeError: On the first call, if tokens, lengths or a count are not integers.
        ValueError: On the first call, if a name is unknown, a number is out of range, or tokens or
            lengths have other shapes.

    Example:
        >>> import jax
        >>> model = TextCNN(vocabulary=9, classes=2, embedding=4, widths=(2, 3), channels=4)
        >>> tokens = jnp.array([[3, 5, 0], [2, 1, 8]])
        >>> logits, params = jax.jit(model.init_with_output)(jax.random.key(0), tokens)
        >>> logits.shape
        (2, 2)
    """

    vocabulary: int
    classes: int
    embedding: int = 64
    widths: Sequence[int] = (3, 4, 5)
    channels: int = 64
    activation: str = "relu"
    dropout: float = 0.0
    initialiser: str = "lecun_normal"

    @nn.compact
    def __call__(
        self, tokens: Array, *, lengths: Array | None = None, train: bool = False
    ) -> Array:
        """Map integers [batch, length] to logits [batch, classes].

        Args:
            tokens: Padded rows of tokens. A token outside the vocabulary makes the logits of its
                text NaN, but not in its padding.
            lengths: Tokens of each text, integers [batch]; None for those before the zeros at the
                end of a row.
            train: Whether to drop activations; draws from the key `dropout`.

        Returns:
            Logits.
        """
        _check_numbers(self, "vocabulary", "classes", "embedding", "channels")
        check_widths("widths", self.widths)
        x, inside, known = _embedded(self, tokens, lengths)
        count = inside.sum(axis=1, keepdims=True, dtype=jnp.int32)
        strongest = [self._strongest(x, count, k) for k in self.widths]
        summary = jnp.concatenate(strongest, axis=-1)
        summary = nn.Dropout(self.dropout, deterministic=not train)(summary)
        start = initialiser(self.initialiser)
        logits = Dense(self.classes, kernel_init=start, name="head")(summary)
        return jnp.where(known, logits, jnp.nan)

    def _strongest(self, x: Array, count: Array, width: int) -> Array:
        """The largest activation of each channel over the windows inside each text."""
        windows = Conv(
            self.channels,
            (width,),
            padding=[(0, width - 1)],
            kernel_init=initialiser(self.initialiser),
            name=f"conv_{width}",
        )(x)
        starts = jnp.arange(x.shape[1]).reshape(1, -1) <= jnp.maximum(count - width, 0)
        bent = activation(self.activation)(windows)
        return jnp.where(starts[..., None], bent, -jnp.inf).max(axis=1)


def _check_numbers(model: Any, *counts: str) -> None:
    for name in counts:
        check_count(name, getattr(model, name))
    check_rate("dropout", model.dropout, high=1.0)


def recurrent_layer(model: Any) -> Callable[..., Any]:
    """The class of a model's recurrent layer."""
    if model.layer not in _RECURRENT:
        raise ValueError(nearest(model.layer, _RECURRENT, what="layer"))
    return _RECURRENT[model.layer]


def embedding_of(model: Any, tokens: Array) -> tuple[Array, Array]:
    """Vectors of tokens, and which tokens lie in the vocabulary."""
    check_array("tokens", tokens)
    if not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise TypeError(
            f"tokens: expected integers, got {tokens.dtype}; pj.data.table keeps them whole if "
            "vocabulary= is given"
        )
    if tokens.ndim != 2 or not tokens.shape[1]:
        raise ValueError(
            f"tokens: expected [batch, length] with a length from 1 on, got shape {tokens.shape}"
        )
    valid = (tokens >= 0) & (tokens < model.vocabulary)
    # as in flax's nn.Embed
    start = nn.initializers.variance_scaling(1.0, "fan_in", "normal", out_axis=0)
    table = model.param("embedding", start, (model.vocabulary, model.embedding))
    return table[jnp.where(valid, tokens, 0).astype(jnp.int32)], valid


def _embedded(model: Any, tokens: Array, lengths: Array | None) -> tuple[Array, Array, Array]:
    """Embeddings, 0 in padding; which tokens are inside; which texts have known ones only."""
    vectors, valid = embedding_of(model, tokens)
    check_lengths(lengths, tokens.shape[0])
    steps = jnp.arange(tokens.shape[1]).reshape(1, -1)
    if lengths is None:
        lengths = jnp.max(jnp.where(tokens != 0, steps + 1, 0), axis=1)
    inside = steps < jnp.reshape(lengths, (-1, 1))
    known = jnp.all(valid | ~inside, axis=1, keepdims=True)
    return jnp.where(inside[..., None], vectors, 0), inside, known
