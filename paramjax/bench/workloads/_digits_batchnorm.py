"""Handwritten digits with batch normalisation: a model with state that no gradient changes."""

from __future__ import annotations

import functools

import jax.numpy as jnp
import numpy as np

from paramjax._types import Array, Batch, Key, Metrics, ModelState, Params
from paramjax.bench.workloads._digits_mlp import TWO_ROWS, TWO_ROWS_REASON
from paramjax.bench.workloads._workload import Workload, evaluate_with
from paramjax.data._bundled import digits
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import accuracy
from paramjax.models import BatchNormMLP

_MODEL = BatchNormMLP((64, 10))
_METRICS = {"accuracy": accuracy}
_HELD_OUT = supervised(functools.partial(_MODEL.apply, train=False), cross_entropy, _METRICS)
_START = {"mean": np.zeros(64, np.float32), "var": np.ones(64, np.float32)}


def _init(key: Key) -> Params:
    return _MODEL.init(key, jnp.zeros((1, 64)), train=False)["params"]


def _train(params: Params, model_state: ModelState, x: Array) -> tuple[Array, ModelState]:
    """Logits normalised by the batch, and the new running averages."""
    variables = {"params": params, **model_state}
    logits, updated = _MODEL.apply(variables, x, train=True, mutable=["batch_stats"])
    return logits, updated


def _evaluate(params: Params, model_state: ModelState, data: Batch) -> Metrics:
    """Loss and accuracy normalised by the running averages."""
    return evaluate_with(_HELD_OUT)({"params": params, **model_state}, data)


DIGITS_BATCHNORM = Workload(
    name="digits_batchnorm",
    description="64-64-10 network with batch normalisation on 1,797 handwritten digits",
    data=digits,
    init=_init,
    loss_fn=supervised(_train, cross_entropy, _METRICS, stateful=True),
    evaluate=_evaluate,
    model_state={"batch_stats": {"BatchNorm_0": _START}},
    stateful=True,
    metric="accuracy",
    maximise=True,
    batch_size=128,
    margin=TWO_ROWS,
    margin_reason=TWO_ROWS_REASON,
    target=0.97,
)
