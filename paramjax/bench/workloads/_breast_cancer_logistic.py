"""Breast cancer with logistic regression: convex, tabular, nearly separable."""

from __future__ import annotations

import jax.numpy as jnp

from paramjax._types import Key, Params
from paramjax.bench.workloads._workload import Workload, evaluate_with
from paramjax.data._bundled import breast_cancer
from paramjax.data._splits import Splits, split, standardise
from paramjax.losses import binary_cross_entropy, supervised
from paramjax.metrics import binary_accuracy
from paramjax.models import Linear

_MODEL = Linear(1)
_LOSS = supervised(_MODEL.apply, binary_cross_entropy, {"accuracy": binary_accuracy})


def _load() -> Splits:
    return standardise(split(breast_cancer()))


def _init(key: Key) -> Params:
    return _MODEL.init(key, jnp.zeros((1, 30)))


BREAST_CANCER_LOGISTIC = Workload(
    name="breast_cancer_logistic",
    description="logistic regression on 569 rows and 30 standardised features",
    load=_load,
    init=_init,
    loss_fn=_LOSS,
    evaluate=evaluate_with(_LOSS),
    metric="loss",
    maximise=False,
    batch_size=64,
)
