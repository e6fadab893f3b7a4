"""Losses that get values of schedules at the current step."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj
from paramjax.losses import at_step, scheduled

SGD = optax.sgd(0.1)
RISING = {"weight": lambda step: 1.0 + step}
BATCH = jnp.ones((4, 2))
BATCHES = jnp.ones((5, 4, 2))


def weighted(params, batch, key, *, weight):
    """A loss whose gradient is the weight."""
    return weight * jnp.sum(params), {"weight": weight}


def stateful(params, calls, batch, key, *, weight):
    return weight * jnp.sum(params), (calls + 1, {"weight": weight})


LOSS = scheduled(weighted, RISING)
ESTIMATORS = {
    "loss": LOSS,
    "stateful": pj.gradient(scheduled(stateful, RISING), stateful=True),
    "accumulate": pj.grads.accumulate(LOSS, 2),
    "stateful microbatches": pj.grads.accumulate(scheduled(stateful, RISING), 2, stateful=True),
    "loss scale": pj.grads.dynamic_loss_scale(LOSS),
    "spsa": pj.grads.spsa(LOSS, scale=0.1),
    "forward": pj.grads.forward_gradient(LOSS),
    "surgery": pj.grads.surgery({"one": LOSS, "two": LOSS}),
    "remat": pj.losses.remat(LOSS),
    "inside remat": scheduled(pj.losses.remat(weighted), RISING),
    "inside jit": scheduled(jax.jit(weighted), RISING),
    "augmented": scheduled(pj.losses.augmented(weighted, lambda key, batch: batch), RISING),
    "l2": pj.losses.l2(LOSS, 0.0),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_sees_the_step(key, name):
    """The gradient of a linear loss of one number is the weight, 1, 2, 3, ..."""
    hooks = [pj.hooks.skip_nonfinite()]
    trainer = pj.train_step(ESTIMATORS[name], SGD, hooks)
    state = jnp.int32(0) if trainer.stateful else ()
    for _ in range(2):  # a second trace must not meet the step of the first
        after, metrics = run_steps(trainer, jnp.float32(0.0), key, BATCHES, model_state=state)
        kept = "one/weight" if name == "surgery" else "weight"
        assert metrics[kept].tolist() == [1, 2, 3, 4, 5]
        if name not in ("forward", "spsa"):
            np.testing.assert_allclose(after.params, -0.1 * 15, rtol=1e-6)


def test_a_guard_takes_no_step_back(key):
    def lost_at_two(params, batch, key, *, weight):
        return jnp.where(weight == 3.0, jnp.nan, weight) * params, {"weight": weight}

    trainer = pj.train_step(scheduled(lost_at_two, RISING), SGD, [pj.hooks.skip_nonfinite()])
    _, metrics = run_steps(trainer, jnp.float32(1.0), key, steps=5)
    assert metrics["skipped"].tolist() == [0, 0, 1, 1, 1]
    assert metrics["weight"].tolist() == [1, 2, 3, 4, 5]


def test_the_outermost_step_counts_in_games_rounds_and_meta_learning(key):
    game = {"x": lambda p, b, k: LOSS(p["x"], b, k)}
    rows = jnp.ones((2, 3, 2))
    moves = pj.trainers.alternating(game, {"x": SGD}, steps={"x": 3})
    trainers = {
        "x/weight": (moves, {"x": jnp.zeros(())}),
        "weight": (pj.trainers.federated(LOSS, SGD, local_steps=3), jnp.zeros(())),
    }
    for name, (trainer, params) in trainers.items():
        _, metrics = run_steps(trainer, params, key, jnp.ones((4, *rows.shape)))
        assert metrics[name].tolist() == [1, 2, 3, 4]
    outer = pj.train_step(pj.trainers.meta_loss(LOSS, SGD, 2), SGD)
    tasks = {"support": jnp.ones((4, *rows.shape)), "query": jnp.ones((4, *rows.shape))}
    _, metrics = run_steps(outer, jnp.zeros(()), key, tasks)
    assert metrics["weight"].tolist() == [1, 2, 3, 4]


def test_monitors_and_line_searches_get_the_values_of_their_step(key):
    """sharpness of weight * w^2 is twice the weight; Polyak's step takes the loss itself."""
    loss_fn = scheduled(lambda p, b, k, *, weight: (weight * p**2, {}), RISING)
    trainer = pj.train_step(loss_fn, optax.sgd(1e-3), [pj.hooks.sharpness(1, iterations=1)])
    _, metrics = run_steps(trainer, jnp.float32(1.0), key, steps=3)
    np.testing.assert_allclose(metrics["sharpness"], [2, 4, 6], rtol=1e-5)
    searched = pj.train_step(loss_fn, optax.lbfgs())
    _, metrics = run_steps(searched, jnp.float32(1.0), key, steps=3)
    assert metrics["loss"][-1] < 1e-6


def test_a_run_is_the_same_whole_and_resumed_and_schedules_may_be_swept(key):
    def trainer(end):
        return pj.train_step(
            scheduled(weighted, {"weight": optax.linear_schedule(0.0, end, 4)}), SGD
        )

    ends = jnp.array([1.0, 8.0])
    _, metrics = jax.vmap(lambda end: run_steps(trainer(end), jnp.zeros(()), key, steps=6))(ends)
    np.testing.assert_allclose(
        metrics["weight"], np.outer(ends, [0, 0.25, 0.5, 0.75, 1.0, 1.0]), rtol=1e-6
    )
    run = pj.fit(trainer(8.0), jnp.zeros(()), BATCH, key=key, steps=6)
    np.testing.assert_allclose(run.history["weight"], metrics["weight"][1], rtol=1e-6)


def test_outside_of_a_trainer_the_step_is_said():
    with pytest.raises(ValueError, match=r"no current step .*with pj.losses.at_step"):
        LOSS(jnp.float32(2.0), None, None)
    with at_step(3):
        assert float(LOSS(jnp.float32(2.0), None, None)[0]) == 8.0
        with at_step(100):  # the outermost counts
            assert float(LOSS(jnp.float32(2.0), None, None)[0]) == 8.0
    with pytest.raises(ValueError, match="no current step"):
        LOSS(jnp.float32(2.0), None, None)


def test_wrong_arguments_are_refused():
    assert_refused(
        scheduled,
        ((3.0, RISING), TypeError, "scheduled: loss_fn: expected a function, got float"),
        ((weighted, {}), ValueError, "scheduled: schedules: expected a mapping such as"),
        ((weighted, RISING["weight"]), ValueError, "scheduled: schedules: expected a mapping"),
        (
            (weighted, {"weight": 1.0}),
            TypeError,
            "weight: expected a schedule, .* a constant is",
        ),
        ((weighted, {"a b": RISING["weight"]}), TypeError, "expected a keyword of the loss, got"),
    )
