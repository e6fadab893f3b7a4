"""Curvature without correlations: the diagonal of the generalised Gauss-Newton matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from paramjax._programs import owned_jit
from paramjax._types import Array, Params
from paramjax.estimate.networks._curvature import Curvature, Form, Structure
from paramjax.estimate.networks._leaves import leaves_matching
from paramjax.estimate.networks._likelihoods import Likelihood
from paramjax.estimate.networks._network import (
    ApplyFn,
    Network,
    jacobian,
    rows_at_once,
    total_over_batches,
)


@dataclass(frozen=True)
class _Identity(Form):
    """The parameters are the axes."""

    def into(self, basis: Any, rows: Array) -> Array:
        return rows

    def back(self, basis: Any, coordinates: Array) -> Array:
        return coordinates


@dataclass(frozen=True)
class _Diagonal:
    """See `diagonal`."""

    paths: str | None

    def curvature(self, network: Network) -> Curvature:
        """The sum of squares of each parameter's derivatives."""
        chosen, size = leaves_matching(network, self.paths)
        entries = total_over_batches(
            network,
            rows_at_once(network.batch_size, network.outputs * size),
            lambda batch: _squares(
                network.apply_fn, network.likelihood, chosen, network.params, batch.x, batch.weight
            ),
        )
        return Curvature(_Identity(), (), np.asarray(entries), chosen, size, "diagonal")


def diagonal(paths: str | None = None) -> Structure:
    r"""Parameters whose uncertainties do not correlate.

    $$H_{jj} = \sum_n \sum_{kl} J_{nkj} \Lambda_{nkl} J_{nlj}$$
    with J the Jacobian of the outputs and $\Lambda$ the Hessian of minus the log likelihood by
    them (the diagonal of the generalised Gauss-Newton matrix; Daxberger et al., 2021, Laplace
    redux). Every function can have it; it understates the uncertainty along directions in which
    parameters compensate one another.

    Args:
        paths: A pattern that matches the whole names of the uncertain leaves, such as
            `"head/.*"`; None takes all.

    Returns:
        A structure for `laplace`.

    Example:
        >>> diagonal("head/.*")
        _Diagonal(paths='head/.*')
    """
    return _Diagonal(paths)


@owned_jit(static=3)
def _squares(
    apply_fn: ApplyFn, likelihood: Likelihood, chosen: tuple[int, ...], params: Params, x: Any,
    weight: Array,
) -> Array:  # fmt: skip
    outputs, rows = jacobian(apply_fn, chosen, params, x)
    halves = jnp.einsum("bcr,bcp->brp", likelihood.root(outputs), rows)
    return jnp.einsum("b,brp->p", weight.astype(rows.dtype), jnp.square(halves))
