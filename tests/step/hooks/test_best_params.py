import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
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
