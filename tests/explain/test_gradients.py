import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

import paramjax as pj
from paramjax.explain import input_gradients, integrated_gradients, smooth_grad

X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
W = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)


def logits(w, x):
    return jax.nn.sigmoid(x @ w)


def cube(scale, x):
    return jnp.ravel(scale)[0] * (x**3).sum(axis=1)


def test_gradients_are_the_closed_form_of_a_class_or_of_a_scalar_function():
    p = expit(X @ W)
    of_class = (p * (1 - p))[:, None, :] * W
    np.testing.assert_allclose(input_gradients(logits, W, X, target=1), of_class[..., 1], rtol=1e-5)
    own = np.array([0, 1, 1, 0])
    chosen = of_class[np.arange(4), :, own]
    np.testing.assert_allclose(input_gradients(logits, W, X, target=own), chosen, rtol=1e-5)
    np.testing.assert_allclose(input_gradients(cube, 2.0, X), 6 * X**2, rtol=1e-5)
    column = lambda scale, x: cube(scale, x)[:, None]
    np.testing.assert_allclose(input_gradients(column, 2.0, X), 6 * X**2, rtol=1e-5)


@pytest.mark.slow
def test_images_in_half_precision_keep_shape_and_type():
    x = jnp.ones((2, 3, 3, 1), jnp.bfloat16)
    square = lambda w, x: w * (x**2).sum(axis=(1, 2, 3))
    w = jnp.bfloat16(1)
    for found in (
        input_gradients(square, w, x),
        smooth_grad(square, w, x, jax.random.key(0), samples=3),
        integrated_gradients(square, w, x, steps=3).attributions,
    ):
        assert (found.shape, found.dtype) == (x.shape, x.dtype)


def test_smooth_grad_is_the_expectation_over_the_noise():
    """The gradient of a cube, 3 x^2, has the mean 3 (x^2 + sigma^2)."""
    key = jax.random.key(0)
    found = smooth_grad(cube, 1.0, X, key, samples=4000, noise=0.1)
    sigma = 0.1 * (X.max(axis=1, keepdims=True) - X.min(axis=1, keepdims=True))
    # the mean of 4000 draws of 3 e^2 + 6 x e, four standard errors
    error = 4 * np.sqrt((36 * X**2 + 18 * sigma**2) / 4000) * sigma
    assert (np.abs(found - 3 * (X**2 + sigma**2)) < error).all()
    np.testing.assert_allclose(
        smooth_grad(cube, 1.0, X, key, samples=2, noise=0.0), 3 * X**2, rtol=1e-5
    )


@pytest.fixture(scope="module")
def network():
    model = pj.models.MLP((16, 3), activation="relu")
    x = jax.random.normal(jax.random.key(3), (5, 4))
    return model, jax.jit(model.init)(jax.random.key(4), x), x


@pytest.mark.parametrize("baseline", [None, np.ones((4,), np.float32)])
def test_contributions_add_up_to_the_change(network, baseline):
    """To 1e-3, though the gradient of ReLU jumps."""
    model, params, x = network
    found = integrated_gradients(model.apply, params, x, baseline, 512, target=2)
    start = jnp.zeros(4) if baseline is None else baseline
    change = model.apply(params, x)[:, 2] - model.apply(params, start[None])[:, 2]
    np.testing.assert_allclose(found.change, change, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.attributions.sum(axis=1), change, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.gap, found.attributions.sum(axis=1) - change, atol=1e-5)


@pytest.mark.parametrize("steps", [2, 130])
def test_integrals_of_polynomials_are_exact(steps):
    """Two nodes integrate a cubic; 130 are three panels side by side."""
    found = integrated_gradients(cube, 2.0, X, -X, steps)
    np.testing.assert_allclose(found.attributions, 4 * X**3, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.gap, 0, atol=1e-4)


def test_it_can_be_traced():
    whole = jax.jit(lambda x, target: input_gradients(logits, W, x, target=target))
    np.testing.assert_allclose(whole(X, 1), input_gradients(logits, W, X, target=1), rtol=1e-6)


@pytest.mark.parametrize(
    ("error", "fn", "x", "options", "message"),
    [
        (TypeError, cube, np.ones((2, 3), int), {}, "floating-point inputs.* embeddings of tokens"),
        (
            ValueError,
            cube,
            np.float32(1),
            {},
            r"at least one example, got float32\[\]; pass x\[None",
        ),
        (ValueError, cube, X[:0], {}, r"at least one example, got float32\[0,3\]"),
        (TypeError, None, X, {}, "fn: expected a function .* got None"),
        (ValueError, logits, X, {}, "one number for each of the 4 examples, got .* target="),
        (ValueError, cube, X, {"target": 0}, r"target: expected fn to return \[4, classes\]"),
        (ValueError, logits, X, {"target": 2}, "classes from 0 to 1, got 2"),
        (ValueError, logits, X, {"target": [0, -1, 0, 0]}, "classes from 0 to 1, got -1"),
        (ValueError, logits, X, {"target": [0, 1]}, r"one for each of the 4 examples, got shape"),
        (TypeError, logits, X, {"target": 0.5}, "target: expected classes, integers"),
        (TypeError, lambda w, x: (x, x), X, {}, "fn: expected one floating-point array"),
    ],
)
def test_what_has_no_gradient_is_refused(error, fn, x, options, message):
    for explain in (input_gradients, integrated_gradients):
        with pytest.raises(error, match=message):
            explain(fn, W, x, **options)
    with pytest.raises(error, match=message):
        smooth_grad(fn, W, x, jax.random.key(0), **options)


def test_integrals_need_steps_and_a_baseline_of_the_inputs_shape():
    with pytest.raises(ValueError, match="steps: expected a whole number from 1"):
        integrated_gradients(cube, 1.0, X, steps=0)
    for baseline in (np.zeros(2), np.zeros((1, 3)), 0.0):
        with pytest.raises(ValueError, match=r"baseline: expected the shape of x \(4, 3\) or of"):
            integrated_gradients(cube, 1.0, X, baseline)


def test_noise_needs_samples_and_a_key():
    for options in ({"samples": 0}, {"noise": -0.1}):
        with pytest.raises(ValueError, match=f"{next(iter(options))}: expected"):
            smooth_grad(cube, 1.0, X, jax.random.key(0), **options)
    with pytest.raises(TypeError, match="key: expected a typed key"):
        smooth_grad(cube, 1.0, X, jax.random.PRNGKey(0))
