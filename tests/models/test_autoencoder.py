import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.losses import gaussian_log_likelihood, negative_elbo, reconstruction
from paramjax.models import VAE, Autoencoder

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(40, 5)) @ RNG.normal(size=(5, 5)) + 1).astype(np.float32)
VALUES, VECTORS = (part[..., ::-1] for part in np.linalg.eigh(np.cov(X.T, bias=True)))


def test_a_linear_autoencoder_is_best_at_the_principal_components():
    model = Autoencoder((5,), latent=2, features=())
    basis, centre = VECTORS[:, :2], X.mean(axis=0)
    params = {
        "params": {
            "encoder": {"Dense_0": {"kernel": basis, "bias": -centre @ basis}},
            "decoder": {"Dense_0": {"kernel": basis.T, "bias": centre}},
        }
    }
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params)
    loss = jax.jit(jax.value_and_grad(lambda p: reconstruction(model.apply)(p, X, None)[0]))
    value, slopes = loss(params)
    np.testing.assert_allclose(value, VALUES[2:].sum() / 5, rtol=1e-4)  # Baldi and Hornik (1989)
    assert all(np.abs(leaf).max() < 1e-4 for leaf in jax.tree.leaves(slopes))
    other = jax.tree.map(lambda leaf: leaf + 0.05 * RNG.normal(size=leaf.shape), params)
    assert loss(other)[0] > value


@pytest.mark.slow
def test_a_linear_vae_reaches_probabilistic_principal_components(key):
    noise = VALUES[2:].mean()  # Tipping and Bishop (1999, eq. 8)
    model = VAE((5,), latent=2, features=())
    likelihood = functools.partial(gaussian_log_likelihood, log_variance=math.log(noise))
    loss_fn = reconstruction(model.apply, negative_elbo(likelihood), keyed=True)
    tx = optax.adam(optax.linear_schedule(0.03, 0.0, 3000))
    run = pj.fit(
        pj.train_step(loss_fn, tx), model.init(key, X), X, key=key, steps=3000, progress=False
    )
    elbo = -jax.lax.map(lambda key: loss_fn(run.params, X, key)[0], jax.random.split(key, 2000))
    terms = 5 * math.log(2 * math.pi) + np.log(VALUES[:2]).sum() + 3 * math.log(noise) + 5
    # the bound has no gap at the maximum (eq. 14); 80,000 draws and the end of the training
    np.testing.assert_allclose(elbo.mean(), -terms / 2, atol=0.03)
    weights = run.params["params"]["decoder"]["Dense_0"]["kernel"]
    expected = (VECTORS[:, :2] * (VALUES[:2] - noise)) @ VECTORS[:, :2].T
    np.testing.assert_allclose(weights.T @ weights, expected, atol=0.05 * VALUES[0])


def test_a_draw_is_mean_and_noise(key):
    model = VAE((5,), latent=2, features=(4,), activation="tanh")
    params = jax.jit(model.init)(key, X)
    outputs, mean, log_variance = model.apply(params, X, key)
    layers = jax.tree.map(np.asarray, params["params"])
    dense = lambda p, x: x @ p["kernel"] + p["bias"][None]
    both = dense(layers["encoder"]["Dense_1"], np.tanh(dense(layers["encoder"]["Dense_0"], X)))
    np.testing.assert_allclose(np.hstack([mean, log_variance]), both, rtol=1e-4, atol=1e-5)
    noise = jax.random.normal(key, (40, 2))

    def decoded(z):
        return dense(layers["decoder"]["Dense_1"], np.tanh(dense(layers["decoder"]["Dense_0"], z)))

    z = both[:, :2] + np.exp(both[:, 2:] / 2) * noise
    np.testing.assert_allclose(outputs, decoded(z), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(
        model.apply(params, X)[0], decoded(both[:, :2]), rtol=1e-3, atol=1e-5
    )
    # as many rows as above, so that nothing is compiled again
    with pytest.raises(ValueError, match="n: expected a whole number from 1"):
        model.sample(params, key, 0)
    sample = model.sample(params, key, 40)
    np.testing.assert_allclose(sample, decoded(noise), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("model", [Autoencoder, VAE])
def test_images_go_through_convolutions_and_back(model, key):
    shapes = model((8, 12, 3), 2, features=(7,), channels=(4, 6))
    outputs, start = jax.eval_shape(shapes.init_with_output, key, jnp.zeros((5, 8, 12, 3)))
    assert jax.tree.leaves(outputs)[0].shape == (5, 8, 12, 3)
    encoder, decoder = start["params"]["encoder"], start["params"]["decoder"]
    assert encoder["Conv_1"]["kernel"].shape == (3, 3, 4, 6)
    assert encoder["Dense_0"]["kernel"].shape == (2 * 3 * 6, 7)
    assert decoder["Dense_1"]["kernel"].shape == (7, 2 * 3 * 6)
    # four times the channels, of which images of twice the sides are made
    assert decoder["Conv_0"]["kernel"].shape == (3, 3, 6, 4 * 4)
    assert decoder["Conv_1"]["kernel"].shape == (3, 3, 4, 4 * 3)


@pytest.mark.parametrize(
    ("options", "x", "match"),
    [
        ({"latent": 0}, (2, 5), "latent: expected a whole number from 1"),
        ({"shape": ()}, (2,), r"shape: expected the shape of one example such as \(64,\)"),
        ({"channels": (4,)}, (2, 5), "shape: expected images .* leave `channels` empty"),
        (
            {"shape": (8, 6, 1), "channels": (4, 4)},
            (2, 8, 6, 1),
            "multiples of 4 for 2 convolutions of stride 2, got 8 x 6; pad the images",
        ),
        ({}, (2, 6), r"x: expected \[batch, 5\], got shape \(2, 6\)"),
        ({"features": (8, 0)}, (2, 5), "features: expected a whole number from 1 to .* got 0"),
        ({"features": 8}, (2, 5), r"features: expected widths, such as \(64, 10\) or \(\), got 8"),
        ({"shape": 5}, (2, 5), r"shape: expected the shape of one example .* got 5"),
        ({"activation": "rellu"}, (2, 5), "unknown activation 'rellu'; nearest: relu"),
        ({"initialiser": "he"}, (2, 5), "unknown initialiser 'he'"),
    ],
)
def test_bad_fields_say_what_is_expected(options, x, match, key):
    for model in (Autoencoder, VAE):
        bad = model(**{"shape": (5,), "latent": 2, **options})
        with pytest.raises(ValueError, match=match):
            jax.eval_shape(bad.init, key, jnp.zeros(x))
