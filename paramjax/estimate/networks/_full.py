"""Curvature with all correlations, of few parameters: those of the last layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from paramjax._programs import owned_jit
from paramjax._types import Array, Params
from paramjax.estimate.networks._curvature import Curvature, Form, Structure
from paramjax.estimate.networks._leaves import last_layer_leaves, leaves_matching
from paramjax.estimate.networks._likelihoods import Likelihood
from paramjax.estimate.networks._network import (
    ApplyFn,
    Network,
    jacobian,
    rows_at_once,
    total_over_batches,
)

MOST = 8192
"""Parameters of a full matrix: 512 MiB in float64."""


@dataclass(frozen=True)
class _Eigenvectors(Form):
    """The axes are columns of a matrix, the basis."""

    def into(self, basis: Array, rows: Array) -> Array:
        return rows @ basis

    def back(self, basis: Array, coordinates: Array) -> Array:
        return coordinates @ basis.T


@dataclass(frozen=True)
class _Full:
    """See `full` and `last_layer`."""

    paths: str | None
    last: bool

    def curvature(self, network: Network) -> Curvature:
        """Eigenvalues and eigenvectors of the whole matrix, on the host."""
        find = self.last and self.paths is None
        chosen, size = last_layer_leaves(network) if find else leaves_matching(network, self.paths)
        if size > MOST:
            raise ValueError(
                f"structure: expected at most {MOST} parameters for a full matrix, got {size}; "
                "use kronecker(), low_rank(rank, key) or diagonal(), or fewer leaves"
            )
        matrix = total_over_batches(
            network,
            rows_at_once(network.batch_size, network.outputs * size),
            lambda batch: _products(
                network.apply_fn, network.likelihood, chosen, network.params, batch.x, batch.weight
            ),
        )
        # numpy's own LAPACK: that of XLA can hang where two programs call it at once on a CPU
        values, vectors = np.linalg.eigh(matrix)
        title = "last layer, full" if self.last else "full"
        return Curvature(_Eigenvectors(), vectors, np.maximum(values, 0), chosen, size, title)


def full(paths: str | None = None) -> Structure:
    r"""Parameters with all their correlations.

    $$H = \sum_n J_n^T \Lambda_n J_n$$
    the generalised Gauss-Newton matrix (Schraudolph, 2002), with J the Jacobian of the outputs and
    $\Lambda$ the Hessian of minus the log likelihood by them. Exact for a model that is linear in
    its parameters.

    Args:
        paths: A pattern that matches the whole names of the uncertain leaves, such as
            `"head/.*"`; None takes all. They may hold 8192 numbers.

    Returns:
        A structure for `laplace`.

    Example:
        >>> full("head/.*")
        _Full(paths='head/.*', last=False)
    """
    return _Full(paths, last=False)


def last_layer(paths: str | None = None) -> Structure:
    """The last layer with all its correlations; all other parameters are taken as known.

    Daxberger et al. (2021, Laplace redux, section 3.1): most of the calibration at a small part of
    the cost.

    Args:
        paths: A pattern that matches the whole names of the layer's leaves, such as
            `"params/Dense_1/.*"`; None finds the dense layer that the function evaluates last.

    Returns:
        A structure for `laplace`.

    Example:
        >>> last_layer()
        _Full(paths=None, last=True)
    """
    return _Full(paths, last=True)


@owned_jit(static=3)
def _products(
    apply_fn: ApplyFn, likelihood: Likelihood, chosen: tuple[int, ...], params: Params, x: Any,
    weight: Array,
) -> Array:  # fmt: skip
    outputs, rows = jacobian(apply_fn, chosen, params, x)
    halves = jnp.einsum("bcr,bcp->brp", likelihood.root(outputs), rows)
    flat = (halves * weight.astype(rows.dtype)[:, None, None]).reshape(-1, rows.shape[-1])
    return flat.T @ flat
