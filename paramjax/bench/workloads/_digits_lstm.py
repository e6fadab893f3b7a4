"""Handwritten digits read row by row: a recurrent network over sequences of eight."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Array, Key, Params
from paramjax.bench.workloads._digits_mlp import TWO_ROWS, TWO_ROWS_REASON
from paramjax.bench.workloads._workload import Workload
from paramjax.data._bundled import digits
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import accuracy
from paramjax.models import LSTM, Dense

_MEMORY, _LOGITS = LSTM(32), Dense(10)


def _load() -> dict[str, np.ndarray]:
    """The digits as sequences of eight rows of eight pixels, top to bottom."""
    rows = digits()
    return {**rows, "x": rows["x"].reshape(-1, 8, 8)}


def _init(key: Key) -> Params:
    memory, logits = jax.random.split(key)
    return {
        "memory": _MEMORY.init(memory, jnp.zeros((1, 8, 8))),
        "logits": _LOGITS.init(logits, jnp.zeros((1, 32))),
    }


def _apply(params: Params, x: Array) -> Any:
    """The logits [batch, 10] of what the memory holds after the last row."""
    outputs: Any = _MEMORY.apply(params["memory"], x)
    return _LOGITS.apply(params["logits"], outputs[:, -1])


DIGITS_LSTM = Workload(
    name="digits_lstm",
    description="LSTM of 32 units on 1,797 handwritten digits, read as 8 rows of 8 pixels",
    data=_load,
    init=_init,
    loss_fn=supervised(_apply, cross_entropy, {"accuracy": accuracy}),
    metric="accuracy",
    maximise=True,
    batch_size=64,
    margin=TWO_ROWS,
    margin_reason=TWO_ROWS_REASON,
    target=0.963,
)
