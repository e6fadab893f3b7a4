"""A large table with logistic regression: convex, correlated, badly scaled, its best loss known."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from paramjax._types import Key, Params
from paramjax.bench.workloads._workload import Workload
from paramjax.data._validation import table
from paramjax.losses import binary_cross_entropy, supervised
from paramjax.metrics import binary_accuracy
from paramjax.models import Linear

_ROWS, _COLUMNS, _FACTORS = 10_000, 40, 5

_MODEL = Linear(1)


def simulate_table() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The table of `table_logistic`, and the log-odds that its labels were drawn from.

    Columns share five factors, as those of most tables do, and have standard
    deviations from 0.3 to 3. Labels follow a logistic law in them, so no model's expected loss is
    less than the entropy of that law.

    Returns:
        `{"x": float32[10000, 40], "y": int32[10000]}` and float64[10000].

    Example:
        >>> data, log_odds = simulate_table()
        >>> data["x"].shape, log_odds.shape
        ((10000, 40), (10000,))
    """
    draw = np.random.RandomState(0)  # the one generator whose numbers numpy promises to keep
    loadings = draw.normal(size=(_FACTORS, _COLUMNS))
    z = draw.normal(size=(_ROWS, _FACTORS)) @ loadings + draw.normal(size=(_ROWS, _COLUMNS))
    z /= np.sqrt(1 + (loadings**2).sum(axis=0))
    weights = draw.normal(size=_COLUMNS)
    log_odds = -1 + z @ weights * (2 / np.sqrt(weights @ np.cov(z.T) @ weights))
    y = draw.uniform(size=_ROWS) < 1 / (1 + np.exp(-log_odds))
    units = draw.permutation(np.geomspace(0.3, 3, _COLUMNS))
    return table(z * units, y.astype(int), num_classes=2), log_odds


def _load() -> dict[str, np.ndarray]:
    return simulate_table()[0]


def _init(key: Key) -> Params:
    return _MODEL.init(key, jnp.zeros((1, _COLUMNS)))


TABLE_LOGISTIC = Workload(
    name="table_logistic",
    description="logistic regression on 10,000 simulated rows, 40 correlated columns in raw units",
    data=_load,
    init=_init,
    loss_fn=supervised(_MODEL.apply, binary_cross_entropy, {"accuracy": binary_accuracy}),
    batch_size=512,
    margin=0.0025,
    margin_reason="1 % of the 0.25 that a well-set AdamW wins",
    target=0.46,
)
