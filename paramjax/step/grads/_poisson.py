"""Poisson sampling: each step draws each row of the data independently."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_rows, check_scalar
from paramjax._types import Array, Key, Metrics, PyTree
from paramjax.step._state import Masked, Trainer, TrainState, WholeDataTrainer
from paramjax.step.grads._checks import check_positive

_OVERFLOW = 1e-9
# beyond 2**31, the number of no step: another key than `fold_in(key, step)`, the step's own
_SAMPLING = 0x5A3B0000


def poisson(
    trainer: Trainer, sampling_rate: float | Array, *, capacity: int | None = None
) -> Trainer:
    """Give each step rows drawn independently from the whole data, as `Masked` rows.

    The sampling that `epsilon` assumes (Abadi et al., 2016, section 3.1); batches in a
    shuffled order, which are easier, are less private (Chua et al., 2024, How private are
    DP-SGD implementations?). The number of rows is random, so they are gathered into
    `capacity` rows with a mask. Rows beyond it are dropped, which costs privacy (Chua et al.,
    2024, Scalable DP-SGD: shuffling vs. Poisson subsampling): add at most
    `steps * (1 + exp(epsilon))` times the probability of an overflow to delta.

    Row i of step t is drawn where the i-th of `jax.random.bits` of the key
    `fold_in(fold_in(state.key, 0x5A3B0000), t)` is below `sampling_rate * 2**32`.

    Args:
        trainer: A trainer that takes `Masked` batches, such as one of `private`.
        sampling_rate: The probability of each row at each step, in (0, 1]; it is kept to
            32 bits, never rounded up.
        capacity: Rows of a batch; None takes as many as make an overflow less probable
            than 1e-9 per step.

    Returns:
        A trainer whose step takes the whole data as its batch, so that `fit` raises if it
        gets a batch size. Its metrics are the trainer's and `sampled`, the rows drawn, and
        `overflow`, the drawn rows that were dropped. A step that drew no row has no loss of
        its own: `best_params` and `average_metrics` leave it out.

    Raises:
        TypeError: If the trainer is not a Trainer, or another argument is not a number.
        ValueError: If the rate is outside (0, 1], a traced rate comes without a capacity,
            or (at the first step) the leaves of the data disagree in length.

    Example:
        >>> import paramjax as pj
        >>> def step(state, batch):
        ...     return state, {"total": jnp.where(batch.mask, batch.rows, 0.0).sum()}
        >>> trainer = pj.grads.poisson(pj.Trainer(None, step, None), 1.0)
        >>> state = pj.TrainState(jnp.int32(0), (), (), (), (), jax.random.key(0))
        >>> _, metrics = trainer.step(state, jnp.array([1.0, 2.0, 4.0]))
        >>> float(metrics["total"]), int(metrics["sampled"]), int(metrics["overflow"])
        (7.0, 3, 0)
    """
    if not isinstance(trainer, Trainer):
        raise TypeError(f"poisson: expected a trainer, got {type(trainer).__name__}")
    check_scalar("poisson: sampling_rate", sampling_rate, high=1.0)
    check_positive("poisson: sampling_rate", sampling_rate)
    if capacity is not None:
        check_count("poisson: capacity", capacity)
    elif isinstance(sampling_rate, jax.core.Tracer):
        raise ValueError(
            "poisson: capacity: needed where the sampling rate is traced, because a shape cannot "
            "depend on it"
        )

    def step(state: TrainState, data: PyTree) -> tuple[TrainState, Metrics]:
        rows = check_rows("poisson", data)
        size = _default_capacity(rows, sampling_rate) if capacity is None else min(capacity, rows)
        key = jax.random.fold_in(jax.random.fold_in(state.key, jnp.uint32(_SAMPLING)), state.step)
        drawn = _draw(key, rows, sampling_rate)
        sampled = drawn.sum(dtype=jnp.int32)
        # of equal values the first ones: the drawn rows, in order, then rows that are masked
        chosen = jax.lax.top_k(drawn.astype(jnp.float32), size)[1]
        batch = jax.tree.map(lambda leaf: jnp.asarray(leaf)[chosen], data)
        state, metrics = trainer.step(state, Masked(batch, jnp.arange(size) < sampled))
        overflow = jnp.maximum(sampled - size, 0)
        return state, {**metrics, "sampled": sampled, "overflow": overflow}

    return WholeDataTrainer(*trainer._replace(step=step))


def _default_capacity(rows: int, sampling_rate: Any) -> int:
    """The binomial quantile that the number of drawn rows hardly ever exceeds."""
    from scipy import stats  # 0.4 s to import, and only private runs need it

    return max(1, int(stats.binom.isf(_OVERFLOW, rows, float(sampling_rate))))


def _draw(key: Key, rows: int, sampling_rate: Any) -> Array:
    """Whether each row is drawn, bool[rows], from 32 bits each.

    Uniform floats have 23 bits: a rate of 1e-6 would become 1.07e-6, more than what the
    privacy was computed for.
    """
    bits = jax.random.bits(key, (rows,), jnp.uint32)
    if isinstance(sampling_rate, jax.core.Tracer):
        scaled = jnp.asarray(sampling_rate, jnp.float32) * jnp.float32(2.0**32)
        return jnp.logical_or(bits < scaled.astype(jnp.uint32), sampling_rate >= 1)
    if float(sampling_rate) == 1:
        return jnp.ones(rows, bool)
    return jnp.less(bits, jnp.uint32(int(float(sampling_rate) * 2**32)))
