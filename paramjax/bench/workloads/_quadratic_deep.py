"""DeepOBS's noisy quadratic: a hundred parameters, ten steep directions, its best loss known."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np

from paramjax._types import Array, Batch, Key, Metrics, Params
from paramjax.bench.workloads._workload import Workload

_DIMENSION, _BATCH, _ROWS = 100, 128, 1000


@functools.cache
def hessian() -> np.ndarray:
    """The curvature H = R' diag(e) R of `quadratic_deep`, float64[100, 100].

    Ninety eigenvalues are uniform in (0, 1) and ten in (30, 60); R is a random rotation.

    Example:
        >>> hessian().shape
        (100, 100)
    """
    draw = np.random.RandomState(42)
    eigenvalues = np.concatenate([draw.uniform(0, 1, 90), draw.uniform(30, 60, 10)])
    rotation = _random_rotation(draw, _DIMENSION)
    product: np.ndarray = rotation.T @ np.diag(eigenvalues) @ rotation
    return product


def _random_rotation(draw: np.random.RandomState, dimension: int) -> np.ndarray:
    """A rotation drawn uniformly, one dimension after another (Stewart, 1980)."""
    angle = 2 * np.pi * draw.uniform()
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for size in range(2, dimension):
        v = draw.normal(size=size + 1)
        v /= np.linalg.norm(v)
        x = np.eye(size + 1)[0] - v
        x /= np.linalg.norm(x)
        larger = np.eye(size + 1)
        larger[1:, 1:] = rotation
        rotation = larger - 2 * np.outer(x, x @ larger)
    return -rotation


def _rows(seed: int, rows: int = _ROWS) -> dict[str, np.ndarray]:
    """Rows of normal noise with standard deviation 0.6."""
    noise = np.random.RandomState(seed).normal(0.0, 0.6, (_ROWS, _DIMENSION))
    return {"x": noise[:rows].astype(np.float32)}


def _held_out(seed: int) -> dict[str, np.ndarray]:
    """Those of the whole batches: DeepOBS drops the last incomplete one in evaluation too."""
    return _rows(seed, _ROWS - _ROWS % _BATCH)


def _init(key: Key) -> Params:
    return jnp.ones(_DIMENSION)


def _loss(params: Params, batch: Batch, key: Key | None) -> tuple[Array, Metrics]:
    """The mean of (params - x)' H (params - x) / 2 over the rows x."""
    away = params.reshape(1, -1) - batch["x"]
    return 0.5 * jnp.mean(jnp.sum((away @ jnp.asarray(hessian(), away.dtype)) * away, axis=1)), {}


QUADRATIC_DEEP = Workload(
    name="quadratic_deep",
    description="DeepOBS's noisy quadratic of 100 parameters, 10 of them steep",
    data=functools.partial(_rows, 42),
    eval_data=functools.partial(_held_out, 44),
    test_data=functools.partial(_held_out, 43),
    init=_init,
    loss_fn=_loss,
    batch_size=_BATCH,
    margin=2.7,
    margin_reason="1 % of the 266 that a well-set AdamW wins",
    target=87.7,
)
