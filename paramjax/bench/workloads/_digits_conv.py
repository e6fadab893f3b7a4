"""Handwritten digits with a small convolutional network: shared weights and pooling."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from paramjax._types import Key, Params
from paramjax.bench.workloads._digits_mlp import TWO_ROWS, TWO_ROWS_REASON
from paramjax.bench.workloads._workload import Workload
from paramjax.data._bundled import digits
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import accuracy
from paramjax.models import CNN

_MODEL = CNN(channels=(8, 16), features=(10,))


def _load() -> dict[str, np.ndarray]:
    """The digits as images of one channel."""
    rows = digits()
    return {**rows, "x": rows["x"].reshape(-1, 8, 8, 1)}


def _init(key: Key) -> Params:
    return _MODEL.init(key, jnp.zeros((1, 8, 8, 1)))


DIGITS_CONV = Workload(
    name="digits_conv",
    description="two 3x3 convolutions and pooling on 1,797 handwritten digits of 8x8 pixels",
    data=_load,
    init=_init,
    loss_fn=supervised(_MODEL.apply, cross_entropy, {"accuracy": accuracy}),
    metric="accuracy",
    maximise=True,
    batch_size=64,
    margin=TWO_ROWS,
    margin_reason=TWO_ROWS_REASON,
    target=0.972,
)
