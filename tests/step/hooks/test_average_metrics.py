import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj
from paramjax.step.hooks import average_metrics, skip_nonfinite


def given(params, batch, key):
    """A loss whose value and metric are the batch; the gradient is 0."""
    return batch[0] + 0 * params, {"accuracy": batch[1], "histogram": batch}


def history(key, values, *hooks):
    trainer = pj.train_step(given, optax.sgd(1.0), hooks)
    return run_steps(trainer, jnp.zeros(()), key, jnp.asarray(values))[1]


@pytest.mark.parametrize("window", [1, 3, 20])
def test_is_the_mean_of_the_last_steps(key, window):
    values = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    found = history(key, values, average_metrics("loss", "accuracy", window=window))
    for column, name in enumerate(["loss/mean", "accuracy/mean"]):
        expected = [values[max(0, t + 1 - window) : t + 1, column].mean() for t in range(12)]
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-6)


def test_a_large_value_and_a_nan_leave_with_the_window(key):
    for large in (1e8, np.nan):
        values = np.full((9, 2), 0.1, np.float32)
        values[2] = large
        means = history(key, values, average_metrics("loss", window=3))["loss/mean"]
        np.testing.assert_allclose(means[np.r_[:2, 5:9]], 0.1, rtol=1e-6)
        np.testing.assert_array_equal(means[2:5] > 1e7, large > 1)
        assert np.isnan(means[2:5]).all() == np.isnan(large)


def test_metrics_of_earlier_hooks_have_means_and_a_later_guard_removes_its_steps(key):
    values = np.array([[1, 0], [np.nan, 0], [3, 0], [3, 0]], np.float32)
    found = history(key, values, skip_nonfinite(), average_metrics("skipped", window=2))
    assert found["skipped/mean"].tolist() == [0.0, 0.5, 1.0, 1.0]
    found = history(key, values[:3], average_metrics("loss", window=3), skip_nonfinite())
    np.testing.assert_array_equal(found["loss/mean"], [1.0, np.nan, 2.0])


def test_what_has_no_mean_is_refused(key):
    unknown = r"average_metrics: unknown metric 'acuracy'; nearest: accuracy \(known: accuracy, "
    assert_refused(
        lambda *names, window=2: history(
            key, np.ones((2, 2)), average_metrics(*names, window=window)
        ),
        ((), ValueError, "average_metrics: expected the names of metrics"),
        (("loss", "loss"), ValueError, "average_metrics: 'loss' is given twice"),
        (3, TypeError, "average_metrics: expected names of metrics, got int 3"),
        ("acuracy", ValueError, unknown + r"grad_norm, histogram, loss\); a hook that reports it"),
        ("histogram", ValueError, r"expected scalars, got shape \(2,\) for 'histogram'"),
    )
    with pytest.raises(ValueError, match="average_metrics: window: expected a whole number from 1"):
        average_metrics("loss", window=0)
