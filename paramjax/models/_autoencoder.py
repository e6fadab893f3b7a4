"""Autoencoders: plain and variational."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_key
from paramjax._types import Array, Key, Params
from paramjax.models._coders import Decoder, Encoder, check_halves, check_rows_of
from paramjax.models._module import Module


class Autoencoder(Module):
    """An encoder to few numbers and a decoder back (Hinton and Salakhutdinov, 2006).

    Without hidden layers and with the squared error, the best reconstruction is that of principal
    component analysis (Baldi and Hornik, 1989).

    Attributes:
        shape: Shape of one example: (64,), or (height, width, channels) of an image.
        latent: Numbers that the encoder keeps.
        features: Widths of the encoder's dense layers; the decoder has the same in reverse.
        channels: Output channels of the encoder's 3x3 convolutions of stride 2, before its dense
            layers; the decoder doubles the sides as often. None for dense layers only.
        activation: Name of the activation between layers, see `activation`.
        initialiser: Name of the kernels' first distribution, see `initialiser`.

    Raises:
        TypeError: On the first call, if `latent` or a width is not a whole number.
        ValueError: On the first call, if one is less than 1, a name is unknown, x has another
            shape, or the sides of images cannot be halved as often as there are channels.

    Example:
        >>> model = Autoencoder((64,), latent=2, features=(16,))
        >>> params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 64)))
        >>> codes = model.apply(params, jnp.ones((5, 64)), method="encode")
        >>> codes.shape, model.apply(params, codes, method="decode").shape
        ((5, 2), (5, 64))
    """

    shape: Sequence[int]
    latent: int
    features: Sequence[int] = (128,)
    channels: Sequence[int] = ()
    activation: str = "relu"
    initialiser: str = "lecun_normal"

    def setup(self) -> None:
        """Make both halves."""
        self.encoder, self.decoder = _halves(self, 1)

    def __call__(self, x: Array) -> Array:
        """Map `[batch, *shape]` to its reconstruction, or to the logits of one."""
        return self.decode(self.encode(x))

    def encode(self, x: Array) -> Array:
        """Map `[batch, *shape]` to [batch, latent]."""
        check_rows_of(x, self.shape)
        codes: Array = self.encoder(x)
        return codes

    def decode(self, z: Array) -> Array:
        """Map [batch, latent] to `[batch, *shape]`."""
        outputs: Array = self.decoder(z)
        return outputs


class VAE(Module):
    r"""A variational autoencoder with a Gaussian code (Kingma and Welling, 2014).

    $$q(z \mid x) = \mathcal N(\mu(x), \mathrm{diag}\,\sigma^2(x)), \qquad
      z = \mu(x) + \sigma(x)\,\epsilon, \quad \epsilon \sim \mathcal N(0, I)$$

    Train it with `losses.reconstruction(model.apply, losses.negative_elbo(), keyed=True)`. Without
    hidden layers and with a Gaussian likelihood its maximum is that of probabilistic principal
    component analysis (Tipping and Bishop, 1999).

    Attributes:
        shape: Shape of one example: (64,), or (height, width, channels) of an image.
        latent: Numbers of a code.
        features: Widths of the encoder's dense layers; the decoder has the same in reverse.
        channels: Output channels of the encoder's 3x3 convolutions of stride 2, before its dense
            layers; the decoder doubles the sides as often. None for dense layers only.
        activation: Name of the activation between layers, see `activation`.
        initialiser: Name of the kernels' first distribution, see `initialiser`.

    Raises:
        TypeError: On the first call, if `latent` or a width is not a whole number.
        ValueError: On the first call, if one is less than 1, a name is unknown, x has another
            shape, or the sides of images cannot be halved as often as there are channels.

    Example:
        >>> model = VAE((64,), latent=2, features=(16,))
        >>> params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 64)))
        >>> logits, mean, log_variance = model.apply(params, jnp.ones((5, 64)), jax.random.key(1))
        >>> logits.shape, mean.shape, log_variance.shape
        ((5, 64), (5, 2), (5, 2))
        >>> model.sample(params, jax.random.key(2), 5).shape
        (5, 64)
    """

    shape: Sequence[int]
    latent: int
    features: Sequence[int] = (128,)
    channels: Sequence[int] = ()
    activation: str = "relu"
    initialiser: str = "lecun_normal"

    def setup(self) -> None:
        """Make both halves."""
        self.encoder, self.decoder = _halves(self, 2)

    def __call__(self, x: Array, key: Key | None = None) -> tuple[Array, Array, Array]:
        """Map `[batch, *shape]` to `(outputs, mean, log_variance)`, at the mean without a key."""
        mean, log_variance = self.encode(x)
        if key is None:
            return self.decode(mean), mean, log_variance
        check_key(key)
        noise = jax.random.normal(key, mean.shape, mean.dtype)
        return self.decode(mean + jnp.exp(0.5 * log_variance) * noise), mean, log_variance

    def encode(self, x: Array) -> tuple[Array, Array]:
        """Map `[batch, *shape]` to mean and log variance of the code, both [batch, latent]."""
        check_rows_of(x, self.shape)
        both = self.encoder(x)
        return both[:, : self.latent], both[:, self.latent :]

    def decode(self, z: Array) -> Array:
        """Map [batch, latent] to `[batch, *shape]`: logits or means, as the likelihood has them."""
        outputs: Array = self.decoder(z)
        return outputs

    @nn.nowrap
    def sample(self, params: Params, key: Key, n: int) -> Array:
        """The decoder's outputs `[n, *shape]` for n codes drawn from the standard normal.

        Args:
            params: What `init` returns.
            key: A typed key.
            n: Number of examples, positive and static under jit.

        Returns:
            Logits or means, as the likelihood takes them.

        Raises:
            TypeError: If the key is a legacy one, or `n` is not a whole number.
            ValueError: If `n` is less than 1.
        """
        check_key(key)
        check_count("n", n)
        z = jax.random.normal(key, (n, self.latent))
        outputs: Any = self.apply(params, z, method="decode")
        return cast(Array, outputs)


def _halves(model: Autoencoder | VAE, parts: int) -> tuple[Encoder, Decoder]:
    """The encoder with so many outputs for each latent number, and the decoder as its mirror."""
    outputs = parts * check_count("latent", model.latent)
    check_halves(model.shape, model.features, model.channels)
    names = model.activation, model.initialiser
    encoder = Encoder(outputs, model.features, model.channels, *names)
    decoder = Decoder(model.shape, model.features[::-1], model.channels[::-1], *names)
    return encoder, decoder
