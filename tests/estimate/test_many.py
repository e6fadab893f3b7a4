"""Many fits at once: single fits, numpy and scipy are the truth."""

import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

import paramjax as pj
from paramjax.estimate import Outcome

X = np.linspace(0.0, 3.0, 16)
AXES = {"x": None, "y": 0}


def decay(params, data):
    """Residuals of an exponential that falls to a level."""
    curve = params["height"] * jnp.exp(-params["rate"] * data["x"]) + params["level"]
    return curve - data["y"]


START = {"height": 1.0, "rate": 1.0, "level": 0.0}


def curves(m, seed=0):
    """Noisy exponentials, and the parameters that made them."""
    rng = np.random.default_rng(seed)
    height, rate, level = rng.uniform([1, 0.5, -1], [5, 2, 1], (m, 3)).T[..., None]
    return height * np.exp(-rate * X) + level + 0.05 * rng.normal(size=(m, 16))


def scipys(y, **options):
    """By scipy's curve_fit: parameters and covariance in the order height, level, rate."""
    curve = lambda x, height, level, rate: height * np.exp(-rate * x) + level
    tight = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15, "maxfev": 10_000}
    return optimize.curve_fit(curve, X, y, (1.0, 0.0, 1.0), **tight, **options)


@pytest.fixture(scope="module")
def fitted():
    """Sixty fits in sixteen slots; one of them has a NaN."""
    y = curves(60)
    y[7, 3] = np.nan
    est = pj.estimate.least_squares_many(decay, START, {"x": X, "y": y}, in_axes=AXES, chunk=16)
    return est, y


def test_fits_and_errors_are_scipys(fitted):
    est, y = fitted
    for at in (0, 6, 8, 30, 59):
        theta, covariance = scipys(y[at])
        np.testing.assert_allclose(est.theta[at], theta, rtol=1e-6)
        np.testing.assert_allclose(est.covariance[at], covariance, rtol=1e-5)


def test_one_bad_problem_has_its_own_status(fitted):
    est, _ = fitted
    assert est.outcomes == {Outcome.CONVERGED: 59, Outcome.NONFINITE: 1}
    assert np.flatnonzero(est.where("not finite")).tolist() == [7]
    assert np.isnan(est.theta[7]).all()
    assert np.isnan(est.errors[7]).all()
    assert np.isfinite(est.errors[est.where("converged")]).all()
    assert "59 converged, 1 not finite" in repr(est)


def test_an_index_gives_the_single_fit(fitted):
    est, y = fitted
    single = pj.estimate.least_squares(decay, START, {"x": X, "y": y[3]})
    one = est[3]
    assert one.outcome == single.outcome
    assert one.names == single.names
    np.testing.assert_allclose(one.theta, single.theta, rtol=1e-8)
    np.testing.assert_allclose(one.covariance, single.covariance, rtol=1e-6)
    np.testing.assert_allclose([one.value, one.scale], [single.value, single.scale], rtol=1e-10)
    np.testing.assert_allclose(one.interval(0.9).low["rate"], single.interval(0.9).low["rate"])
    np.testing.assert_allclose(est.interval(0.9).low["rate"][3], one.interval(0.9).low["rate"])
    assert len(est[10:20]) == 10
    assert est[-1].iterations == est[59].iterations
    assert est.to_frame()["stderr rate"][3] == est.stderr["rate"][3]


def test_starts_weights_bounds_and_fixed_parameters():
    y = curves(6)
    weights = np.random.default_rng(1).uniform(0.5, 2.0, (6, 16))
    weights[:, 5] = 0.0
    est = pj.estimate.least_squares_many(
        decay,
        {"height": np.linspace(1, 4, 6), "rate": np.ones(6), "level": np.zeros(6)},
        {"x": X, "y": y},
        in_axes=AXES,
        start_axis=0,
        weights=weights,
        bounds={"rate": (0.0, 1.2)},
        fixed=["level"],
    )
    for at in range(6):
        one = pj.estimate.least_squares(
            decay, START, {"x": X, "y": y[at]}, weights=weights[at],
            bounds={"rate": (0.0, 1.2)}, fixed=["level"],
        )  # fmt: skip
        assert est[at].outcome == one.outcome
        assert est[at].rows == one.rows == 15
        np.testing.assert_allclose(est.theta[at], one.theta, rtol=1e-7)
        np.testing.assert_allclose(est.errors[at], one.errors, rtol=1e-5)
    assert est.where("at a bound").any()
    assert est.where("converged").any()
    np.testing.assert_array_equal(est.params["level"], 0.0)
    assert np.isnan(est.stderr["level"]).all()


def test_what_the_data_do_not_determine_is_singular():
    est = pj.estimate.least_squares_many(
        lambda p, d: (p["a"] + p["b"]) * d["x"] - d["y"] + 0.0 * p["c"],
        {"a": 1.0, "b": 0.0, "c": 3.0},
        {"x": X, "y": np.stack([2.0 * X + 0.1 * np.cos(7 * X), X])},
        in_axes=AXES,
    )
    assert est.outcomes == {Outcome.SINGULAR: 2}
    np.testing.assert_array_equal(est.dof, len(X) - 1)  # of rank 1
    assert np.isnan(est.errors).all()
    np.testing.assert_allclose(est.theta[1, :2].sum(), 1.0)


