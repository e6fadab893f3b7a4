"""A linear model under hinge loss and a squared penalty is scikit-learn's linear machine."""

import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from sklearn.svm import LinearSVC

import paramjax as pj
from paramjax.losses import hinge, l2, squared_hinge, supervised
from paramjax.models import Linear

C, ROWS, STEPS = 0.5, 40, 1500
RNG = np.random.default_rng(3)
Y = np.arange(ROWS) % 2
X = (RNG.normal(size=(ROWS, 3)) + Y[:, None]).astype(np.float32)


@pytest.mark.parametrize(
    ("loss", "name"),
    [(hinge, "hinge"), pytest.param(squared_hinge, "squared_hinge", marks=pytest.mark.slow)],
)
def test_the_optimum_is_that_of_liblinear(loss, name, key):
    # liblinear penalises the bias, too: |w|^2 / 2 + C sum(loss), here divided by C n
    loss_fn = l2(supervised(Linear(1).apply, loss), 1 / (C * ROWS))
    trainer = pj.train_step(loss_fn, optax.adam(optax.cosine_decay_schedule(0.05, STEPS)))
    data, params = {"x": X, "y": Y}, Linear(1).init(key, X)
    run = pj.fit(trainer, params, data, key=key, steps=STEPS)
    machine = LinearSVC(loss=name, C=C, tol=1e-8, max_iter=1_000_000).fit(X, Y)
    found, unflatten = ravel_pytree(run.params)
    exact = np.array([*machine.intercept_, *machine.coef_[0]], np.float32)  # bias first
    least, reached = (float(loss_fn(unflatten(w), data, None)[0]) for w in (exact, found))
    assert reached == pytest.approx(least, rel=1e-5)
    # strongly convex with 1 / (C n): 6e-6 above the minimum is at most 0.016 from the optimum
    np.testing.assert_allclose(found, exact, atol=0.016)
    spelled = np.maximum(0, 1 - (2 * Y - 1) * machine.decision_function(X))
    spelled = (spelled if loss is hinge else spelled**2).mean() + (exact**2).sum() / (2 * C * ROWS)
    assert least == pytest.approx(spelled, rel=1e-5)
