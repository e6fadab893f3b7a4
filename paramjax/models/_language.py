"""A recurrent language model, whose memory is handed on from window to window."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from paramjax._checks import check_count
from paramjax._types import Array
from paramjax.models._dense import Dense
from paramjax.models._module import Module
from paramjax.models._names import initialiser
from paramjax.models._text import embedding_of, recurrent_layer


class TokenRNN(Module):
    r"""Logits of the next token, from this token and all before it.

    $$h_t = \mathrm{layer}(E[w_t], h_{t-1}), \quad z_t = V h_t + c$$
    (Mikolov et al., 2010, with a simple layer). Called as `(tokens)` it begins with a state of
    zeros; as `(tokens, carry)` it goes on from that carry and returns `(logits, carry)`, for long
    texts that come in windows (truncated backpropagation through time), and to sample.

    Attributes:
        vocabulary: Number of different tokens: a tokeniser's `size`.
        embedding: Size of a token's vector.
        features: Size of the state.
        layer: Name of the recurrent layer: simple, lstm or gru.
        initialiser: Name of the first distribution of kernels, see `initialiser`; recurrent ones
            are orthogonal, embeddings normal with the variance 1 / embedding.

    Raises:
        TypeError: On the first call, if the tokens or a count are not integers.
        ValueError: On the first call, if a name is unknown, a number is out of range, or tokens or
            carry have other shapes.

    Example:
        >>> model = TokenRNN(vocabulary=9, embedding=4, features=4)
        >>> tokens, carry = jnp.array([[3, 5], [2, 8]]), model.zero_carry(2)
        >>> init = jax.jit(model.init_with_output)
        >>> (logits, carry), params = init(jax.random.key(0), tokens, carry)
        >>> logits.shape, jax.tree.map(jnp.shape, carry)
        ((2, 2, 9), ((2, 4), (2, 4)))
    """

    vocabulary: int
    embedding: int = 64
    features: int = 64
    layer: str = "lstm"
    initialiser: str = "lecun_normal"

    @nn.compact
    def __call__(self, tokens: Array, carry: Any = None) -> Any:
        """Map integers [batch, length] to logits [batch, length, vocabulary].

        A token outside the vocabulary gives NaN at its position and all later ones, in the carry,
        too; logits of earlier positions stay unaffected.

        Args:
            tokens: The texts, or their next window.
            carry: Of `zero_carry` or the window before; None for zeros.

        Returns:
            The logits; with a carry, the logits and the carry after the last token.
        """
        for name in ("vocabulary", "embedding", "features"):
            check_count(name, getattr(self, name))
        vectors, valid = embedding_of(self, tokens)
        layer = recurrent_layer(self)(self.features, initialiser=self.initialiser, name=self.layer)
        states, after = layer(vectors, self.zero_carry(len(tokens)) if carry is None else carry)
        steps = jnp.arange(tokens.shape[1]).reshape(1, -1)
        first = jnp.where(valid, tokens.shape[1], steps).min(axis=1, keepdims=True)
        known = steps < first
        start = initialiser(self.initialiser)
        logits = Dense(self.vocabulary, kernel_init=start, name="head")(states)
        logits = jnp.where(known[..., None], logits, jnp.nan)
        if carry is None:
            return logits
        return logits, jax.tree.map(lambda part: jnp.where(known[:, -1:], part, jnp.nan), after)

    @nn.nowrap
    def zero_carry(self, batch: int, dtype: Any = float) -> Any:
        """The carry before the first window of `batch` texts, see the layer's own.

        Args:
            batch: Number of texts.
            dtype: Of the states; float32 by default, float64 under `jax_enable_x64`.

        Returns:
            Zeros [batch, features], twice for an LSTM.
        """
        return recurrent_layer(self)(self.features, parent=None).zero_carry(batch, dtype)
