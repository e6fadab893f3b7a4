"""Underscore modules: the problem is no public name; it must learn, and use all kinds of state."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.verify import _runs as runs
from paramjax.verify import flatten
from paramjax.verify._problem import (
    BATCH_SIZE,
    HIDDEN,
    KEPT,
    ROWS,
    first_statistics,
    loss_fn,
    make_problem,
)
from paramjax.verify._tolerances import usable_devices


@pytest.fixture(scope="module")
def problem():
    return make_problem(3)


@pytest.mark.slow
def test_it_learns_and_uses_every_kind_of_state(problem):
    names = flatten(runs.whole(problem, 600))
    loss = names["history/loss"]
    assert loss[-50:].mean() < 0.5 * loss[:50].mean()
    assert names["validation/accuracy"][-1] > 0.4  # ten classes, seen through noise
    for part in (
        "params/", "state/params/", "state/model_state/mean", "state/opt_state/1/0/mu/",
        "state/hook_state/0/average/", "state/hook_state/1", "state/key", "state/step",
        "history/skipped",
    ):  # fmt: skip
        assert any(name.startswith(part) for name in names), part
    assert not np.array_equal(names["params/hidden/kernel"], names["state/params/hidden/kernel"])


def test_the_metrics_identify_rows_and_dropped_units(problem):
    """They are the sums that numpy takes, and any other order gives another one."""
    batch = jax.tree.map(lambda leaf: leaf[:BATCH_SIZE], problem.data)
    turned = jax.tree.map(lambda leaf: leaf[::-1], batch)
    key, other_key = jax.random.split(jax.random.key(1))
    evaluate = jax.jit(lambda batch, key: loss_fn(problem.params, first_statistics(), batch, key))
    metrics = lambda batch, key: evaluate(batch, key)[1][1]
    found = metrics(batch, key)
    kept = np.asarray(jax.random.bernoulli(key, KEPT, (BATCH_SIZE, HIDDEN)))
    positions = np.arange(1, kept.size + 1, dtype=np.uint64)
    assert int(found["dropped"]) == int(positions[~kept.ravel()].sum()) % 2**32
    assert int(found["rows"]) == sum(row * (row + 1) for row in range(BATCH_SIZE))
    assert int(metrics(turned, key)["rows"]) != int(found["rows"])
    assert int(metrics(batch, other_key)["dropped"]) != int(found["dropped"])


def test_no_gradient_is_zero_but_for_rounding(problem):
    """Adam would make a full step of it, and no tolerance would hold."""
    key = jax.random.key(0)
    loss = lambda params: loss_fn(params, first_statistics(), problem.data, key)[0]
    for leaf in jax.tree.leaves(jax.jit(jax.grad(loss))(problem.params)):
        assert float(jnp.abs(leaf).max()) > 1e-4


def test_another_key_names_another_problem(problem):
    same, other = make_problem(3), make_problem(4)
    assert np.array_equal(problem.data["x"], same.data["x"])
    assert not np.array_equal(problem.data["x"], other.data["x"])
    assert not np.array_equal(problem.data["x"], problem.validation_data["x"])
    assert len(problem.data["y"]) == ROWS
    assert ROWS % BATCH_SIZE  # so that an epoch ends with a smaller batch


@pytest.mark.parametrize(("count", "used"), [(2, 2), (3, 2), (7, 4), (8, 8), (31, 16), (64, 32)])
def test_as_many_devices_are_used_as_divide_a_batch(count, used):
    assert usable_devices(count) == used
    assert BATCH_SIZE % used == 0
