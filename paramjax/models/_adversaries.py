"""The players of a generative adversarial network."""

from __future__ import annotations

from collections.abc import Sequence

import flax.linen as nn

from paramjax._checks import check_array
from paramjax._types import Array
from paramjax.models._coders import Decoder, Encoder, check_halves
from paramjax.models._module import Module
from paramjax.models._names import activation


class Generator(Module):
    """Examples from random numbers (Goodfellow et al., 2014).

    With channels, convolutions that double the sides; with batch normalisation and ReLU too, as in
    the DCGAN of Radford, Metz and Chintala (2016), whose output is tanh.

    Attributes:
        shape: Shape of one example: (2,), or (height, width, channels) of an image.
        features: Widths of the dense layers.
        channels: Channels of the images before each convolution, the smallest image first. Empty
            for dense layers only.
        activation: Name of the activation between layers, see `activation`.
        output: Name of the activation after the last layer: identity, tanh for examples in
            [-1, 1], sigmoid for those in [0, 1].
        initialiser: Name of the kernels' first distribution, see `initialiser`.
        batch_norm: Whether to normalise each hidden layer by its batch (Ioffe and Szegedy, 2015);
            running averages are in the collection `batch_stats`.

    Raises:
        TypeError: On the first call, if a width is not a whole number.
        ValueError: On the first call, if a name is unknown, a width is less than 1, the inputs
            have another rank, or the sides of images cannot be halved as often as there are
            channels.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = Generator((8, 8, 1), features=(), channels=(8, 4), output="tanh")
        >>> start = jax.eval_shape(model.init_with_output, jax.random.key(0), jnp.zeros((5, 3)))
        >>> start[0].shape
        (5, 8, 8, 1)
    """

    shape: Sequence[int]
    features: Sequence[int] = (128, 128)
    channels: Sequence[int] = ()
    activation: str = "relu"
    output: str = "identity"
    initialiser: str = "lecun_normal"
    batch_norm: bool = False

    @nn.compact
    def __call__(self, z: Array, *, train: bool = False) -> Array:
        """Map [batch, latent] to [batch, *shape]."""
        check_halves(self.shape, self.features, self.channels)
        check_array("z", z)
        if z.ndim != 2:
            raise ValueError(f"z: expected [batch, latent], got shape {z.shape}")
        names = self.activation, self.initialiser
        decoder = Decoder(self.shape, self.features, self.channels, *names, self.batch_norm)
        return activation(self.output)(decoder(z, train=train))


class Discriminator(Module):
    """A logit for each example: large for real ones, small for fakes.

    With channels, convolutions of stride 2; with batch normalisation of all but the first layer and
    leaky ReLU too, as in the DCGAN of Radford, Metz and Chintala (2016).

    Attributes:
        features: Widths of the dense layers.
        channels: Output channels of the 3x3 convolutions of stride 2, before the dense layers.
            Empty for dense layers only.
        activation: Name of the activation between layers, see `activation`.
        initialiser: Name of the kernels' first distribution, see `initialiser`.
        batch_norm: Whether to normalise each hidden layer but the first by its batch (Ioffe and
            Szegedy, 2015); running averages are in the collection `batch_stats`. Not with a
            gradient penalty, which is of single examples.

    Raises:
        TypeError: On the first call, if a width is not a whole number.
        ValueError: On the first call, if a name is unknown, a width is less than 1, the inputs
            have another rank, or the sides of images cannot be halved as often as there are
            channels.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = Discriminator((16,))
        >>> params = jax.jit(model.init)(jax.random.key(0), jnp.zeros((1, 2)))
        >>> model.apply(params, jnp.ones((5, 2))).shape
        (5,)
    """

    features: Sequence[int] = (128, 128)
    channels: Sequence[int] = ()
    activation: str = "leaky_relu"
    initialiser: str = "lecun_normal"
    batch_norm: bool = False

    @nn.compact
    def __call__(self, x: Array, *, train: bool = False) -> Array:
        """Map [batch, *shape] to logits [batch]."""
        check_array("x", x)
        if x.ndim < 2:
            raise ValueError(f"x: expected [batch, *shape] of examples, got shape {x.shape}")
        check_halves(x.shape[1:], self.features, self.channels)
        names = self.activation, self.initialiser
        encoder = Encoder(1, self.features, self.channels, *names, self.batch_norm)
        logits: Array = encoder(x, train=train)
        return logits[:, 0]
