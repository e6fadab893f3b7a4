"""Handwritten digits with a small multilayer perceptron: not convex, small, quick."""

from __future__ import annotations

import jax.numpy as jnp

from paramjax._types import Key, Params
from paramjax.bench.workloads._workload import Workload, evaluate_with
from paramjax.data._bundled import digits
from paramjax.data._splits import Splits, split
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import accuracy
from paramjax.models import MLP

_MODEL = MLP((64, 10), activation="relu")
_LOSS = supervised(_MODEL.apply, cross_entropy, {"accuracy": accuracy})


def _load() -> Splits:
    return split(digits())


def _init(key: Key) -> Params:
    return _MODEL.init(key, jnp.zeros((1, 64)))


DIGITS_MLP = Workload(
    name="digits_mlp",
    description="64-64-10 ReLU network on 1,797 handwritten digits of 8x8 pixels",
    load=_load,
    init=_init,
    loss_fn=_LOSS,
    evaluate=evaluate_with(_LOSS),
    metric="accuracy",
    maximise=True,
    batch_size=128,
)
