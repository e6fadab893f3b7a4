"""Curvature by Kronecker factors: of each dense layer, its inputs' and its outputs' share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._programs import owned_jit
from paramjax._types import Array, Params
from paramjax.estimate.networks._curvature import Curvature, Form, Structure
from paramjax.estimate.networks._layers import Layer, Walk, find_layers, tapped
from paramjax.estimate.networks._leaves import leaves_matching
from paramjax.estimate.networks._likelihoods import Likelihood
from paramjax.estimate.networks._network import (
    ApplyFn,
    Network,
    batches,
    rows_at_once,
    total_over_batches,
)


class _Factors(NamedTuple):
    """Second moments of a layer, summed over positions.

    Attributes:
        inputs: Of its inputs, with a 1 for the bias, [inputs, inputs].
        outputs: Of the gradients at its outputs, [outputs, outputs].
        positions: How many inputs were summed.
    """

    inputs: Any
    outputs: Any
    positions: Any


@dataclass(frozen=True)
class _Axes(Form):
    """Kernel and bias of each layer as one matrix, in the eigenvectors of its factors.

    Attributes:
        layers: Those that are uncertain.
        places: Of each, its place among all layers.
        starts: Where kernel and bias of each begin among the uncertain numbers.
        positions: How many rows an example has in each.
    """

    layers: tuple[Layer, ...]
    places: tuple[int, ...]
    starts: tuple[tuple[int, int], ...]
    positions: tuple[int, ...]

    def into(self, basis: Any, rows: Array) -> Array:
        """Layer after layer, [..., p]."""
        parts = []
        for layer, starts, (left, right) in zip(self.layers, self.starts, basis, strict=True):
            matrix = self._matrix(layer, starts, rows)
            turned = jnp.einsum("...io,ij,ok->...jk", matrix, left, right)
            parts.append(turned.reshape(*rows.shape[:-1], -1))
        return jnp.concatenate(parts, axis=-1)

    def back(self, basis: Any, coordinates: Array) -> Array:
        """Leaf after leaf, [..., p]."""
        placed, at = {}, 0
        lead = coordinates.shape[:-1]
        for layer, starts, (left, right) in zip(self.layers, self.starts, basis, strict=True):
            size = len(left) * len(right)
            turned = coordinates[..., at : at + size].reshape(*lead, len(left), len(right))
            matrix = jnp.einsum("...jk,ij,ok->...io", turned, left, right)
            kernel = matrix[..., : layer.inputs, :]
            kernel = jnp.swapaxes(kernel, -1, -2) if layer.transposed else kernel
            placed[starts[0]] = kernel.reshape(*lead, -1)
            if layer.bias is not None:
                placed[starts[1]] = matrix[..., -1, :]
            at += size
        return jnp.concatenate([placed[start] for start in sorted(placed)], axis=-1)

    def distribution(
        self, apply_fn: ApplyFn, chosen: tuple[int, ...], params: Params, basis: Any,
        variances: Array, x: Any,
    ) -> tuple[Array, Array]:  # fmt: skip
        """By inputs and gradients of the layers, whose products the Jacobian consists of."""
        outputs, inputs, pull = tapped(apply_fn, params, x)
        rows, width = outputs.shape
        units = jnp.broadcast_to(jnp.eye(width, dtype=outputs.dtype)[:, None], (width, rows, width))
        (gradients,) = jax.vmap(pull)(units)
        wide = jnp.promote_types(outputs.dtype, jnp.float32)
        covariance, at = jnp.zeros((rows, width, width), wide), 0
        for layer, place, (left, right) in zip(self.layers, self.places, basis, strict=True):
            size = len(left) * len(right)
            variance = variances[at : at + size].reshape(len(left), len(right))
            a = inputs[place].astype(wide).reshape(rows, -1, layer.inputs)
            a = _with_one(layer, a) @ left
            g = gradients[place].astype(wide).reshape(width, rows, -1, layer.outputs) @ right
            covariance = covariance + _layer_covariance(a, g, variance)
            at += size
        return outputs.astype(wide), covariance

    def numbers(self, outputs: int, size: int) -> int:
        """Inputs and gradients, and of layers with several positions their products, too."""
        return sum(
            at * (one.inputs + outputs * one.outputs)
            + (outputs * one.inputs * one.outputs if at > 1 else 0)
            for one, at in zip(self.layers, self.positions, strict=True)
        )

    @staticmethod
    def _matrix(layer: Layer, starts: tuple[int, int], rows: Array) -> Array:
        """[..., inputs (+ 1), outputs] of flat rows."""
        lead = rows.shape[:-1]
        size = layer.inputs * layer.outputs
        kernel = rows[..., starts[0] : starts[0] + size]
        if layer.transposed:
            kernel = jnp.swapaxes(kernel.reshape(*lead, layer.outputs, layer.inputs), -1, -2)
        kernel = kernel.reshape(*lead, layer.inputs, layer.outputs)
        if layer.bias is None:
            return kernel
        bias = rows[..., starts[1] : starts[1] + layer.outputs]
        return jnp.concatenate([kernel, bias[..., None, :]], axis=-2)


@dataclass(frozen=True)
class _Kronecker:
    """See `kronecker`."""

    paths: str | None

    def curvature(self, network: Network) -> Curvature:
        """Eigenvalues and eigenvectors of the factors, on the host."""
        chosen, size = leaves_matching(network, self.paths)
        axes = _axes(network, chosen)
        factors = total_over_batches(
            network,
            rows_at_once(network.batch_size, axes.numbers(network.outputs, size)),
            lambda batch: _sums(
                network.apply_fn, network.likelihood, axes, network.params, batch.x, batch.weight
            ),
        )
        spectra, basis = zip(*(_decomposed(each) for each in factors), strict=True)
        values = np.concatenate(spectra)
        return Curvature(axes, tuple(basis), values, chosen, size, "Kronecker factors")


def _axes(network: Network, chosen: tuple[int, ...]) -> _Axes:
    """The layers of the chosen leaves; raise unless all of these are of layers."""
    x = next(iter(batches(network.x, network.y, 2))).x
    rows = len(jax.tree.leaves(x)[0])
    found = find_layers(network.apply_fn, network.params, x)
    _check_all_dense(network, found, chosen)
    ends = np.cumsum([network.sizes[i] for i in chosen])
    starts = {i: int(end) - network.sizes[i] for i, end in zip(chosen, ends, strict=True)}
    places = [at for at, layer in enumerate(found.layers) if layer.kernel in starts]
    layers = [
        layer if layer.bias in starts else layer._replace(bias=None)
        for layer in (found.layers[at] for at in places)
    ]
    return _Axes(
        tuple(layers),
        tuple(places),
        tuple((starts[one.kernel], 0 if one.bias is None else starts[one.bias]) for one in layers),
        tuple(max(1, int(np.prod(found.shapes[at].shape[:-1])) // rows) for at in places),
    )


def kronecker(paths: str | None = None) -> Structure:
    r"""Layers that do not correlate, each with a Kronecker product as its curvature.

    $$H_\ell \approx \frac 1 M \sum_m a_m a_m^T \otimes \sum_m \sum_k g_{mk} g_{mk}^T$$
    with $a$ the inputs of a layer (and a 1 for its bias) and $g_k$ the gradients at its outputs of
    the columns of a root of the likelihood's Hessian (Martens and Grosse, 2015; Ritter, Botev and
    Barber, 2018, A scalable Laplace approximation for neural networks). A layer that is applied at
    several positions of an example counts each as a row, as do the patches of a convolution:
    KFAC-expand (Grosse and Martens, 2016; Eschenhagen et al., 2023).
    Exact for one layer whose gradients do not depend on its inputs, as in linear regression.

    The layers are found in the function itself, as products of values [..., inputs] with a matrix
    of the parameters, whichever library wrote them; examples must be the leading axis of these
    values. `laplace` raises for parameters that are used otherwise, such as scales, recurrent cells
    and embeddings, and names them.

    Args:
        paths: A pattern that matches the whole names of the uncertain leaves, such as
            `".*(kernel|bias)"`, of layers alone; None takes all.

    Returns:
        A structure for `laplace`.

    Example:
        >>> kronecker(".*/Dense_.*")
        _Kronecker(paths='.*/Dense_.*')
    """
    return _Kronecker(paths)


@owned_jit(static=3)
def _sums(
    apply_fn: ApplyFn, likelihood: Likelihood, axes: _Axes, params: Params, x: Any, weight: Array
) -> list[_Factors]:
    outputs, inputs, pull = tapped(apply_fn, params, x)
    wide = outputs.astype(jnp.promote_types(outputs.dtype, jnp.float32))
    roots = likelihood.root(wide) * weight.astype(wide.dtype)[:, None, None]
    (gradients,) = jax.vmap(pull)(jnp.moveaxis(roots, 2, 0).astype(outputs.dtype))
    weight = weight.astype(wide.dtype)
    return [
        _layer_sums(layer, inputs[at].astype(wide.dtype), gradients[at].astype(wide.dtype), weight)
        for layer, at in zip(axes.layers, axes.places, strict=True)
    ]


def _layer_sums(layer: Layer, a: Array, g: Array, weight: Array) -> _Factors:
    positions = a.size // (layer.inputs * len(weight))
    if a.shape[0] % len(weight):
        raise ValueError(
            f"structure: kronecker() expects examples on the leading axis of each layer's inputs, "
            f"got inputs of shape {a.shape} for {len(weight)} examples; use last_layer(), "
            "diagonal() or low_rank(rank, key)"
        )
    a, g = _with_one(layer, a.reshape(-1, layer.inputs)), g.reshape(-1, layer.outputs)
    each = jnp.repeat(weight, positions)
    return _Factors((a * each[:, None]).T @ a, g.T @ g, each.sum())


def _with_one(layer: Layer, a: Array) -> Array:
    """Inputs [..., inputs], with a 1 at the end if the layer has a bias."""
    if layer.bias is None:
        return a
    return jnp.concatenate([a, jnp.ones((*a.shape[:-1], 1), a.dtype)], axis=-1)


def _layer_covariance(a: Array, g: Array, variance: Array) -> Array:
    """What a layer adds, [rows, k, k]: a [rows, t, i], g [k, rows, t, o], variance [i, o]."""
    if a.shape[1] == 1:
        each = jnp.square(a[:, 0]) @ variance
        return jnp.einsum("kbo,bo,lbo->bkl", g[:, :, 0], each, g[:, :, 0])
    along = jnp.einsum("bti,kbto->bkio", a, g)
    return jnp.einsum("bkio,io,blio->bkl", along, variance, along)


def _decomposed(factors: _Factors) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Products of the factors' eigenvalues, and their eigenvectors."""
    # numpy's own LAPACK: that of XLA can hang where two programs call it at once on a CPU
    left, left_axes = np.linalg.eigh(factors.inputs / factors.positions)
    right, right_axes = np.linalg.eigh(factors.outputs)
    products = np.outer(np.maximum(left, 0), np.maximum(right, 0))
    return products.ravel(), (left_axes, right_axes)


def _check_all_dense(network: Network, found: Walk, chosen: tuple[int, ...]) -> None:
    kernels = {layer.kernel for layer in found.layers}
    biases = {layer.bias: layer.kernel in chosen for layer in found.layers}
    wrong = []
    for i in chosen:
        if i in found.others:
            wrong.append(f"{network.names[i]} is used by {found.others[i]}")
        elif not biases.get(i, i in kernels):
            use = "the bias of a layer whose kernel is not chosen" if i in biases else "not used"
            wrong.append(f"{network.names[i]} is {use}")
    if wrong:
        raise ValueError(
            "structure: kronecker() has factors for dense layers, x W + b, and for convolutions of "
            f"one group, but {', '.join(wrong[:6])}; leave them out, kronecker(paths), or use "
            "last_layer(), diagonal() or low_rank(rank, key)"
        )
