"""Augmentations: what they do to an example, that examples differ, and that keys decide."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax import data

IMAGE = jnp.arange(1.0, 31.0).reshape(1, 5, 6, 1)
MANY = {"x": jnp.tile(IMAGE, (64, 1, 1, 1)), "y": jnp.arange(64)}


def distinct(x):
    return np.unique(np.asarray(x).reshape(len(x), -1), axis=0)


def test_flips_mirror_about_half_of_the_images(key):
    for vertical, axis in ((False, 2), (True, 1)):
        x = data.random_flip(vertical=vertical)(key, MANY)["x"]
        mirrored = (x == jnp.flip(MANY["x"], axis)).all(axis=(1, 2, 3))
        kept = (x == MANY["x"]).all(axis=(1, 2, 3))
        assert (mirrored ^ kept).all()
        assert 16 < int(mirrored.sum()) < 48


def test_shifts_are_all_windows_of_the_padded_image(key):
    x = jax.jit(data.random_shift(1))(key, MANY)["x"]
    padded = np.pad(np.asarray(IMAGE[0, :, :, 0]), 1)
    windows = {padded[i : i + 5, j : j + 6].tobytes() for i in range(3) for j in range(3)}
    assert {row.reshape(5, 6).tobytes() for row in distinct(x)} == windows


def test_crops_are_all_windows(key):
    x = jax.jit(data.random_crop(4, 4))(key, MANY)["x"]
    image = np.asarray(IMAGE[0, :, :, 0])
    windows = {image[i : i + 4, j : j + 4].tobytes() for i in range(2) for j in range(3)}
    assert {row.reshape(4, 4).tobytes() for row in distinct(x)} == windows


@pytest.mark.parametrize("size", [1, 2, 3, 20])
def test_cutout_blanks_a_square_around_any_pixel(size, key):
    x = np.asarray(jax.jit(data.cutout(size, fill=-1.0))(key, MANY)["x"])[..., 0]
    holes = {hole.tobytes() for hole in x == -1}
    possible = set()
    for row in range(5):
        for column in range(6):
            hole = np.zeros((5, 6), bool)
            top, left = row - size // 2, column - size // 2
            hole[max(top, 0) : top + size, max(left, 0) : left + size] = True
            possible.add(hole.tobytes())
    assert holes <= possible
    assert len(holes) > 0.5 * len(possible)
    assert ((x == -1) | (x == np.asarray(MANY["x"])[..., 0])).all()


def test_noise_has_its_deviation_and_its_dtype(key):
    for dtype in (jnp.float32, jnp.bfloat16):
        x = data.random_noise(0.5)(key, {"x": jnp.zeros((64, 99), dtype)})["x"]
        assert x.dtype == dtype
        assert float(x.astype(jnp.float32).std()) == pytest.approx(0.5, rel=0.05)
        assert len(distinct(x.astype(jnp.float32))) == 64


def test_mixup_averages_pairs_and_their_labels_alike(key):
    """With one-hot inputs each mixed input must be its mixed label."""
    labels = jnp.arange(4000) % 8
    batch = {"x": jax.nn.one_hot(labels, 8), "y": labels, "weight": labels}
    mixed = jax.jit(data.mixup(0.4, num_classes=8))(key, batch)
    np.testing.assert_allclose(mixed["x"], mixed["y"], atol=1e-6)
    np.testing.assert_allclose(mixed["y"].sum(axis=1), 1, atol=1e-6)
    assert mixed["weight"] is labels or (mixed["weight"] == labels).all()
    y = np.asarray(mixed["y"])
    own, others = y[np.arange(4000), labels], (y > 0).sum(axis=1)
    assert others.max() == 2
    # the share of the first one is Beta(0.4, 0.4): mean 1/2, variance 1 / (4 (2 * 0.4 + 1))
    assert own[others == 2].mean() == pytest.approx(0.5, abs=0.02)
    assert own[others == 2].var() == pytest.approx(1 / 7.2, rel=0.05)


def test_composed_parts_draw_independently_and_the_key_decides(key):
    augment = jax.jit(data.compose(data.random_flip(), data.random_flip(vertical=True)))
    x = augment(key, MANY)["x"]
    assert len(distinct(x)) == 4
    np.testing.assert_array_equal(x, augment(key, MANY)["x"])
    assert (x != augment(jax.random.key(1), MANY)["x"]).any()
    assert data.compose()(key, MANY) is MANY


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda k: data.random_flip(1.5), ValueError, "from 0, to 1, got 1.5"),
        (lambda k: data.random_shift(0), ValueError, "random_shift: most"),
        (lambda k: data.cutout(2.0), TypeError, "cutout: size: expected a whole number"),
        (lambda k: data.random_crop(9, 2)(k, MANY), ValueError, "of 5 x 6 pixels, got 9 x 2"),
        (lambda k: data.cutout(2)(k, {"x": jnp.ones((3, 8, 8))}), ValueError, "channels"),
        (lambda k: data.cutout(2)(k, {"x": jnp.ones((3, 64))}), ValueError, "x.reshape.len.x., he"),
        (lambda k: data.cutout(2)(0, MANY), TypeError, "expected a typed key, got int 0"),
        (lambda k: data.cutout(2)(k, jnp.ones(3)), TypeError, 'expected a batch {"x"'),
        (lambda k: data.random_noise(-1.0), ValueError, "deviation"),
        (lambda k: data.random_noise(1.0)(k, {"x": jnp.arange(3)}), TypeError, "floats, got int32"),
        (lambda k: data.mixup(0.0), ValueError, "expected a positive number"),
        (lambda k: data.mixup(1.0, num_classes=1), ValueError, "num_classes"),
        (lambda k: data.mixup(1.0)(k, MANY), TypeError, "expected num_classes= for integer"),
        (lambda k: data.mixup(1.0)(k, {"x": jnp.ones(3)}), TypeError, r"got \['x'\]"),
        (
            lambda k: data.mixup(1.0)(k, MANY | {"y": jnp.ones(3)}),
            ValueError,
            "of 64 rows",
        ),
        (lambda k: data.compose(data.cutout(1), 3), TypeError, "augmentation 1: expected a fun"),
    ],
)
def test_refusals(call, error, message, key):
    with pytest.raises(error, match=message):
        call(key)


def test_in_a_population_a_strength_is_one_more_number():
    """Noise of a deviation s on inputs of a line acts as a ridge: E loss = (w - 3)^2 m + s^2 w^2.

    Bishop (1995), "Training with noise is equivalent to Tikhonov regularization".
    """
    x = np.linspace(-1, 1, 400, dtype=np.float32)[:, None]
    plain = pj.losses.supervised(lambda w, x: x * w, pj.losses.squared_error)
    problem = pj.Problem(
        init=lambda key: jnp.zeros(()), data={"x": x, "y": 3 * x}, eval_data=x,
        evaluate=lambda w, _: {"w": w}, metric="w",
    )  # fmt: skip
    result = pj.sweep(
        lambda hp: pj.train_step(
            pj.losses.augmented(plain, data.random_noise(hp["noise"])), optax.sgd(0.2)
        ),
        {"noise": pj.uniform(0, 1)}, problem, trials=[{"noise": 0.0}, {"noise": 0.5}],
        seeds=1, steps=60, key=jax.random.key(0),
    )  # fmt: skip
    moment = float((x**2).mean())
    expected = [3.0, 3 * moment / (moment + 0.25)]
    np.testing.assert_allclose(result.params.reshape(-1), expected, rtol=0.05)
