"""Prior precision and temperature by rows held out, against closed forms and scipy."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, special

from paramjax.estimate import categorical, full, laplace, mean_field, temperature

RNG = np.random.default_rng(0)


def test_temperature_of_one_logit_is_that_of_two():
    """With one margin for all rows, T is the margin over the log odds of being right."""
    margins = np.full(10, 3.0)
    right = (np.arange(10) < 8).astype(int)
    expected = pytest.approx(3.0 / np.log(8 / 2), rel=1e-4)
    assert temperature(margins, right) == expected
    assert temperature(margins[:, None], right) == expected
    assert temperature(np.stack([margins - 3, margins], axis=1), right) == expected


def test_temperature_minimises_the_cross_entropy():
    logits = 5 * RNG.normal(size=(200, 4))
    y = np.array([RNG.choice(4, p=p) for p in special.softmax(logits / 2.5, axis=1)])
    loss = lambda t: -special.log_softmax(logits / t, axis=1)[np.arange(200), y].sum()
    expected = optimize.minimize_scalar(loss, bounds=(0.1, 10), options={"xatol": 1e-9}).x
    assert temperature(jnp.asarray(logits, jnp.bfloat16), y) == pytest.approx(expected, rel=0.01)
    assert temperature(logits, y) == pytest.approx(expected, rel=1e-4)
    assert 2.0 < expected < 3.2


@pytest.mark.parametrize(
    ("logits", "y", "error", "match"),
    [
        (np.zeros((2, 2, 2)), [0, 1], ValueError, r"logits: expected \[rows, classes\]"),
        ([[0.0, 1.0], [0.0, np.nan]], [0, 1], ValueError, "finite numbers, got others in row 1"),
        (np.zeros((2, 3)), [0, 3], ValueError, "from 0 to 2, got 3"),
        (np.zeros((2, 3)), [0.0, 1.0], TypeError, "expected classes y"),
        (np.zeros((2, 3)), [0, 1, 1], ValueError, "y: expected 2 classes, one a row, got 3"),
    ],
)
def test_refusals_of_the_temperature(logits, y, error, match):
    with pytest.raises(error, match=match):
        temperature(logits, np.array(y))


@pytest.mark.slow
@pytest.mark.parametrize("outputs", [1, 3])
def test_classes_are_tuned_to_their_log_probability(outputs):
    x = RNG.normal(size=(40, 2)).astype(np.float32)
    params = {"w": jnp.asarray(3 * RNG.normal(size=(2, outputs)), jnp.float32)}
    y = RNG.integers(0, max(2, outputs), 40)
    found = laplace(
        lambda params, x: x @ params["w"], params, {"x": x, "y": y},
        likelihood=categorical(), structure=full(), prior_precision=5.0,
    )  # fmt: skip
    held = {"x": x[:20] + 1, "y": y[20:]}
    tuned = found.tuned(held, link=mean_field)

    def score(precision):
        own = laplace(
            found.apply_fn, params, {"x": x, "y": y}, likelihood=categorical(),
            structure=full(), prior_precision=precision,
        )  # fmt: skip
        each = own.predict(held["x"], link=mean_field).probabilities
        each = np.stack([1 - each, each], axis=1) if outputs == 1 else each
        return np.log(each[np.arange(20), held["y"]]).mean()

    best = score(tuned.prior_precision)
    assert best >= max(map(score, np.geomspace(1e-3, 1e4, 15))) - 1e-4
    with pytest.raises(ValueError, match="leaves of one length"):
        found.tuned({"x": x, "y": y[:3]})
    with pytest.raises(TypeError, match='mapping with "x" and "y"'):
        found.tuned(x)


@pytest.mark.slow
def test_logistic_regression_nears_the_integral_over_its_parameters():
    """Evidence and predictive by quadrature on a grid; the error falls as one over the rows."""
    apart = []
    for rows in (25, 400):
        x = np.stack([np.ones(rows), RNG.normal(size=rows)], axis=1)
        sign = np.where(RNG.random(rows) < special.expit(x @ [0.3, 1.0]), 1, -1)
        cost = lambda w, x=x, sign=sign: -special.log_expit(sign * (x @ w)).sum() + w @ w / 2
        mode = optimize.minimize(cost, np.zeros(2), tol=1e-10).x
        steps = np.linspace(-40, 40, 301) / np.sqrt(rows)
        grid = mode + np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        logs = special.log_expit(sign * (grid @ x.T)).sum(axis=1) - (grid**2).sum(axis=1) / 2
        cell = np.log(steps[1] - steps[0])
        evidence = special.logsumexp(logs) + 2 * cell - np.log(2 * np.pi)
        found = laplace(
            lambda w, x: x @ w, jnp.asarray(mode, jnp.float32)[:, None],
            {"x": x.astype(np.float32), "y": (sign > 0).astype(int)},
            likelihood=categorical(), structure=full(), prior_precision=1.0,
        )  # fmt: skip
        new = np.array([[1.0, -3.0], [1.0, 4.0]], np.float32)
        truth = special.softmax(logs) @ special.expit(grid @ new.T)
        missed = np.abs(found.predict(new).probabilities - truth).max()
        apart.append((abs(found.log_marginal_likelihood - evidence), missed))
    assert apart[0][0] < 0.1
    assert apart[1][0] < 0.01
    assert apart[0][1] < 0.04
    assert apart[1][1] < 0.004
