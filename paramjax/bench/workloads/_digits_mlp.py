"""Handwritten digits with a small multilayer perceptron: not convex, small, quick."""

from __future__ import annotations

import jax.numpy as jnp

from paramjax._types import Key, Params
from paramjax.bench.workloads._workload import Workload
from paramjax.data._bundled import digits
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import accuracy
from paramjax.models import MLP

TWO_ROWS, TWO_ROWS_REASON = 0.0056, "two of the 359 test rows, which are more than half a point"

_MODEL = MLP((64, 10), activation="relu")


def _init(key: Key) -> Params:
    return _MODEL.init(key, jnp.zeros((1, 64)))


DIGITS_MLP = Workload(
    name="digits_mlp",
    description="64-64-10 ReLU network on 1,797 handwritten digits of 8x8 pixels",
    data=digits,
    init=_init,
    loss_fn=supervised(_MODEL.apply, cross_entropy, {"accuracy": accuracy}),
    metric="accuracy",
    maximise=True,
    batch_size=128,
    margin=TWO_ROWS,
    margin_reason=TWO_ROWS_REASON,
    target=0.967,
)
