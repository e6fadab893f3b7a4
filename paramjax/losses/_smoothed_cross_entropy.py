"""Cross-entropy against labels that keep some probability for the other classes."""

from __future__ import annotations

import jax

from paramjax._types import Array
from paramjax.losses._cross_entropy import cross_entropy
from paramjax.losses._scalars import check_scalar
from paramjax.losses._supervised import PerExample


def smoothed_cross_entropy(epsilon: float | Array) -> PerExample:
    r"""$$\ell_i = -(1-\epsilon)\log p_{i,y_i} - \frac{\epsilon}{K}\sum_{k=1}^K \log p_{ik}$$
    with $p$ the softmax of the logits (Szegedy et al., 2016, Rethinking the Inception
    architecture, section 7), as `optax.smooth_labels` and
    `optax.losses.softmax_cross_entropy` give it together.

    Args:
        epsilon: The probability that is spread evenly over all K classes, in [0, 1], or a
            traced scalar.

    Returns:
        `(logits [batch, ..., classes], integer labels [batch, ...]) -> [batch, ...]`, for
        `supervised`. It treats labels as `cross_entropy` does: one out of range gives NaN.

    Raises:
        TypeError: If epsilon is no number, or, at the first call, labels are not integers.
        ValueError: If epsilon is outside [0, 1], or, at the first call, the shapes do not
            fit.

    Example:
        >>> import jax.numpy as jnp
        >>> logits, labels = jnp.array([[2.0, 0.0]]), jnp.array([0])
        >>> smoothed_cross_entropy(0.1)(logits, labels).tolist()
        [0.2269]
    """
    check_scalar("smoothed_cross_entropy: epsilon", epsilon, high=1.0)

    def per_example(logits: Array, labels: Array) -> Array:
        sharp = cross_entropy(logits, labels)
        even = jax.nn.logsumexp(logits, axis=-1) - logits.mean(axis=-1)
        return (1 - epsilon) * sharp + epsilon * even

    return per_example
