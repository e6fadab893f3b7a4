import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.step.hooks import average_metrics


def told(params, batch, key):
    """A loss whose value and metric the test sets; the gradient is 0."""
    return batch[0] + 0 * params, {"accuracy": batch[1], "histogram": batch}


def history(key, values, *hooks):
    trainer = pj.train_step(told, optax.sgd(1.0), hooks)
    return jax.lax.scan(trainer.step, trainer.init(key, jnp.zeros(())), jnp.asarray(values))[1]


@pytest.mark.parametrize("window", [1, 3, 20])
def test_is_the_mean_of_the_last_steps(key, window):
    values = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    found = history(key, values, average_metrics("loss", "accuracy", window=window))
    for column, name in enumerate(["loss/mean", "accuracy/mean"]):
        expected = [values[max(0, t + 1 - window) : t + 1, column].mean() for t in range(12)]
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-6)


def test_nothing_drifts_after_a_large_value(key):
    values = np.full((9, 2), 0.1, np.float32)
    values[2] = 1e8
    found = history(key, values, average_metrics("loss", window=3))
    np.testing.assert_allclose(found["loss/mean"][5:], 0.1, rtol=1e-6)


def test_a_nan_shows_while_it_is_in_the_window(key):
    values = np.ones((7, 2), np.float32)
    values[2] = np.nan
    found = history(key, values, average_metrics("loss", window=3))
    assert jnp.isnan(found["loss/mean"]).tolist() == [False] * 2 + [True] * 3 + [False] * 2


def test_metrics_of_earlier_hooks_have_means(key):
    values = np.ones((4, 2), np.float32)
    values[1] = np.nan
    found = history(key, values, pj.hooks.skip_nonfinite(), average_metrics("skipped", window=2))
    assert found["skipped/mean"].tolist() == [0.0, 0.5, 1.0, 1.0]


def test_a_later_guard_takes_its_steps_back(key):
    values = np.array([[1, 0], [np.nan, 0], [3, 0]], np.float32)
    found = history(key, values, average_metrics("loss", window=3), pj.hooks.skip_nonfinite())
    np.testing.assert_array_equal(found["loss/mean"], [1.0, np.nan, 2.0])


def test_unknown_metrics_are_refused_with_those_there_are(key):
    with pytest.raises(
        ValueError,
        match=r"average_metrics: unknown metric 'acuracy'; nearest: accuracy \(known: accuracy, "
        r"grad_norm, histogram, loss\); a hook that reports it must come earlier",
    ):
        history(key, np.ones((2, 2)), average_metrics("acuracy", window=2))


def test_metrics_that_are_no_scalars_are_refused(key):
    with pytest.raises(ValueError, match=r"expected scalars, got shape \(2,\) for 'histogram'"):
        history(key, np.ones((2, 2)), average_metrics("histogram", window=2))


@pytest.mark.parametrize(
    ("names", "window", "error", "message"),
    [
        ((), 2, ValueError, "average_metrics: expected the names of metrics"),
        (("loss", "loss"), 2, ValueError, "average_metrics: 'loss' is given twice"),
        ((3,), 2, TypeError, "average_metrics: expected names of metrics, got int 3"),
        (("loss",), 0, ValueError, "average_metrics: window: expected a whole number from 1"),
    ],
    ids=["no names", "twice", "no string", "no window"],
)
def test_arguments_of_another_kind_are_refused(names, window, error, message):
    with pytest.raises(error, match=message):
        average_metrics(*names, window=window)