def test_blocks_off_the_disk_and_of_an_iterator(tmp_path, monkeypatch):
    monkeypatch.setattr("paramjax.estimate.batches._blocks.ON_DISK", 20)
    y = curves(50)
    np.save(tmp_path / "y.npy", y)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    whole = pj.estimate.least_squares_many(decay, START, {"x": X, "y": y}, in_axes=AXES, chunk=16)
    off = pj.estimate.least_squares_many(
        decay, START, {"x": X, "y": mapped}, in_axes=AXES, chunk=16, out=tmp_path / "out"
    )
    blocks = ({"x": X, "y": y[low : low + 17]} for low in range(0, 50, 17))
    streamed = pj.estimate.least_squares_many(decay, START, blocks, in_axes=AXES, chunk=16)
    assert isinstance(off.theta, np.memmap)
    for other in (off, streamed):
        np.testing.assert_array_equal(other.theta, whole.theta)
        np.testing.assert_array_equal(other.packed, whole.packed)
        np.testing.assert_array_equal(other.outcome, whole.outcome)


def test_what_was_interrupted_does_not_look_finished(tmp_path):
    y = curves(32)

    def blocks(failing):
        yield {"x": X, "y": y[:16]}
        yield {"x": X, "y": y[:0]}
        if failing:
            raise OSError("no such disk")
        yield {"x": X, "y": y[16:]}

    with pytest.raises(OSError, match="no such disk"):
        pj.estimate.least_squares_many(decay, START, blocks(True), in_axes=AXES, out=tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".partial"}
    with (tmp_path / "theta.npy.partial").open("rb") as file:
        first = np.load(file)
    est = pj.estimate.least_squares_many(decay, START, blocks(False), in_axes=AXES, out=tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy"}
    np.testing.assert_array_equal(est.theta[:16], first)
    assert len(est) == 32
    for index in (32, -33, None, 1.5, "x", np.zeros((2, 2), int)):
        with pytest.raises(IndexError, match="expected"):
            est[index]
    with pytest.raises(ValueError, match="expected some of .*'stuck'"):
        est.where("finished")
    with pytest.raises(ValueError, match="expected at least one problem"):
        pj.estimate.least_squares_many(decay, START, {"x": X, "y": y[:0]}, in_axes=AXES)


@pytest.mark.slow
def test_float32_is_float64_to_its_digits():
    data = {"x": X, "y": curves(16)}
    double = pj.estimate.least_squares_many(decay, START, data, in_axes=AXES)
    single = pj.estimate.least_squares_many(
        decay, START, data, in_axes=AXES, dtype=np.float32, sigma=0.05
    )
    known = 0.05 / np.sqrt(double.scale)[:, None] * double.errors
    np.testing.assert_allclose(single.theta, double.theta, atol=1e-3 * known.max())
    np.testing.assert_allclose(single.errors, known, rtol=1e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"x": X[:2], "y": np.zeros((4, 2))}}, "got 2 rows for 3 parameters"),
        ({"in_axes": {"x": 1, "y": 0}}, "in_axes: expected 0 or None, got 1"),
        ({"in_axes": None}, "in_axes=None marks what all problems share"),
        ({"data": {"x": X, "y": np.zeros((4, 15))}}, "add got incompatible shapes|sub got"),
        ({"weights": -np.ones(16)}, "weights: expected finite numbers from 0"),
        ({"weights": np.ones((3, 16))}, r"a row for each of 4 problems, got \(3, 16\)"),
        ({"sigma": np.zeros(16)}, "sigma: expected finite numbers above 0"),
        ({"bounds": {"rat": (0, 1)}}, "rate"),
        ({"dtype": np.float16}, "dtype: expected float64 or float32"),
        ({"chunk": 0}, "chunk: expected a whole number from 1"),
        ({"devices": []}, "devices: expected at least one"),
        ({"weights": np.ones((5, 16))}, r"a row for each of 4 problems, got \(5, 16\)"),
        ({"data": {"x": X, "y": np.ma.masked_array(np.zeros((4, 16)))}}, "got a masked one"),
        ({"start_axis": 0}, "start_axis: expected 0, and leaves of params0 with one leading"),
    ],
)
def test_refusals(change, message):
    call = {"params0": START, "data": {"x": X, "y": np.zeros((4, 16))}, "in_axes": AXES, **change}
    with pytest.raises((ValueError, TypeError), match=message):
        pj.estimate.least_squares_many(decay, **call)


SHARDED = """
import jax, numpy as np, jax.numpy as jnp
import paramjax as pj
x = np.linspace(0.0, 3.0, 16)
rate = np.random.default_rng(0).uniform(0.5, 2.0, (70, 1))
def decay(b, data):
    return b * jnp.exp(-b * data["x"]) - data["y"]
def fit(devices):
    data = {"x": x, "y": rate * np.exp(-rate * x)}
    axes = {"x": None, "y": 0}
    return pj.estimate.least_squares_many(decay, 1.0, data, in_axes=axes, devices=devices, chunk=8)
one, four = fit(jax.devices()[:1]), fit(jax.devices())
assert len(jax.devices()) == 4
np.testing.assert_array_equal(one.theta, four.theta)
np.testing.assert_allclose(four.theta, rate, rtol=1e-9)
"""


@pytest.mark.slow
def test_devices_share_the_problems():
    flags = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    subprocess.run([sys.executable, "-c", SHARDED], check=True, env=flags)
