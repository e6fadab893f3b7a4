import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.models import Discriminator, Generator

DCGAN = {"batch_norm": True, "channels": (3, 2)}


def test_doubling_is_a_transposed_convolution(key):
    model = Generator((4, 6, 1), features=(), channels=(2,), activation="identity", output="tanh")
    z = jax.random.normal(key, (1, 3))
    params = jax.jit(model.init)(key, z)
    layers = jax.tree.map(np.asarray, params["params"]["Decoder_0"])
    dense, conv = layers["Dense_0"], layers["Conv_0"]
    small = (np.asarray(z) @ dense["kernel"] + dense["bias"]).reshape(2, 3, 2)
    large = np.zeros((4 + 4, 6 + 4))
    for i, j, channel in np.ndindex(small.shape):  # each pixel adds its 6 x 6 kernel, 2 apart
        for u, v, a, b in np.ndindex(3, 3, 2, 2):
            weight = conv["kernel"][u, v, channel, 2 * a + b]
            row, column = 2 * (i - u + 1) + a, 2 * (j - v + 1) + b
            large[row + 2, column + 2] += small[i, j, channel] * weight
    image = np.tanh(large[2:-2, 2:-2])  # biases start at 0
    np.testing.assert_allclose(model.apply(params, z)[0, :, :, 0], image, rtol=1e-4, atol=1e-6)


def test_batch_statistics_where_radford_et_al_put_them(key):
    generator = Generator((8, 8, 1), features=(), **DCGAN)
    discriminator = Discriminator(features=(5,), **DCGAN)
    z, x = jnp.zeros((4, 6)), jnp.zeros((4, 8, 8, 1))
    for model, inputs in ((generator, z), (discriminator, x)):
        start = jax.eval_shape(model.init, key, inputs)
        (layers,) = start["batch_stats"].values()
        # of three hidden layers the discriminator's first has none; the generator has two
        assert len(layers) == 2
        apply = lambda start, x, model=model: model.apply(
            start, x, train=True, mutable=["batch_stats"]
        )
        outputs, state = jax.eval_shape(apply, start, inputs)
        assert outputs.shape == ((4, 8, 8, 1) if model is generator else (4,))
        assert jax.tree.structure(state["batch_stats"]) == jax.tree.structure(start["batch_stats"])


def test_training_normalises_by_the_batch(key):
    model = Discriminator((4, 3), batch_norm=True, activation="tanh")
    x = jax.random.normal(key, (6, 2))
    start = jax.jit(model.init)(key, x)
    layers = jax.tree.map(np.asarray, start["params"]["Encoder_0"])
    first, second, last = (layers[f"Dense_{number}"] for number in range(3))
    hidden = np.tanh(np.asarray(x) @ first["kernel"]) @ second["kernel"]
    normal = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + 1e-5)
    logits, _ = model.apply(start, x, train=True, mutable=["batch_stats"])
    by_hand = np.tanh(normal) @ last["kernel"][:, 0]
    np.testing.assert_allclose(logits, by_hand, rtol=1e-3, atol=1e-5)
    by_hand = np.tanh(hidden / np.sqrt(1 + 1e-5)) @ last["kernel"][:, 0]
    np.testing.assert_allclose(model.apply(start, x), by_hand, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "inputs", "match"),
    [
        (Generator((6, 8, 1), channels=(4, 4)), (2, 3), "multiples of 4 .* got 6 x 8"),
        (Generator((2,), output="sigmod"), (2, 3), "nearest: sigmoid"),
        (Discriminator(channels=(4,)), (2, 7, 8, 1), "multiples of 2 .* got 7 x 8"),
        (Discriminator(channels=(4,)), (2, 64), "shape: expected images"),
        (Discriminator(channels=(0,)), (2, 8, 8, 1), "channels: expected a whole number from 1"),
        (Discriminator(), (2,), r"x: expected \[batch, \*shape\] of examples, got shape \(2,\)"),
        (Generator((2,), features=8), (2, 3), r"features: expected widths, .* or \(\), got 8"),
        (Generator((2,)), (3,), r"z: expected \[batch, latent\], got shape \(3,\)"),
    ],
)
def test_bad_fields_say_what_is_expected(model, inputs, match, key):
    with pytest.raises(ValueError, match=match):
        jax.eval_shape(model.init, key, jnp.zeros(inputs))


@pytest.mark.slow
def test_both_train_in_a_population_with_their_statistics(key):
    x = jax.random.uniform(key, (12, 4, 4, 1))
    keys = dict(zip(("generator", "discriminator"), jax.random.split(key), strict=True))
    models = {
        "generator": Generator((4, 4, 1), (), (3, 2), output="sigmoid", batch_norm=True),
        "discriminator": Discriminator((4,), (2,), batch_norm=True),
    }
    inputs = {"generator": jnp.zeros((1, 2)), "discriminator": x[:1]}
    nets = {n: pj.models.from_linen(models[n], inputs[n], keys[n]) for n in models}
    losses = pj.losses.adversarial(
        nets["generator"].apply, nets["discriminator"].apply, 2, stateful=True
    )
    state = {name: net.model_state for name, net in nets.items()}

    def make_trainer(hp):
        txs = {name: optax.adam(hp["rate"], b1=0.5) for name in losses}
        return pj.trainers.alternating(losses, txs, stateful=True)

    def init(key):
        return {name: net.init(key) for name, net in nets.items()}

    problem = pj.Problem(init=init, data=x, batch_size=4, model_state=state)
    found = pj.sweep(
        make_trainer, {"rate": pj.log_uniform(1e-4, 1.0)}, problem, steps=6, seeds=2, key=key,
        trials=[{"rate": 1e-3}, {"rate": 1e-2}],
    )  # fmt: skip
    assert np.isfinite(found.history["discriminator/loss"]).all()
    params = jax.tree.map(lambda leaf: np.asarray(leaf), found.params_of(1, 1))
    statistics = found.model_state_of(1, 1)
    for name, net in nets.items():
        for before, after in zip(
            jax.tree.leaves(net.model_state), jax.tree.leaves(statistics[name]), strict=True
        ):
            assert not np.array_equal(before, after)
    fakes = nets["generator"].evaluate(
        params["generator"], statistics["generator"], jnp.ones((5, 2))
    )
    assert fakes.shape == (5, 4, 4, 1)
    assert np.all((fakes > 0) & (fakes < 1))
    run = pj.fit(
        make_trainer({"rate": 1e-2}), init(key), x, key=key, steps=6, batch_size=4,
        model_state=state,
    )  # fmt: skip
    assert run.status == pj.Status.FINISHED
