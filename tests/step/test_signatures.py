"""Losses called wrongly, forgotten model state and changed carries: errors that name the cause."""

import jax
import jax.numpy as jnp
import optax
import pytest

import paramjax as pj

SGD = optax.sgd(0.1)
PARAMS, BATCH = jnp.ones(2), jnp.ones((4, 2))


def plain(params, batch, key):
    return jnp.sum(params * batch.mean(0)), {}


def with_state(params, model_state, batch, key):
    return jnp.sum(params * batch.mean(0)), ({"mean": batch.mean(0)}, {})


def no_key(params, batch):
    return jnp.sum(params), {}


def first_trace(trainer, model_state=(), params=PARAMS):
    def run():
        state = trainer.init(jax.random.key(0), params, model_state)
        return trainer.step(state, BATCH)

    return jax.eval_shape(run)


MAKERS = {
    "train_step": lambda f, stateful: pj.train_step(f, SGD, stateful=stateful),
    "accumulate": lambda f, stateful: pj.train_step(
        pj.grads.accumulate(f, 2, stateful=stateful), SGD
    ),
    "evolution": lambda f, stateful: pj.train_step(
        pj.grads.evolution(f, population=2, sigma=0.1, stateful=stateful), SGD
    ),
    "per_example": lambda f, stateful: pj.train_step(
        pj.grads.per_example(f, stateful=stateful), SGD
    ),
}


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize(
    ("loss_fn", "stateful", "message"),
    [
        (with_state, False, r"with_state\(params, model_state, batch, key\) cannot be called with "
                            r"\(params, batch, key\): missing .* say stateful=True"),
        (plain, True, r"plain\(params, batch, key\) cannot be called with "
                      r"\(params, model_state, batch, key\): too many .* leave stateful=True out"),
        (no_key, False, r"no_key\(params, batch\) cannot be called with \(params, batch, key\)"),
    ],
    ids=["forgotten stateful", "stateful too much", "no key"],
)  # fmt: skip
def test_a_loss_of_another_number_of_arguments(maker, loss_fn, stateful, message):
    state = {"mean": jnp.zeros(2)} if stateful else ()
    with pytest.raises(TypeError, match=message):
        first_trace(MAKERS[maker](loss_fn, stateful), state)


def test_a_player_is_named(key):
    trainer = pj.trainers.alternating({"x": no_key}, {"x": SGD})
    with pytest.raises(TypeError, match=r"losses\['x'\]: no_key\(params, batch\) cannot be called"):
        first_trace(trainer, params={"x": PARAMS})


def test_an_error_inside_of_a_loss_stays_what_it_is():
    def wrong(params, batch, key):
        return jnp.dot(1), {}

    with pytest.raises(TypeError, match=r"dot\(\) missing") as error:
        first_trace(pj.train_step(wrong, SGD))
    assert not any("model_state" in note for note in error.value.__notes__)


def test_a_state_returned_without_being_declared():
    loss_fn = lambda params, batch, key: (jnp.sum(params), ({"mean": 0.0}, {}))
    with pytest.raises(TypeError, match="a loss with model state is declared by stateful=True"):
        first_trace(pj.train_step(loss_fn, SGD))


def test_a_forgotten_model_state_is_said_beside_the_error_of_the_loss():
    def moving(params, state, batch, key):
        return jnp.sum(params), ({"mean": 0.9 * state["mean"]}, {})

    with pytest.raises(TypeError) as error:
        first_trace(pj.train_step(moving, SGD, stateful=True))
    assert (
        "got the empty model_state (); if it needs one, give the first as model_state="
        in (error.value.__notes__[0])
    )
    with pytest.raises(ValueError, match="leaf mean, .*, is new.* give the first one as model_sta"):
        first_trace(pj.train_step(with_state, SGD, stateful=True))


def test_a_model_state_that_nobody_takes_is_refused():
    scaled = pj.grads.dynamic_loss_scale(plain)
    for trainer in (
        pj.train_step(plain, SGD),
        pj.train_step(scaled, SGD, [pj.hooks.skip_nonfinite()]),
        pj.trainers.alternating({"x": plain}, {"x": SGD}),
    ):
        with pytest.raises(ValueError, match="model_state: given, but this trainer"):
            first_trace(trainer, {"mean": jnp.zeros(2)})


