"""Leaves of the parameters that are uncertain: by a pattern, or those of the last layer."""

from __future__ import annotations

import jax

from paramjax._paths import matching
from paramjax.estimate.networks._layers import find_layers
from paramjax.estimate.networks._network import Network, batches


def leaves_matching(network: Network, paths: str | None) -> tuple[tuple[int, ...], int]:
    """Indices of the leaves whose names match, and how many numbers they hold."""
    count = len(network.sizes)
    chosen = [True] * count
    if paths is not None:
        chosen = jax.tree.leaves(matching(paths, network.params, what="structure: paths"))
    indices = tuple(i for i in range(count) if chosen[i])
    return indices, sum(network.sizes[i] for i in indices)


def last_layer_leaves(network: Network) -> tuple[tuple[int, ...], int]:
    """Kernel and bias of the dense layer that the function evaluates last.

    Raises:
        ValueError: If it has no dense layer.
    """
    x = next(iter(batches(network.x, network.y, 2))).x
    layers = find_layers(network.apply_fn, network.params, x).layers
    if not layers:
        raise ValueError(
            "structure: found no dense layer, a product of inputs with a leaf of the parameters; "
            f"name the leaves, last_layer(paths=...), of {', '.join(network.names[:20])}"
        )
    last = layers[-1]
    indices = tuple(sorted(i for i in (last.kernel, last.bias) if i is not None))
    return indices, sum(network.sizes[i] for i in indices)
