"""Metrics are named real numbers: what a history or a table could not keep is refused by name."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj

SGD = optax.sgd(0.1)

REFUSED = {
    "step": (lambda p: {"step": p}, ValueError, "metric 'step' has a name that histories"),
    "a column": (lambda p: {"validation/loss": p}, ValueError, "metric 'validation/loss' has a"),
    "no string": (lambda p: {3: p}, TypeError, "expected names of metrics as strings, got int 3"),
    "nested": (lambda p: {"of": {"a": p, "b": p}}, TypeError, "metric 'of': .* a dict of 2 leaves"),
    "tuple": (lambda p: {"of": (p, p)}, TypeError, "metric 'of': .* got a tuple of 2 leaves"),
    "none": (lambda p: {"of": None}, TypeError, r"metric 'of': .*, got None"),
    "string": (lambda p: {"of": "text"}, TypeError, "metric 'of': .* got str 'text'"),
    "object": (lambda p: {"of": object()}, TypeError, "metric 'of': expected a number"),
    "key": (lambda p: {"of": jax.random.key(0)}, TypeError, "metric 'of': expected real numbers"),
    "complex": (lambda p: {"of": p + 1j}, TypeError, "metric 'of': expected real numbers"),
    "long": (
        lambda p: {"of": jnp.zeros(65536)},
        ValueError,
        r"metric 'of': expected a number or at most 1,024 .* shape \(65536,\); take its mean",
    ),
    "matrix": (lambda p: {"of": jnp.zeros((2, 2))}, ValueError, r"metric 'of': .* \(2, 2\)"),
    "no dict": (lambda p: [p], TypeError, "expected metrics as a dict, got list"),
}


def plain(reported):
    return pj.train_step(lambda p, b, k: (jnp.sum(p**2), reported(jnp.sum(p))), SGD)


def stateful(reported):
    loss_fn = lambda p, s, b, k: (jnp.sum(p**2), (s, reported(jnp.sum(p))))
    return pj.train_step(loss_fn, SGD, stateful=True)


def estimator(make):
    return lambda reported: pj.train_step(
        make(lambda p, b, k: (jnp.sum(p**2), reported(jnp.sum(p)))), SGD
    )


def hook(reported):
    apply = lambda own, old, new, metrics: (own, new, reported(jnp.sum(new.params)))
    return pj.train_step(lambda p, b, k: (jnp.sum(p**2), {}), SGD, [pj.Hook(apply=apply)])


def game(reported):
    loss_fn = lambda p, b, k: (jnp.sum(p["x"] ** 2), reported(jnp.sum(p["x"])))
    return pj.trainers.alternating({"x": loss_fn}, {"x": SGD})


MAKERS = {
    "loss": plain,
    "stateful loss": stateful,
    "GradFn": lambda reported: pj.train_step(
        pj.GradFn(lambda p, b, k: (p, jnp.sum(p), reported(jnp.sum(p)))), SGD
    ),
    "accumulate": estimator(lambda f: pj.grads.accumulate(f, 2)),
    "evolution": estimator(lambda f: pj.grads.evolution(f, population=2, sigma=0.1)),
    "spsa": estimator(lambda f: pj.grads.spsa(f, scale=0.1)),
    "per_example": estimator(pj.grads.per_example),
    "surgery": estimator(lambda f: pj.grads.surgery({"one": f, "two": f})),
    "meta": estimator(lambda f: pj.trainers.meta_loss(f, SGD, 1)),
    "hook": hook,
    "alternating": game,
    "federated": lambda reported: pj.trainers.federated(
        lambda p, b, k: (jnp.sum(p**2), reported(jnp.sum(p))), SGD, local_steps=1
    ),
}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_named_number_is_refused_at_the_first_trace(key, maker, case):
    reported, error, message = REFUSED[case]
    trainer = MAKERS[maker](reported)
    params = {"x": jnp.ones(2)} if maker == "alternating" else jnp.ones(2)
    rows = jnp.ones((2, 3))
    batch = {"support": rows, "query": rows} if maker == "meta" else rows
    with pytest.raises(error, match=message):
        jax.eval_shape(trainer.step, trainer.init(key, params), batch)


def test_numbers_and_short_vectors_of_any_real_dtype_are_kept(key):
    reported = lambda p: {
        "float": 0.5, "int": 3, "bool": p > 0, "half": p.astype(jnp.bfloat16),
        "numpy": np.float32(2.0), "of_class": jnp.arange(10), "train_loss": p, "seed": 7,
    }  # fmt: skip
    run = pj.fit(plain(reported), jnp.ones(2), np.ones((4, 1), np.float32),
                 key=key, steps=3)  # fmt: skip
    assert set(reported(jnp.ones(()))) < set(run.history)
    assert run.history["of_class"].shape == (3, 10)
    assert run.history["numpy"].tolist() == [2.0] * 3


def test_the_steps_own_names_are_replaced(key):
    run = pj.fit(plain(lambda p: {"loss": 7.0, "grad_norm": 7.0}), jnp.ones(2),
                 np.ones((4, 1), np.float32), key=key, steps=1)  # fmt: skip
    assert run.history["loss"].tolist() == [2.0]
    np.testing.assert_allclose(run.history["grad_norm"], [np.sqrt(8)], rtol=1e-6)


def test_a_trainer_made_by_hand_is_asked_too(key):
    trainer = plain(lambda p: {})
    step = lambda state, batch: (trainer.step(state, batch)[0], {"loss": 0.0, "step": 0})
    with pytest.raises(ValueError, match="trainer: metric 'step' has a name"):
        pj.fit(trainer._replace(step=step), jnp.ones(2), np.ones((4, 1), np.float32),
               key=key, steps=1)  # fmt: skip
