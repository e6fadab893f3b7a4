"""The curvature of a likelihood in its own axes, whatever its structure.

All structures are `Q diag(d) Q^T` with orthonormal columns Q. A prior of one precision adds a
number to each eigenvalue, so one decomposition serves every prior and every noise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np

from paramjax._types import Array, Params
from paramjax.estimate.networks._network import ApplyFn, Network, jacobian


class Form(ABC):
    """How rows of numbers go to the axes of a curvature and back; hashable, for programs."""

    @abstractmethod
    def into(self, basis: Any, rows: Array) -> Array:
        """Coordinates [..., c] of rows [..., p] of parameters."""

    @abstractmethod
    def back(self, basis: Any, coordinates: Array) -> Array:
        """Parameters [..., p] of coordinates [..., c]."""

    def distribution(
        self,
        apply_fn: ApplyFn,
        chosen: tuple[int, ...],
        params: Params,
        basis: Any,
        variances: Array,
        x: Any,
    ) -> tuple[Array, Array]:
        """Mean [batch, k] and covariance [batch, k, k] of the outputs, by their Jacobian."""
        mean, rows = jacobian(apply_fn, chosen, params, x)
        along = self.into(basis, rows)
        return mean, jnp.einsum("bcp,p,bdp->bcd", along, variances, along)

    def numbers(self, outputs: int, size: int) -> int:
        """How many numbers `distribution` needs for a row."""
        return outputs * size


@dataclass(frozen=True, eq=False)
class Curvature:
    """The generalised Gauss-Newton matrix of minus the likelihood's `fit`, summed over rows.

    Attributes:
        form: How to reach its axes.
        basis: A pytree of arrays for the form.
        eigenvalues: float64[r], not negative; of further directions they are 0.
        chosen: Indices of the leaves that are uncertain, whose numbers are the p parameters.
        size: p.
        flat: Coordinates beyond `eigenvalues`, whose eigenvalue is 0: of a low-rank form p.
        title: Such as "Kronecker factors".
    """

    form: Form
    basis: Any
    eigenvalues: np.ndarray
    chosen: tuple[int, ...]
    size: int
    title: str
    flat: int = 0

    def variances(self, prior_precision: float, noise: float) -> np.ndarray:
        """Of the posterior along each coordinate, float64[c]."""
        spectrum = np.pad(self.eigenvalues / noise**2, (0, self.flat))
        return np.asarray(1 / (spectrum + prior_precision))


class Structure(Protocol):
    """Which parameters are uncertain, and the form of their curvature."""

    def curvature(self, network: Network) -> Curvature:
        """The curvature of a network on its data."""