STATE = {"a": jnp.zeros(2), "n": jnp.int32(0)}
CHANGES = {
    "dtype": (lambda s: s | {"n": s["n"] + 0.5}, r"leaf n was int32\[\] .* is float32\[\] after"),
    "shape": (lambda s: s | {"a": jnp.zeros(3)}, r"leaf a was float32\[2\] .* is float32\[3\] aft"),
    "gone": (lambda s: {"a": s["a"]}, r"leaf n, int32\[\], is gone"),
    "new": (lambda s: s | {"b": s["a"]}, r"leaf b, float32\[2\], is new"),
    "kind": (lambda s: tuple(s.values()), "its tree changed in the step"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_step_carries_keeps_its_form(change):
    """Without these, a loop ends in JAX's own error, which names neither part nor leaf."""
    changed, message = CHANGES[change]
    loss_fn = lambda p, s, b, k: (jnp.sum(p), (changed(s), {}))
    with pytest.raises(ValueError, match=rf"model_state: .*{message}"):
        first_trace(pj.train_step(loss_fn, SGD, stateful=True), STATE)
    hook = pj.Hook(
        init=lambda params: STATE,
        apply=lambda own, old, new, metrics: (changed(own), new, metrics),
        name="mine",
    )
    with pytest.raises(ValueError, match=rf"state of mine: .*{message}"):
        first_trace(pj.train_step(plain, SGD, [pj.hooks.ema(0.9), hook]))
    unnamed = hook._replace(name="", apply=pj.Hook().apply,
                            observe=lambda own, observation: (changed(own), {}))  # fmt: skip
    with pytest.raises(ValueError, match=rf"state of hooks\[1\]: .*{message}"):
        first_trace(pj.train_step(plain, SGD, [pj.hooks.ema(0.9), unnamed]))
    tx = optax.GradientTransformation(lambda p: STATE, lambda g, s, p=None: (g, changed(s)))
    with pytest.raises(ValueError, match=rf"opt_state: .*{message}"):
        first_trace(pj.train_step(plain, tx))


def test_python_numbers_in_states_are_taken_as_arrays(key):
    counted = lambda p, s, b, k: (jnp.sum(p), ({"a": s["a"], "n": 3}, {}))
    trainer = pj.train_step(counted, SGD, stateful=True)
    run = pj.fit(trainer, PARAMS, BATCH, key=key, steps=3, model_state=STATE)
    assert int(run.state.model_state["n"]) == 3


FUNCTIONS = {
    "apply of two": (
        pj.Hook(apply=lambda own, new: (own, new, {})),
        r"0\]: apply: .*own, old",
    ),
    "init of none": (pj.Hook(init=lambda: ()), r"hooks\[0\]: init: expected a function \(params\)"),
    "eval of one": (pj.Hook(eval_params=lambda params: params, name="mine"), "mine: eval_params: "),
    "observe of one": (pj.Hook(observe=lambda seen: ((), {})), "observe: .*own, observation"),
    "no function": (pj.Hook(apply=3), "apply: expected a function, got int 3"),
    "a hook alone": (pj.hooks.ema(0.9), "hooks: expected a list such as"),
}


@pytest.mark.parametrize("case", FUNCTIONS)
def test_functions_of_hooks_are_seen_to_take_what_they_are_given(case):
    hook, message = FUNCTIONS[case]
    with pytest.raises(TypeError, match=message):
        pj.train_step(plain, SGD, hook if case == "a hook alone" else [hook])


def test_hooks_that_are_no_list():
    with pytest.raises(TypeError, match="hooks: expected a list .* got None"):
        pj.train_step(plain, SGD, None)


RETURNED = {
    "None": (lambda own, old, new, metrics: None, "got a NoneType"),
    "two": (lambda own, old, new, metrics: (own, new), "got 2 values"),
    "in another order": (lambda own, old, new, metrics: (new, own, metrics), "as its second value"),
}


@pytest.mark.parametrize("case", RETURNED)
def test_what_a_hook_returns_is_named(case):
    apply, message = RETURNED[case]
    hook = pj.Hook(apply=apply, name="mine")
    with pytest.raises(TypeError, match=rf"mine: apply: expected it to return .*{message}"):
        first_trace(pj.train_step(plain, SGD, [hook]))


def test_an_observation_of_one_value_is_named():
    hook = pj.Hook(observe=lambda own, observation: {"x": 1.0})
    with pytest.raises(TypeError, match=r"hooks\[0\]: observe: .*own, metrics.*got a dict"):
        first_trace(pj.train_step(plain, SGD, [hook]))


def test_schedules_of_losses_take_the_step_and_return_a_number():
    weighted = lambda p, b, k, *, weight: (weight * jnp.sum(p), {})
    with pytest.raises(TypeError, match=r"scheduled: weight: expected a function \(step\)"):
        pj.losses.scheduled(weighted, {"weight": lambda: 0.1})
    nothing = pj.losses.scheduled(weighted, {"weight": lambda step: None})
    with pytest.raises(TypeError, match="weight: expected .* a number, got None"):
        first_trace(pj.train_step(nothing, SGD))


def test_a_function_for_the_first_model_state_takes_the_parameters(key):
    trainer = pj.train_step(lambda p, s, b, k: (jnp.sum(p), (s, {})), SGD, stateful=True)
    with pytest.raises(TypeError, match=r"model_state: expected a function \(params\)"):
        pj.fit(trainer, PARAMS, BATCH, key=key, steps=1, model_state=lambda: 0.0)
