import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused
from stepping import run_steps

import paramjax as pj
from paramjax.step import KeptOnReject, assemble


def counter(**changes):
    """A hook that counts its steps, with some of its functions replaced."""
    init = lambda params: jnp.zeros([], jnp.int32)
    apply = lambda own, old, new, metrics: (own + 1, new, metrics)
    return pj.Hook(init, apply)._replace(**changes)


def test_hooks_given_twice_and_a_missing_one_are_refused_by_name(line_loss):
    ema, guard, nameless = pj.hooks.ema, pj.hooks.skip_nonfinite(), counter()
    needy = pj.GradFn(pj.gradient(line_loss).estimate, needs=("skip_nonfinite",))
    assert_refused(
        lambda loss_fn, *hooks: pj.train_step(loss_fn, optax.sgd(0.1), hooks),
        (
            (line_loss, ema(0.9), guard, ema(0.99)),
            ValueError,
            r"hooks\[2\]: ema is given twice, hooks\[0\]",
        ),
        ((line_loss, nameless, nameless), ValueError, r"hooks\[1\]: this hook is given twice"),
        (needy, ValueError, r"needs skip_nonfinite; add pj.hooks.skip_nonfinite\(\)"),
    )
    pj.train_step(needy, optax.sgd(0.1), [guard])


def test_two_averages_live_side_by_side_under_two_names(line, line_loss, line_params, key):
    slow = pj.hooks.ema(0.9)._replace(name="slow")
    both = pj.train_step(line_loss, optax.sgd(0.1), [pj.hooks.ema(0.5), slow])
    alone = pj.train_step(line_loss, optax.sgd(0.1), [slow])
    evaluated = [t.eval_params(t.step(t.init(key, line_params), line)[0]) for t in (both, alone)]
    np.testing.assert_array_equal(evaluated[0]["w"], evaluated[1]["w"])


def test_monitors_see_the_step_before_a_guard_rejects_it(key):
    observe = lambda own, o: (own + 1, {"size": optax.tree.norm(o.updates)})
    seen = counter(apply=pj.Hook().apply, observe=observe)
    poison = lambda params, batch, key: (params * batch, {})
    trainer = pj.train_step(poison, optax.sgd(1.0), [pj.hooks.skip_nonfinite(), seen])
    state, metrics = run_steps(trainer, jnp.float32(1.0), key, jnp.array([1.0, jnp.nan, 2.0]))
    assert (int(state.hook_state[0].value), int(state.hook_state[1])) == (1, 3)
    assert (float(metrics["size"][-1]), float(state.params)) == (2.0, -2.0)


def test_a_trainer_without_a_gradient_refuses_monitors_by_name(key):
    still = lambda state, batch, key: (state, {"loss": 0.0, "grad_norm": 0.0}, None)
    trainer = assemble(lambda p, m: (p, m, ()), still, [pj.hooks.monitor_groups()])
    with pytest.raises(ValueError, match="monitor_groups: this trainer has no single gradient"):
        trainer.step(trainer.init(key, jnp.zeros(2)), None)


def test_a_rejection_keeps_the_counter_and_what_is_marked(key):
    def state(step, params, kept, lost):
        model_state = KeptOnReject(jnp.float32(kept)), lost
        return pj.TrainState(jnp.int32(step), params, model_state, (), (), key)

    old, new = state(3, jnp.zeros(2), 8.0, 1.0), state(4, jnp.ones(2), 4.0, 2.0)
    kept = pj.hooks.reject(jnp.bool_(False), old, new)
    assert (int(kept.step), kept.params.tolist()) == (4, [0.0, 0.0])
    assert (float(kept.model_state[0].value), float(kept.model_state[1])) == (4.0, 1.0)
    assert pj.hooks.reject(jnp.bool_(True), old, new).params.tolist() == [1.0, 1.0]


def test_numbers_of_weak_type_begin_with_the_dtype_they_keep(key):
    """A Python number in a state would change its type at the first step, and trace again."""
    weak = pj.Hook(lambda params: 0.0, lambda own, old, new, metrics: (own + 1.0, new, metrics))
    trainer = pj.train_step(lambda p, batch, key: (p**2, {}), optax.sgd(0.1), [weak])
    state = trainer.init(key, jnp.float32(1.0))
    assert not state.hook_state[0].weak_type
    after = jax.eval_shape(trainer.step, state, None)[0]
    assert jax.tree.map(lambda a: a.dtype, after) == jax.tree.map(lambda a: a.dtype, state)
