import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj
from paramjax.step.hooks import average_metrics, best_params


def scored(params, batch, key):
    """A loss that the test sets: its value is the batch and its gradient is -1."""
    return batch + (jax.lax.stop_gradient(params) - params), {"other": -batch}


def run(key, scores, *hooks, tx=None):
    """The parameters to evaluate after all steps, and the best scores; step t starts from t."""
    trainer = pj.train_step(scored, tx or optax.sgd(1.0), hooks or [best_params()])
    state, metrics = run_steps(trainer, jnp.zeros(()), key, jnp.asarray(scores, jnp.float32))
    return float(trainer.eval_params(state)), metrics["best_score"].tolist()


@pytest.mark.parametrize(
    ("scores", "best", "reported"),
    [
        ([3.0, 1.0, 2.0, 1.0], 1, [3.0, 1.0, 1.0, 1.0]),
        ([5.0, np.nan, -np.inf, 4.0], 3, [5.0, 5.0, 5.0, 4.0]),
        ([1.0, 2.0, 3.0, np.nan], 0, [1.0, 1.0, 1.0, 1.0]),
        ([np.nan, np.inf, np.nan, np.nan], 4, [np.inf] * 4),
    ],
    ids=["first of equal", "not finite", "the start", "none"],
)
def test_keeps_the_parameters_before_the_best_step(key, scores, best, reported):
    assert run(key, scores) == (best, reported)


def test_any_score_of_the_metrics_and_lookahead_at_its_fast_weights(key):
    assert run(key, [1.0, 5.0, 2.0], best_params(lambda metrics: metrics["other"]))[0] == 1
    means = best_params(lambda metrics: metrics["loss/mean"])
    # means 3, 2, 1.5, 1.25
    assert run(key, [3.0, 1.0, 2.0, 0.5], average_metrics("loss", window=2), means)[0] == 3
    tx = optax.lookahead(optax.sgd(1.0), 3, 0.5)
    # fast weights 0, 1, 2, then half of 3 where slow and fast meet
    assert run(key, [3.0, 2.0, 1.0, 4.0], tx=tx)[0] == 2.0
    assert run(key, [3.0, 2.0, 1.0, 0.0], tx=tx)[0] == 1.5


@pytest.mark.parametrize("index", [0, 1], ids=["guard first", "guard last"])
def test_a_score_stands_where_the_step_is_rejected(key, index):
    as_given = pj.GradFn(lambda params, batch, key: (batch[0], batch[1], {}))
    hooks = [best_params()]
    hooks.insert(index, pj.hooks.skip_nonfinite())
    trainer = pj.train_step(as_given, optax.sgd(1.0), hooks)
    grads_and_losses = jnp.array([(-1.0, 5.0), (jnp.inf, -9.0), (-1.0, 0.0)])
    state, metrics = run_steps(trainer, jnp.zeros(()), key, grads_and_losses)
    assert float(state.params) == 2  # the second step was rejected
    assert float(metrics["best_score"][-1]) == -9
    assert float(trainer.eval_params(state)) == 1


def test_equals_the_argmin_of_a_run_and_its_state_can_be_donated(line, line_loss, line_params, key):
    rates = optax.scale_by_learning_rate(lambda step: jnp.where(step < 3, 0.2, 3.0))
    trainer = pj.train_step(line_loss, optax.chain(optax.trace(0.5), rates), [best_params()])
    step = jax.jit(trainer.step, donate_argnums=0)
    state, iterates, losses = trainer.init(key, jax.tree.map(jnp.copy, line_params)), [], []
    for _ in range(6):
        iterates.append(jax.tree.map(jnp.copy, state.params))
        state, metrics = step(state, line)
        losses.append(float(metrics["loss"]))
    assert 0 < np.argmin(losses) < 5  # the large rate diverges
    chex.assert_trees_all_equal(trainer.eval_params(state), iterates[np.argmin(losses)])


def test_scores_of_another_kind_are_refused(key):
    known = r"best_params: .*asks for 'val_loss', which .* \(known: grad_norm, loss, other"
    assert_refused(
        lambda score: run(key, [0.0], best_params(score)),
        (lambda m: m["val_loss"], ValueError, known),
        (lambda m: jnp.ones(3), ValueError, r"best_params: .*got shape \(3,\); take its mean"),
        ("loss", TypeError, "best_params: score: expected a function, got str 'loss'"),
    )


def normalised(params, state, batch, key):
    """Batch statistics of w * x that move; the reported score is that of the state before."""
    del key
    hidden = params["w"] * batch
    score = evaluated(params, state, batch)
    state = {
        "mean": 0.5 * state["mean"] + 0.5 * hidden.mean(),
        "var": 0.5 * state["var"] + 0.5 * hidden.var(),
    }
    outputs = params["a"] * (hidden - hidden.mean()) / jnp.sqrt(hidden.var() + 1e-5)
    return ((outputs - jnp.sin(batch)) ** 2).mean() - params["w"], (state, {"score": score})


def evaluated(params, state, batch):
    outputs = params["a"] * (params["w"] * batch - state["mean"]) / jnp.sqrt(state["var"] + 1e-5)
    return ((outputs - jnp.sin(batch)) ** 2).mean() + 0.02 * params["w"] ** 2


TXS = {
    "sgd": optax.sgd(0.1),
    "lookahead": optax.lookahead(optax.sgd(0.1), 3, 0.5),
    "schedule-free": optax.contrib.schedule_free_sgd(0.1),
}


@pytest.mark.parametrize("tx", TXS)
def test_keeps_the_model_state_of_its_parameters(key, tx):
    """What is evaluated with both is the score that was the best, long after it."""
    x = jnp.linspace(2.0, 4.0, 8)
    params = {"w": jnp.float32(1.0), "a": jnp.float32(0.0)}
    start = {"mean": jnp.float32(0.0), "var": jnp.float32(1.0)}
    hook = best_params(lambda metrics: metrics["score"])
    trainer = pj.train_step(normalised, TXS[tx], [pj.hooks.ema(0.5), hook], stateful=True)
    batches = jnp.broadcast_to(x, (40, 8))
    state, metrics = run_steps(trainer, params, key, batches, model_state=start)
    best = evaluated(trainer.eval_params(state), trainer.eval_model_state(state), x)
    np.testing.assert_allclose(best, metrics["score"].min(), rtol=1e-5)
    assert int(metrics["score"].argmin()) < 38
    # without it the last statistics would be evaluated with the best parameters
    wrong = evaluated(trainer.eval_params(state), state.model_state, x)
    assert abs(wrong - best) > 0.01


def test_averages_are_evaluated_with_the_current_model_state(key):
    counted = lambda params, calls, batch, key: (params, (calls + 1, {}))
    for hook in (pj.hooks.ema(0.9), pj.hooks.polyak_average()):
        trainer = pj.train_step(counted, optax.sgd(0.1), [hook], stateful=True)
        state, _ = run_steps(trainer, jnp.float32(1.0), key, steps=3, model_state=jnp.int32(0))
        assert int(trainer.eval_model_state(state)) == 3


def test_before_the_first_finite_score_the_model_state_is_the_current_one(key):
    lost = lambda params, calls, batch, key: (params * jnp.nan, (calls + 1, {}))
    trainer = pj.train_step(lost, optax.sgd(0.1), [best_params()], stateful=True)
    state, _ = run_steps(trainer, jnp.float32(1.0), key, steps=3, model_state=jnp.int32(0))
    assert int(trainer.eval_model_state(state)) == 3
