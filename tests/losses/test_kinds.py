"""Absolute, Huber, Poisson, hinge and focal losses, and smoothing, against other packages."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import huber as scipy_huber
from sklearn import metrics as sk

from paramjax.losses import (
    absolute_error,
    binary_cross_entropy,
    cross_entropy,
    focal,
    hinge,
    huber,
    pinball,
    poisson,
    smoothed_binary_cross_entropy,
    smoothed_cross_entropy,
    squared_error,
    squared_hinge,
    supervised,
)

RNG = np.random.default_rng(0)
A, B = (3 * RNG.normal(size=(2, 9, 3))).astype(np.float32)
Z, Y = (3 * RNG.normal(size=(9, 4))).astype(np.float32), np.arange(9) % 4
BINARY = np.arange(9) % 2
OF_NUMBERS = {
    "squared": squared_error,
    "absolute": absolute_error,
    "huber": functools.partial(huber, delta=0.7),
    "poisson": lambda z, y: poisson(z, abs(y)),
    "pinball": lambda z, y: pinball(z, y[:, 0], (0.1, 0.5, 0.9)),
}
OF_CLASSES = {
    "cross-entropy": cross_entropy,
    "smoothed": smoothed_cross_entropy(0.1),
    "hinge": hinge,
    "squared hinge": squared_hinge,
    "focal": focal,
    "weighted focal": functools.partial(focal, gamma=0.5, alpha=jnp.arange(1.0, 5.0)),
}
OF_ONE_LOGIT = {
    "cross-entropy": binary_cross_entropy,
    "smoothed": smoothed_binary_cross_entropy(0.1),
    "hinge": hinge,
    "squared hinge": squared_hinge,
    "focal": functools.partial(focal, gamma=3.0, alpha=0.25),
    "cross-entropy by focal": functools.partial(focal, gamma=0.0),
}


@jax.jit
def everything(a, b, z, y, one, binary):
    """Each loss and the gradient of its sum."""

    def both(loss, outputs, targets):
        return loss(outputs, targets), jax.grad(lambda z: loss(z, targets).sum())(outputs)

    return (
        {name: both(loss, a, b) for name, loss in OF_NUMBERS.items()},
        {name: both(loss, z, y) for name, loss in OF_CLASSES.items()},
        {name: both(loss, one, binary) for name, loss in OF_ONE_LOGIT.items()},
    )


@pytest.fixture(scope="module")
def found():
    return jax.tree.map(np.asarray, everything(A, B, Z, Y, Z[:, 0], BINARY))


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=2e-6)


def test_losses_of_numbers_are_those_of_sklearn_and_scipy(found):
    numbers = {name: value for name, (value, _) in found[0].items()}
    assert numbers["absolute"].mean() == pytest.approx(sk.mean_absolute_error(A, B), rel=1e-6)
    close(numbers["huber"], scipy_huber(0.7, A - B).mean(1))
    counts, rates = abs(B), np.exp(A)
    close(numbers["poisson"], (rates - counts * A).mean(1))
    best = (counts - counts * np.log(counts)).mean(1)
    deviance = sk.mean_poisson_deviance(counts.ravel(), rates.ravel())
    assert 2 * (numbers["poisson"] - best).mean() == pytest.approx(deviance, rel=1e-5)
    levels = (0.1, 0.5, 0.9)
    each = [sk.mean_pinball_loss(B[:, 0], A[:, j], alpha=level) for j, level in enumerate(levels)]
    assert numbers["pinball"].mean() == pytest.approx(np.mean(each), rel=1e-6)
    close(found[0]["pinball"][1], ((B[:, :1] < A) - np.array(levels)) / 3)
    close(found[0]["huber"][1], np.clip(A - B, -0.7, 0.7) / 3)
    close(found[0]["absolute"][1], np.sign(A - B) / 3)
    close(found[0]["poisson"][1], (rates - counts) / 3)


def test_losses_of_classes_are_those_of_sklearn_and_their_formulas(found):
    classes = {name: value for name, (value, _) in found[1].items()}
    expected = sk.hinge_loss(Y, Z, labels=range(4))  # that of Crammer and Singer
    assert classes["hinge"].mean() == pytest.approx(expected, rel=1e-6)
    close(classes["squared hinge"], classes["hinge"] ** 2)
    chance = np.exp(Z.astype(float) - np.log(np.exp(Z.astype(float)).sum(1, keepdims=True)))
    own = chance[np.arange(9), Y]
    close(classes["focal"], -((1 - own) ** 2) * np.log(own))
    close(classes["weighted focal"], -(Y + 1) * (1 - own) ** 0.5 * np.log(own))


def test_losses_of_one_logit_are_optaxs_and_sklearns(found):
    one = {name: value for name, (value, _) in found[2].items()}
    close(one["smoothed"], optax.sigmoid_binary_cross_entropy(Z[:, 0], 0.9 * BINARY + 0.05))
    close(one["focal"], optax.losses.sigmoid_focal_loss(Z[:, 0], BINARY, alpha=0.25, gamma=3.0))
    close(one["cross-entropy by focal"], one["cross-entropy"])
    close(found[2]["cross-entropy by focal"][1], found[2]["cross-entropy"][1])
    assert one["hinge"].mean() == pytest.approx(sk.hinge_loss(BINARY, Z[:, 0]), rel=1e-6)
    sign = 2 * BINARY - 1
    close(found[2]["hinge"][1], np.where(sign * Z[:, 0] < 1, -sign, 0))
    close(found[2]["squared hinge"][1], -2 * sign * np.maximum(0, 1 - sign * Z[:, 0]))


def test_smoothing_of_one_logit_is_that_of_two_classes():
    two = np.stack([np.zeros(9), Z[:, 0]], 1)
    expected = smoothed_cross_entropy(0.3)(two, BINARY)
    close(smoothed_binary_cross_entropy(0.3)(Z[:, 0], BINARY), expected)


def test_extreme_logits_have_finite_losses_and_gradients(found):
    z = np.zeros((9, 4), np.float32)
    z[:4], z[4:8] = 1e4 * np.eye(4), -1e4 * np.eye(4)
    one = np.array([1e4, -1e4, 1e4, -1e4, 1e3, -1e3, 0, 1e30, -1e30], np.float32)
    labels = np.array([0, 0, 1, 1, 0, 1, 2, 3, 3])
    binary = np.array([0, 0, 1, 1, 1, 0, 1, 1, 0])
    extreme = everything(1e4 * A, B, z, labels, one, binary)
    numbers = {name: pair for name, pair in extreme[0].items() if name != "poisson"}
    for name, pair in [*numbers.items(), *extreme[1].items(), *extreme[2].items()]:
        assert all(np.isfinite(part).all() for part in pair), name
    assert extreme[2]["focal"][0][0] == pytest.approx(7500)  # (1 - 0.25) 1 ^ 3 1e4
    assert extreme[1]["hinge"][0][2] == 10_001


def test_what_is_not_finite_gives_nan_and_never_a_good_loss():
    z, one = np.zeros((9, 4), np.float32), np.zeros(9, np.float32)
    z[0, 0], z[1, 1], z[2, 2], one[:3] = np.inf, -np.inf, np.nan, (np.inf, -np.inf, np.nan)
    infinite = everything(
        A, B, z, np.r_[0, 1, 2, -1, 4, Y[5:]], one, np.r_[1, 0, 1, -1, 2, 1, 0, 1, 0]
    )
    for losses in infinite[1:]:
        for name, (value, _) in losses.items():
            assert not np.isfinite(value[:5]).any(), name
            assert np.isfinite(value[5:]).all(), name
    assert np.isnan(poisson(jnp.zeros(1), jnp.array([-1.0]))).all()


@pytest.mark.parametrize("dtype", [jnp.float16, pytest.param(jnp.bfloat16, marks=pytest.mark.slow)])
def test_half_precision_is_kept_and_right(found, dtype):
    half = everything(*(part.astype(dtype) for part in (A, B, Z)), Y, Z[:, 0].astype(dtype), BINARY)
    for ours, expected in zip(half, found, strict=True):
        for name, (value, grad) in ours.items():
            assert value.dtype == grad.dtype == dtype or name == "weighted focal", name
            np.testing.assert_allclose(
                value.astype(jnp.float32), expected[name][0], rtol=0.1, atol=0.06, err_msg=name
            )


def test_doubles_are_computed_in_64_bits():
    with jax.enable_x64(True):
        a, b, z = (jnp.asarray(part, jnp.float64) for part in (A, B, Z))
        doubles = everything(a, b, z, Y, z[:, 0], BINARY)
        assert {part.dtype for part in jax.tree.leaves(doubles)} == {jnp.dtype("float64")}
        np.testing.assert_allclose(
            doubles[0]["huber"][0],
            scipy_huber(0.7, np.float64(A) - np.float64(B)).mean(1),
            rtol=1e-12,
        )


def test_weights_and_traced_strengths_go_through_supervised():
    weight = np.arange(9, dtype=np.float32)
    batch = {"x": Z[:, 0], "y": BINARY, "weight": weight}

    @jax.jit
    @jax.vmap
    def total(gamma):
        loss = supervised(lambda w, x: w * x, functools.partial(focal, gamma=gamma))
        return loss(2.0, batch, None)[0]

    expected = [
        np.average(optax.losses.sigmoid_focal_loss(2 * Z[:, 0], BINARY, gamma=g), weights=weight)
        for g in (0.0, 2.0)
    ]
    np.testing.assert_allclose(total(jnp.array([0.0, 2.0])), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (lambda: absolute_error(A, B[:, :1]), ValueError, "absolute_error: .* may broadcast"),
        (lambda: huber(A[:, 0], B[:, :1]), ValueError, r"huber: .*\(9,\) and \(9, 1\)"),
        (lambda: huber(A, B, delta=-1.0), ValueError, "huber: delta: expected a number from 0"),
        (lambda: absolute_error(A + 1j, B), TypeError, "expected real numbers, got complex"),
        (lambda: pinball(A, B, 0.5), ValueError, r"pinball: expected targets \[batch\] and"),
        (lambda: pinball(A, B[:, 0], (0.1, 0.9)), ValueError, r"\(9, 3\) of 2 quantiles"),
        (lambda: pinball(A[:, 0], B[:, 0], 1.5), ValueError, "pinball: quantile: .* to 1, got 1.5"),
        (lambda: poisson(A, B[:3]), ValueError, "poisson: expected .* of one shape"),
        (lambda: poisson(1.0, 2.0), ValueError, "poisson: .* got one number"),
        (lambda: hinge(Z, Y[:3]), ValueError, r"hinge: expected logits \[batch, classes\]"),
        (lambda: hinge(Z[:, :1], Z), ValueError, "hinge: expected a label for each row"),
        (lambda: hinge(Z, Y + 0.5), TypeError, "hinge: expected integer labels"),
        (lambda: focal(Z, Y, gamma=-1.0), ValueError, "focal: gamma: expected a number from 0"),
        (lambda: focal(Z, Y, alpha=0.5), ValueError, "a weight for each of the 4 classes"),
        (lambda: focal(Z[:, 0], BINARY, alpha=1.5), ValueError, "focal: alpha: .* to 1, got 1.5"),
        (lambda: smoothed_binary_cross_entropy(2.0), ValueError, "epsilon: expected a number"),
    ],
)  # fmt: skip
def test_what_does_not_match_is_refused(call, error, sentence):
    with pytest.raises(error, match=sentence):
        call()
