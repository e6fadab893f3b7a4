"""Activations and initialisers by name, for the fields of every model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.nn.initializers import Initializer

from paramjax._checks import nearest
from paramjax._types import Array
from paramjax.models._orthogonal import orthogonal

Activation = Callable[[Array], Array]
T = TypeVar("T")


def _identity(x: Array) -> Array:
    return x


ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {
        "identity": _identity,
        "relu": jax.nn.relu,
        "leaky_relu": jax.nn.leaky_relu,
        "elu": jax.nn.elu,
        "selu": jax.nn.selu,
        "sigmoid": jax.nn.sigmoid,
        "tanh": jnp.tanh,
        "softsign": jax.nn.soft_sign,
        "softplus": jax.nn.softplus,
        "gelu": jax.nn.gelu,
        "silu": jax.nn.silu,
        "mish": jax.nn.mish,
    }
)
"""Every activation by its name."""

INITIALISERS: Mapping[str, Initializer] = MappingProxyType(
    {
        "lecun_normal": nn.initializers.lecun_normal(),
        "small_normal": nn.initializers.normal(0.01),
        "glorot_uniform": nn.initializers.glorot_uniform(),
        "glorot_normal": nn.initializers.glorot_normal(),
        "he_uniform": nn.initializers.he_uniform(),
        "he_normal": nn.initializers.he_normal(),
        "orthogonal": orthogonal,
        "zeros": nn.initializers.zeros,
    }
)
"""Every initialiser of kernels by its name."""


def activation(name: str) -> Activation:
    r"""The activation function of that name.

    identity $x$; relu $\max(x, 0)$ (Nair and Hinton, 2010); leaky_relu $\max(x, 0.01 x)$ (Maas et
    al., 2013); elu $x$ or, below 0, $e^x - 1$ (Clevert et al., 2016); selu, the elu that keeps mean
    0 and variance 1 (Klambauer et al., 2017); sigmoid $1 / (1 + e^{-x})$; tanh; softsign
    $x / (1 + |x|)$; softplus $\log(1 + e^x)$; gelu, $x$ times the normal distribution function, by
    the tanh formula (Hendrycks and Gimpel, 2016); silu $x\,\mathrm{sigmoid}(x)$ (Elfwing et al.,
    2018); mish $x \tanh(\mathrm{softplus}(x))$ (Misra, 2020).

    Args:
        name: One of `ACTIVATIONS`.

    Returns:
        An elementwise function.

    Raises:
        ValueError: If the name is unknown; the message lists the nearest known ones.

    Example:
        >>> float(activation("relu")(jnp.float32(-1.0)))
        0.0
        >>> list(ACTIVATIONS)[:3]
        ['identity', 'relu', 'leaky_relu']
    """
    return _named(name, ACTIVATIONS, "activation")


def initialiser(name: str) -> Initializer:
    r"""The distribution of that name, from which a layer draws its first kernel.

    With n inputs and m outputs of a layer (times the pixels of a kernel, for a convolution), the
    variance is 1/n for lecun_normal (LeCun et al., 1998), 2/n for he_normal and he_uniform (He et
    al., 2015), 2/(n + m) for glorot_normal and glorot_uniform (Glorot and Bengio, 2010) and 0.01²
    for small_normal. Normal numbers are cut off at two standard deviations and scaled to that
    variance, but for small_normal. orthogonal draws a matrix whose shorter side is orthonormal
    (Saxe et al., 2014); zeros suits models without hidden layers only.

    Args:
        name: One of `INITIALISERS`.

    Returns:
        A function `(key, shape, dtype) -> array`, as flax takes it for `kernel_init`.

    Raises:
        ValueError: If the name is unknown; the message lists the nearest known ones.

    Example:
        >>> initialiser("orthogonal")(jax.random.key(0), (2, 2)).shape
        (2, 2)
        >>> "he_normal" in INITIALISERS
        True
    """
    return _named(name, INITIALISERS, "initialiser")


def _named(name: str, known: Mapping[str, T], what: str) -> T:
    if not isinstance(name, str):
        raise TypeError(f"{what}: expected a name, got {name!r}; known: {', '.join(known)}")
    if name not in known:
        raise ValueError(nearest(name, known, what=what))
    return known[name]
