"""Poisson sampling: each step draws each row of the data independently."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_rows, check_scalar
from paramjax._types import Array, Key, Metrics, PyTree
from paramjax.step._state import Trainer, TrainState, WholeDataTrainer
from paramjax.step.grads._directions import sampling_key
from paramjax.step.grads._expect import check_positive
from paramjax.step.grads._masked import Masked

_OVERFLOW = 1e-9


def poisson(
    trainer: Trainer, sampling_rate: float | Array, *, capacity: int | None = None
) -> Trainer:
    """Hand each step rows drawn independently from the whole data, as `Masked` rows.

    The sampling that the privacy of `epsilon` is computed for (Abadi et al., 2016, section
    3.1); batches in a shuffled order, which are easier, are less private (Chua et al.,
    2024, How private are DP-SGD implementations?). The number of rows is random, so they
    are gathered into `capacity` places with a mask. Rows beyond it are dropped, which
    costs a privacy of its own (Chua et al., 2024, Scalable DP-SGD: shuffling vs. Poisson
    subsampling): at most `steps * (1 + exp(epsilon))` times the probability of an overflow
    is to be added to delta.

    Row i of step t is drawn where the i-th of `jax.random.bits` of the key
    `fold_in(fold_in(state.key, 0x5A3B0000), t)` is below `sampling_rate * 2**32`.

    Args:
        trainer: A trainer that takes `Masked` batches, such as one of `private`.
        sampling_rate: The probability of each row at each step, in (0, 1]; it is kept to
            32 bits, never rounded up.
        capacity: Places for rows; None takes as many as make an overflow less probable
            than 1e-9 a step.

    Returns:
        A trainer whose step takes the whole data as its batch; `fit` refuses a batch size.
        Its metrics are the trainer's and `sampled`, the rows drawn, and `overflow`, the
        rows of them that were dropped.

    Raises:
        TypeError: If the trainer is none, or a number is none.
        ValueError: If the rate is outside (0, 1], a traced rate comes without a capacity,
            or (at the first step) the leaves of the data disagree in length.

    Example:
        >>> def step(state, batch):
        ...     return state, {"total": jnp.where(batch.mask, batch.rows, 0.0).sum()}
        >>> trainer = poisson(Trainer(None, step, None), 1.0)
        >>> state = TrainState(jnp.int32(0), (), (), (), (), jax.random.key(0))
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
        places = _places(rows, sampling_rate) if capacity is None else min(capacity, rows)
        drawn = _draw(sampling_key(state.key, state.step), rows, sampling_rate)
        sampled = drawn.sum(dtype=jnp.int32)
        # of equal values the first ones: the rows drawn, in order, then rows that are masked
        chosen = jax.lax.top_k(drawn.astype(jnp.float32), places)[1]
        batch = jax.tree.map(lambda leaf: jnp.asarray(leaf)[chosen], data)
        state, metrics = trainer.step(state, Masked(batch, jnp.arange(places) < sampled))
        overflow = jnp.maximum(sampled - places, 0)
        return state, {**metrics, "sampled": sampled, "overflow": overflow}

    return WholeDataTrainer(trainer.init, step, trainer.eval_params)


def _places(rows: int, sampling_rate: Any) -> int:
    """The binomial quantile beyond which the number of rows hardly ever lies."""
    from scipy import stats  # 0.4 s to import, and only private runs want it

    return max(1, int(stats.binom.isf(_OVERFLOW, rows, float(sampling_rate))))


def _draw(key: Key, rows: int, sampling_rate: Any) -> Array:
    """Whether each row is drawn, bool[rows], from 32 bits each.

    Uniform floats have 23 bits: a rate of 1e-6 would become 1.07e-6, more than what the
    privacy was computed for.
    """
    bits = jax.random.bits(key, (rows,), jnp.uint32)
    if isinstance(sampling_rate, jax.core.Tracer):
        scaled = jnp.asarray(sampling_rate, jnp.float32) * jnp.float32(2.0**32)
        return (bits < scaled.astype(jnp.uint32)) | (sampling_rate >= 1)
    if float(sampling_rate) == 1:
        return jnp.ones(rows, bool)
    return bits < jnp.uint32(int(float(sampling_rate) * 2**32))
