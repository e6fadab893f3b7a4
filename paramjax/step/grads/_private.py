"""Differentially private gradients: each example clipped, the sum noised."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_rows
from paramjax._types import Array, Batch, Key, LossFn, Metrics, Params, PyTree
from paramjax.step._gradients import GradFn
from paramjax.step._norms import squares_of, widened
from paramjax.step._state import Masked
from paramjax.step.grads._checks import check_positive, check_real, checked_loss
from paramjax.step.grads._directions import direction_key, draw_like
from paramjax.step.grads._per_example import rows_and_keys
from paramjax.step.grads._sums import masked_sum

_barrier: Callable[[Array], Array] = jax.lax.optimization_barrier
_NO_NOISE = "a private step needs noise; for clipping alone use optax.contrib.dpsgd"


@dataclass(frozen=True)
class PrivateGradFn(GradFn):
    """An estimator that adds noise once per call, so its batch must not be split."""


def private(
    loss_fn: LossFn,
    *,
    clip_norm: float | Array,
    noise_multiplier: float | Array,
    expected_batch_size: float | Array | None = None,
    microbatch: int | None = None,
) -> PrivateGradFn:
    r"""$$\tilde g = \frac{1}{B}\Big(\sum_i \frac{g_i}{\max(1, \|g_i\|/C)} + \sigma C\,\xi\Big)$$
    with $\xi \sim N(0, I)$.

    Abadi et al. (2016, Deep learning with differential privacy, Algorithm 1). The loss is
    called on batches of one row, with `fold_in(key, i)`, and the noise is one flat normal
    draw of `fold_in(key, 0xD1EC0000)`, cut into leaves in their order. The privacy is that
    of `epsilon`, if the rows are drawn by `poisson` and the run's key stays secret.

    Private are the gradient, `grad_norm` (of the noised gradient), and what follows from
    them alone, such as the parameters. Not private are the loss, the metrics of the loss
    and `clipped`, the share of rows whose gradient was longer than `clip_norm`: do not
    publish these, and use no guard that decides by the loss. A row whose gradient is not
    finite adds nothing to the sum, because clipping could not bound it.

    There is no stateful form: a model state such as batch statistics would be published
    without noise. `accumulate` raises if it gets this estimator, because it would add noise
    in each microbatch; to bound memory use `microbatch` here.

    Args:
        loss_fn: A loss, `(params, batch, key) -> (loss, metrics)`.
        clip_norm: C, the largest norm of one row's gradient, positive.
        noise_multiplier: sigma, standard deviation of the noise divided by C, positive.
        expected_batch_size: B, positive; None takes the rows of the batch. Required for
            `Masked` rows: the sampling rate times the rows of the data.
        microbatch: Rows whose gradients are in memory together, positive; None takes all.

    Returns:
        A GradFn for batches [rows, ...] or `Masked` ones; loss and metrics are means over
        the rows that count, 0 without any (`best_params` and `average_metrics` leave such
        a step out). Its `loss_fn` is None, because a line
        search would spend privacy.

    Raises:
        TypeError: If `loss_fn` is not a loss, or another argument is not a number; at the first
            call, if parameters are complex.
        ValueError: If a number is not positive; at the first call, if the loss is not a
            scalar, or rows are masked and no expected batch size is given.

    Example:
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.sum(params * batch.mean(0)), {})
        >>> grads, _, metrics = pj.grads.private(loss_fn, clip_norm=1.0, noise_multiplier=1e-6)(
        ...     jnp.zeros(2), jnp.array([[3.0, 4.0], [0.6, 0.8]]), jax.random.key(0))
        >>> [round(g, 3) for g in grads.tolist()], float(metrics["clipped"])
        ([0.6, 0.8], 0.5)
    """
    checked = checked_loss("private", loss_fn)
    check_positive("private: clip_norm", clip_norm)
    check_positive("private: noise_multiplier", noise_multiplier, hint=_NO_NOISE)
    if expected_batch_size is not None:
        check_positive("private: expected_batch_size", expected_batch_size)
    if microbatch is not None:
        check_count("private: microbatch", microbatch)

    def of_row(params: Params, row_and_key: tuple[Batch, Key]) -> PyTree:
        grad_and_value = jax.value_and_grad(checked, has_aux=True)
        (loss, metrics), grads = grad_and_value(params, *row_and_key)
        clipped, longer = _clip(grads, clip_norm)
        return clipped, (loss, {**metrics, "clipped": longer})

    def estimate(params: Params, batch: Batch, key: Key) -> tuple[PyTree, Array, Metrics]:
        check_real("private", params)
        batch, mask = _rows_and_mask(batch, expected_batch_size)
        xs = rows_and_keys("private", batch, key)
        sums, reported = masked_sum(lambda x: of_row(params, x), xs, mask, chunk=microbatch)
        noise = draw_like(jax.random.normal, direction_key(key), params)
        size = mask.shape[0] if expected_batch_size is None else expected_batch_size
        deviation = jnp.asarray(noise_multiplier * clip_norm, jnp.float32)
        grads = jax.tree.map(
            lambda s, n, p: ((s + deviation * n) / size).astype(p.dtype), sums, noise, params
        )
        loss, metrics = jax.tree.map(lambda s: s / jnp.maximum(mask.sum(), 1), reported)
        return grads, loss, metrics

    return PrivateGradFn(estimate)


def _rows_and_mask(batch: Batch, expected_batch_size: Any) -> tuple[Batch, Array]:
    """The rows of a batch and which of them count."""
    if not isinstance(batch, Masked):
        return batch, jnp.ones(check_rows("private", batch), bool)
    if expected_batch_size is None:
        raise ValueError(
            "private: expected_batch_size: needed with Masked rows, because their number is "
            "random; give sampling rate times rows of the data"
        )
    check_rows("private", batch)
    return batch.rows, batch.mask.astype(bool)


def _clip(grads: PyTree, clip_norm: Any) -> tuple[PyTree, Array]:
    """One row's gradient within the ball, in at least float32, and whether it was outside."""
    wide = jax.tree.map(widened, grads)
    plain, scaled, factor = squares_of(wide)
    fits = jnp.isfinite(plain)
    shrink = jnp.where(fits, 1 / jnp.maximum(1.0, jnp.sqrt(plain) / clip_norm), 0.0)
    # where the square overflows, the row is scaled down first
    length = jnp.sqrt(jnp.where(fits, 1.0, scaled))
    rescale = jnp.minimum(1 / factor, clip_norm / length)

    def clip(grad: Array) -> Array:
        # without the barrier the compiler multiplies both factors first, which may underflow
        small = _barrier(grad * factor)
        clipped = jnp.where(fits, grad * shrink, small * rescale)
        return jnp.where(jnp.isfinite(scaled), clipped, jnp.zeros([], grad.dtype))

    inside = jnp.where(fits, jnp.sqrt(plain) <= clip_norm, length <= clip_norm * factor)
    return jax.tree.map(clip, wide), ~inside
