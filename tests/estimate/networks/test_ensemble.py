"""Deep ensembles: members trained as one population, and what they say together."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import special, stats

import paramjax as pj
from paramjax.estimate import ClassMixture, Ensemble, ValueMixture

X = np.linspace(-1, 1, 12, dtype=np.float32)
DATA = {"x": X, "y": (3 * X + 1).astype(np.float32)}


def line(params, x):
    return params["w"] * x + params["b"]


def init(key):
    w, b = jax.random.normal(key, (2,))
    return {"w": w, "b": b}


def fit(rate=0.1, members=4, data=DATA, **options):
    loss_fn = pj.losses.supervised(line, pj.losses.squared_error)
    trainer = pj.train_step(loss_fn, optax.sgd(rate))
    problem = pj.Problem(init=init, data=data, batch_size=4)
    return pj.estimate.ensemble(
        trainer, problem, members=members, steps=60, key=jax.random.key(0), **options
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensemble")
    return fit(store=folder), folder


def test_members_are_the_seeds_of_a_population(fitted):
    ensemble, folder = fitted
    assert (len(ensemble), ensemble.seeds, ensemble.left_out) == (4, (0, 1, 2, 3), {})
    assert len(set(ensemble.params["w"].tolist())) == 4
    replay = ensemble.sweep.replay(0, 2)
    np.testing.assert_allclose(replay.params["w"], ensemble.params["w"][2], rtol=1e-5)
    mixture = ensemble.predict(line, X)
    np.testing.assert_allclose(mixture.mean, DATA["y"], atol=0.05)
    np.testing.assert_allclose(mixture.members[1], line(ensemble[1:2].params, X), rtol=1e-6)
    text = repr(ensemble)
    assert text.startswith("Ensemble: 4 members")
    assert all(len(line) <= 80 for line in text.splitlines())
    # the same call goes on from the folder, where all is done
    np.testing.assert_array_equal(fit(store=folder).params["w"], ensemble.params["w"])
    with pytest.raises(TypeError, match=r"expected a slice of its 4 members such as \[:1\]"):
        ensemble[0]


def test_a_member_that_diverges_is_left_out_with_its_reason():
    def loss_fn(params, batch, key):
        loss = jnp.mean((params["w"] - batch) ** 2)
        return jnp.where(params["lost"] > 0, jnp.nan, loss), {}

    def starts(key):
        return {"w": jnp.zeros(()), "lost": jax.random.normal(key)}

    problem = pj.Problem(init=starts, data=jnp.array([1.0, 3.0]))

    def make(hyperparameters):
        return pj.train_step(loss_fn, optax.sgd(hyperparameters["rate"]))

    asked = {"steps": 9, "key": jax.random.key(1), "hyperparameters": {"rate": 0.5}}
    with pytest.warns(UserWarning, match=r"left out: seed \d: diverged at step 1"):
        found = pj.estimate.ensemble(make, problem, members=6, **asked)
    assert 0 < len(found) < 6
    assert len(found) + len(found.left_out) == 6
    assert (found.params["lost"] <= 0).all()
    np.testing.assert_allclose(found.params["w"], 2.0, rtol=1e-6)
    assert "diverged at step 1" in repr(found)


@pytest.mark.slow
def test_an_ensemble_without_a_finite_member_is_refused():
    def loss_fn(params, batch, key):
        return params["w"] * jnp.nan, {}

    trainer = pj.train_step(loss_fn, optax.sgd(0.5))
    problem = pj.Problem(init=lambda key: {"w": 0.0}, data=jnp.ones(2))
    with pytest.raises(ValueError, match=r"no member stayed finite \(seed 0: diverged at step 1\)"):
        pj.estimate.ensemble(trainer, problem, members=1, steps=2, key=jax.random.key(1))


def of(params, model_state=()):
    return Ensemble(params, model_state, tuple(range(len(params))), {}, None)


def test_mixtures_of_classes():
    logits = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    mixture = of(logits).classify(lambda params, x: params * x, 2.0)
    each = special.softmax(2.0 * logits.astype(float), axis=-1)
    np.testing.assert_allclose(mixture.probabilities, each.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(special.softmax(mixture.logits, axis=-1), mixture.probabilities)
    np.testing.assert_array_equal(mixture.labels, each.mean(axis=0).argmax(axis=1))
    total = stats.entropy(each.mean(axis=0), axis=-1)
    np.testing.assert_allclose(mixture.entropy, total, rtol=1e-6)
    # the mutual information is the mean divergence of the members from their mixture
    apart = stats.entropy(each, each.mean(axis=0)[None], axis=-1).mean(axis=0)
    np.testing.assert_allclose(mixture.between, apart, rtol=1e-5)
    np.testing.assert_allclose(mixture.within + mixture.between, total, rtol=1e-6)
    one = of(logits[..., :1], np.ones(3)).classify(lambda params, state, x: params * state, 2.0)
    np.testing.assert_allclose(
        one.probabilities[:, 1], special.expit(logits[..., 0]).mean(axis=0), rtol=1e-6
    )
    with pytest.raises(TypeError, match=r"apply_fn: .* \(params, model_state, x\)"):
        of(logits, np.ones(3)).classify(lambda params, x: params, 2.0)
    assert repr(mixture) == "<ClassMixture: 3 members, 5 rows, 4 classes>"
    assert repr(pj.estimate.ClassMixture(each[:1])).startswith("<ClassMixture: 1 member, 5 rows")
    assert np.isfinite(ClassMixture(np.array([[[1.0, 0.0]]])).logits).all()


def test_mixtures_of_values_have_the_moments_of_their_gaussians():
    rng = np.random.default_rng(1)
    mean, variance = rng.normal(size=(4, 6)), rng.exponential(size=(4, 6))
    mixture = ValueMixture(mean, variance)
    second = (variance + mean**2).mean(axis=0)
    np.testing.assert_allclose(mixture.std**2, second - mean.mean(axis=0) ** 2, rtol=1e-12)
    np.testing.assert_allclose(mixture.within**2, variance.mean(axis=0))
    normal = stats.norm(mixture.mean, mixture.std)
    np.testing.assert_allclose(mixture.interval(0.9), normal.interval(0.9), rtol=1e-12)
    assert repr(mixture) == "<ValueMixture: 4 members, 6 rows>"
    pair = of(mean).predict(lambda params, x: (params, x), variance[0].astype(np.float32))
    np.testing.assert_allclose(pair.variances, np.tile(variance[0], (4, 1)), rtol=1e-6)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda own, x: own / x, "finite mean, .* from the member of seed 0 in row 0"),
        (lambda own, x: (own, own - 2), "finite variance, .* seed 0 in row 0"),
        (lambda own, x: (own, own[:1]), r"one shape, got \(3,\) and \(1,\)"),
    ],
)
def test_predictions_that_are_none_are_refused(outputs, message):
    with pytest.raises(ValueError, match=message):
        of(np.ones((2, 3))).predict(outputs, 0.0)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="members: expected a whole number from 1"):
        fit(members=0)
    with pytest.raises(ValueError, match="hyperparameters: a trainer has them already"):
        fit(hyperparameters={"rate": 0.1})
    with pytest.raises(TypeError, match=r"problem: expected a pj.Problem"):
        pj.estimate.ensemble(
            pj.train_step(lambda p, b, k: (p, {}), optax.sgd(0.1)), None,
            steps=1, key=jax.random.key(0),
        )  # fmt: skip
