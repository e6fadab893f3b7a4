"""Every workload, held to one contract; what a benchmark prepares of it has no public name."""

import itertools

import jax
import numpy as np
import pytest
from paramjax.bench._preflight import first_step

from paramjax.bench import Protocol
from paramjax.bench._runner import prepare
from paramjax.bench.workloads import WORKLOADS, get
from paramjax.data import batch_order
from paramjax.optim import CATALOGUE

PROTOCOL = Protocol(trials=1, tuning_seeds=1, seeds=2, steps=2)


@pytest.fixture(scope="module", params=sorted(WORKLOADS))
def stage(request):
    return prepare(get(request.param), PROTOCOL)


def test_parts_share_no_row(stage):
    x = [np.asarray(part["x"]) for part in stage.splits]
    rows = [{row.tobytes() for row in part} for part in x]
    duplicates = sum(map(len, x)) - len(set.union(*rows))
    # digits holds no image twice, and neither does the table
    assert duplicates == 0


def test_evaluation_holds_the_deciding_metric(stage):
    params = jax.tree.map(lambda leaf: leaf[0], stage.starts.params)
    metrics = stage.workload.evaluate(params, stage.splits.test)
    assert np.isfinite(metrics[stage.workload.metric])
    assert np.shape(metrics[stage.workload.metric]) == ()


def test_seeds_have_starts_and_orders_of_their_own(stage):
    rows = len(stage.splits.train["x"])
    orders = [np.asarray(batch_order(key, rows, 16, 2)) for key in stage.starts.data_key]
    assert len(orders) == PROTOCOL.tuning_seeds + PROTOCOL.seeds
    for one, other in itertools.combinations(orders, 2):
        assert (one != other).any()
    chains = {key.tobytes() for key in np.asarray(jax.random.key_data(stage.starts.key))}
    assert len(chains) == len(orders)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_optimizer_takes_its_first_step(stage, name):
    first_step(stage.workload, CATALOGUE[name], PROTOCOL, stage.starts, stage.splits.train)


def test_unknown_workload_names_the_nearest():
    with pytest.raises(ValueError, match="unknown workload 'digit_mlp'; nearest: digits_mlp"):
        get("digit_mlp")
