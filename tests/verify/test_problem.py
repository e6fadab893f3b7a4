"""The problem is worth checking: it learns, and it has all that a run can carry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.verify import _runs as runs
from paramjax.verify import flatten
from paramjax.verify._problem import _KEPT, BATCH_SIZE, HIDDEN, ROWS, loss_fn, make_problem
from paramjax.verify._tolerances import usable_devices


@pytest.fixture(scope="module")
def problem():
    return make_problem(3)


@pytest.fixture(scope="module")
def result(problem):
    return runs.run(problem, 600, **runs.validated(problem, 600))


def test_it_learns(result):
    assert result.history["loss"][-50:].mean() < 0.5 * result.history["loss"][:50].mean()
    # ten classes, seen through noise
    assert result.validation["accuracy"][-1] > 0.4


def test_it_holds_all_that_a_run_can_carry(result):
    names = flatten(runs.everything(result))
    for part in (
        "params/", "state/params/", "state/model_state/mean", "state/opt_state/1/0/mu/",
        "state/hook_state/0/average/", "state/hook_state/1", "state/key", "state/step",
        "history/loss", "history/skipped", "validation/accuracy",
    ):  # fmt: skip
        assert any(name.startswith(part) for name in names), part
    assert not np.array_equal(names["params/hidden/kernel"], names["state/params/hidden/kernel"])


def test_the_metrics_tell_rows_and_units_apart(problem):
    """They are the sums that numpy takes, and any other order gives another one."""
    batch = jax.tree.map(lambda leaf: leaf[:BATCH_SIZE], problem.data)
    statistics = {"mean": jnp.zeros(HIDDEN), "variance": jnp.ones(HIDDEN)}
    key = jax.random.key(1)
    _, (_, metrics) = loss_fn(problem.params, statistics, batch, key)
    kept = np.asarray(jax.random.bernoulli(key, _KEPT, (BATCH_SIZE, HIDDEN)))
    places = np.arange(1, kept.size + 1, dtype=np.uint64)
    assert int(metrics["dropped"]) == int(places[~kept.ravel()].sum()) % 2**32
    assert int(metrics["rows"]) == sum(row * (row + 1) for row in range(BATCH_SIZE))
    turned = jax.tree.map(lambda leaf: leaf[::-1], batch)
    _, (_, other) = loss_fn(problem.params, statistics, turned, key)
    assert int(other["rows"]) != int(metrics["rows"])
    _, (_, other) = loss_fn(problem.params, statistics, batch, jax.random.key(2))
    assert int(other["dropped"]) != int(metrics["dropped"])


def test_no_gradient_is_zero_but_for_rounding(problem):
    """Adam would make a whole step of it, and no tolerance would hold."""
    statistics = {"mean": jnp.zeros(HIDDEN), "variance": jnp.ones(HIDDEN)}
    take = lambda params: loss_fn(params, statistics, problem.data, jax.random.key(0))[0]
    for leaf in jax.tree.leaves(jax.grad(take)(problem.params)):
        assert float(jnp.abs(leaf).max()) > 1e-4


def test_another_key_names_another_problem(problem):
    one, same, other = problem, make_problem(3), make_problem(4)
    assert np.array_equal(one.data["x"], same.data["x"])
    assert not np.array_equal(one.data["x"], other.data["x"])
    assert not np.array_equal(one.data["x"], one.held_out["x"])
    assert len(one.data["y"]) == ROWS
    assert ROWS % BATCH_SIZE  # so that an epoch ends with a smaller batch


@pytest.mark.parametrize(("count", "used"), [(2, 2), (3, 2), (7, 4), (8, 8), (31, 16), (64, 32)])
def test_so_many_devices_are_used_as_divide_a_batch(count, used):
    assert usable_devices(count) == used
    assert BATCH_SIZE % used == 0
