"""What a trainer says of itself: the state to evaluate with, statefulness, guards."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from stepping import run_steps

import paramjax as pj


def plain(params, batch, key):
    return (params * batch).mean(), {}


def counted(params, calls, batch, key):
    """A loss whose model state counts its calls."""
    return (params * batch).mean(), (calls + 1.0, {})


SGD = optax.sgd(0.1)
GAMES = {
    name: pj.trainers.alternating({"x": loss}, {"x": SGD}, stateful=name == "counted")
    for name, loss in (
        ("plain", lambda p, b, k: (p["x"], {})),
        ("counted", lambda p, s, b, k: (p["x"], (s, {}))),
    )
}
SCALED = [pj.hooks.skip_nonfinite()]
WORDS = {
    "plain": (pj.train_step(plain, SGD), False),
    "stateful": (pj.train_step(counted, SGD, stateful=True), True),
    "gradient": (pj.train_step(pj.gradient(counted, stateful=True), SGD), True),
    "accumulate": (pj.train_step(pj.grads.accumulate(counted, 2, stateful=True), SGD), True),
    "loss scale": (pj.train_step(pj.grads.dynamic_loss_scale(plain), SGD, SCALED), False),
    "scale, stateful": (
        pj.train_step(pj.grads.dynamic_loss_scale(counted, stateful=True), SGD, SCALED),
        True,
    ),
    "accumulated scale": (
        pj.train_step(pj.grads.accumulate(pj.grads.dynamic_loss_scale(plain), 2), SGD, SCALED),
        False,
    ),
    "own state": (
        pj.train_step(pj.GradFn(None, stateful=True, init=lambda p, s: jnp.zeros(3)), SGD),
        None,
    ),
    "game": (GAMES["plain"], False),
    "stateful game": (GAMES["counted"], True),
    "federated": (pj.trainers.federated(plain, SGD, local_steps=1), False),
    "stateful clients": (pj.trainers.federated(counted, SGD, local_steps=1, stateful=True), True),
    "poisson": (pj.grads.poisson(pj.train_step(counted, SGD, stateful=True), 0.5), True),
    "by hand": (pj.Trainer(None, None, None), None),
}


@pytest.mark.parametrize("name", WORDS)
def test_a_trainer_says_whether_evaluations_take_the_state(name):
    trainer, stateful = WORDS[name]
    assert trainer.stateful is stateful


@pytest.mark.parametrize("loss_fn", [plain, counted])
def test_evaluations_see_the_models_own_state_beside_a_loss_scale(key, loss_fn):
    scaled = pj.grads.dynamic_loss_scale(loss_fn, stateful=loss_fn is counted)
    start = jnp.float32(0.0) if loss_fn is counted else ()
    trainer = pj.train_step(scaled, SGD, [*SCALED, pj.hooks.ema(0.9)])
    state, _ = run_steps(trainer, jnp.float32(1.0), key, jnp.ones((3, 2)), model_state=start)
    assert trainer.eval_model_state(state) == (3.0 if loss_fn is counted else ())


def test_wrapped_trainers_hand_on_what_they_wrap(key):
    guarded = pj.train_step(counted, SGD, [pj.hooks.skip_nonfinite()], stateful=True)
    mesh = jax.make_mesh((1,), ("data",))
    for wrapped in (pj.grads.poisson(guarded, 0.5), pj.trainers.shard(guarded, mesh)):
        assert (wrapped.stateful, wrapped.guards_nonfinite) == (True, True)
        state = wrapped.init(key, jnp.float32(1.0), jnp.float32(7.0))
        assert float(wrapped.eval_model_state(state)) == 7.0


def test_a_guard_is_known_by_its_hook_and_not_by_the_name_of_a_metric():
    named = lambda params, batch, key: (params, {"skipped": 0})
    assert not pj.train_step(named, SGD).guards_nonfinite
    assert not pj.train_step(named, SGD, [pj.hooks.skip_spikes()]).guards_nonfinite
    renamed = pj.hooks.skip_nonfinite()._replace(name="mine")
    assert pj.train_step(plain, SGD, [pj.hooks.ema(0.9), renamed]).guards_nonfinite


def test_a_metric_called_skipped_does_not_switch_the_stop_off(key):
    """log(1 - w) ascended from 0.1 is not finite once w passes 1."""
    loss = lambda w, b, k: (-jnp.log(1.0 - w * b.mean()), {"skipped": (b < 0).sum()})
    with pytest.raises(pj.NonFiniteError):
        pj.fit(pj.train_step(loss, optax.sgd(-0.3)), jnp.float32(0.1), np.ones(4, np.float32),
               key=key, steps=30)  # fmt: skip
